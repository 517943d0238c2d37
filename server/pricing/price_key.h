#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "pricing/price.h"

// Which row of a list is meant, and how it is called.
namespace bursar::pricing {

// "gpt-4o", "gpt-4o*", "*claude*", "*:free", "regex:^o[134]".
std::string TextOf(const usage::NamePattern& pattern);
// "openai/gpt-4o*".
std::string NameOf(const Price& price);
// The same with tier, region, size, time and hours: "openai/gpt-4o*, tier batch, from 2026-08-01".
std::string RowName(const Price& price);

// The same for rows that mean the same model.
std::string ModelKey(const Price& price);
// The same for rows of which a list can have one only.
std::string RowKey(const Price& price);

// The order in which rows are listed: by provider, pattern, tier, region, time, hours and size.
bool ListedBefore(const Price& a, const Price& b);

// "2026-08-01T00:00:00Z"; and "00:30", with seconds only where they say something.
std::string TimeText(absl::Time time);
std::string HourText(absl::Duration since_midnight);

}  // namespace bursar::pricing
