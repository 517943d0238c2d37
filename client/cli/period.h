#pragma once

#include <bursar/status.h>

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

// Points in time on the command line.
namespace bursar::cli {

// The zone of an IANA name like "Europe/Berlin"; empty is UTC.
StatusOr<absl::TimeZone> LoadZone(std::string_view name);

// Reads "2026-11-22", "2026-11-22 14:30" or "2026-11-22T14:30:00" as of `zone`, or with an offset
// or Z of its own.
StatusOr<absl::Time> ParseTime(std::string_view text, absl::TimeZone zone);

// When a period that ends `now` began: "today" and "month" with the day and month of `zone`; "7d",
// "12h" so long ago, at the full hour before.
StatusOr<absl::Time> PeriodStart(std::string_view period, absl::Time now, absl::TimeZone zone);

// What is wrong with a range from `start` to `end`.
Status RangeEndsBeforeItStarts(absl::Time start, absl::Time end, absl::TimeZone zone);

// "2026-11-22 14:30 UTC".
std::string FormatMinute(absl::Time time, absl::TimeZone zone);
// "2026-11-22 14:30:05 UTC".
std::string FormatSecond(absl::Time time);

absl::Time TimeOf(const google::protobuf::Timestamp& time);
void SetTime(absl::Time time, google::protobuf::Timestamp* out);

}  // namespace bursar::cli
