#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "usage/name_pattern.h"
#include "usage/provider_usage.h"
#include "usage/record.h"

namespace bursar::pricing {

// A part of the day, in UTC: from its start up to its end, over midnight if the end comes first.
struct DailyHours {
  absl::Duration start, end;  // since midnight

  bool operator==(const DailyHours&) const = default;
};

// What one model costs: from one time on, at one size of input, in one tier and region.
struct Price {
  std::string provider;
  usage::NamePattern model;
  std::string service_tier;      // "" = the standard tier, and any that has no price of its own
  std::string region;            // "" = every region that has no price of its own
  int64_t min_input_tokens = 0;  // the tier that starts at this many input tokens of one call
  absl::Time effective_time = absl::InfinitePast();
  std::optional<DailyHours> daily;  // absent: all day, except where another price has its hours
  std::array<std::optional<int64_t>, usage::kTokenClasses> per_million;  // nano-USD per 10^6 tokens
  std::map<std::string, int64_t> other;         // further classes, nano-USD per 10^6 tokens
  std::map<std::string, int64_t> billed_units;  // nano-USD per 10^3 units; "request": of each call
  int64_t max_output_tokens = 0;                // 0 = not known
  // "provider/model": priced as that model, and without prices of its own. "model": of the same
  // provider. "provider/*": as the model of the same name there. Several, after commas: the first
  // that has a price.
  std::string same_as;
  std::string source;  // where the figure comes from, with its date

  bool operator==(const Price&) const = default;
};

// A provider whose answers and other names are known.
struct Provider {
  std::string id;
  usage::NameRule aliases;  // other names that callers may have for it: "bedrock" of "aws"
  std::vector<usage::Extractor> extractors;

  bool operator==(const Provider&) const = default;
};

// Prices as a document says them and the store keeps them.
struct PriceDocument {
  std::string version;  // what the document calls itself; may be empty
  std::vector<Price> prices;
  std::vector<Provider> providers;

  bool operator==(const PriceDocument&) const = default;
};

}  // namespace bursar::pricing
