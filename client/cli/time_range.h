#pragma once

#include <bursar/status.h>

#include <optional>
#include <string_view>

#include "absl/time/time.h"

namespace bursar::cli {

struct TimeRange {
  absl::Time start;
  std::optional<absl::Time> end;  // not included; absent: now
};

// Reads what PeriodStart reads, and
// - "2026-11-15", "2026-10": that day or month of `zone`;
// - "FROM..TO": from the start of FROM to the end of TO, each a day, a month or a time. So the last
//   day is in it: "2026-11-01..2026-11-15" has 15 days. A time has no length: it is not in it;
// - "FROM.." until now, "..TO" and ".." from ten years before.
StatusOr<TimeRange> ParsePeriod(std::string_view period, absl::Time now, absl::TimeZone zone);

}  // namespace bursar::cli
