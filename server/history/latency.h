#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace bursar::history {

// How many calls took how long, in the buckets of the SQL function latency_bucket(): 64 of one
// microsecond each, then buckets whose bounds grow by 1.04. What it says of a bucket is within
// 0.04 / 2.04 = 1.96 % of every value in it (DDSketch, VLDB 2019; the migration names it in full).
class LatencyHistogram {
 public:
  // Adds one in the form that rollups keep: "bucket:count bucket:count", ":1" left out. Counts may
  // be negative: what is taken away again.
  void Add(absl::string_view text);
  void Add(const LatencyHistogram& other);

  // The value of the nearest rank: the smallest that at least this fraction of all are not above.
  // Nothing for an empty histogram.
  std::optional<absl::Duration> Percentile(double fraction) const;

  // What no value is above.
  std::optional<absl::Duration> UpperBound() const;

 private:
  std::vector<int64_t> counts_;  // by bucket
};

}  // namespace bursar::history
