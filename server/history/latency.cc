#include "history/latency.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace bursar::history {
namespace {

constexpr int32_t kExact = 64;         // buckets of one microsecond
constexpr int32_t kBucketsMax = 1100;  // the greatest int64 is in bucket 1,070
constexpr double kGrowth = 1.04;

double LowerBoundMicros(int32_t bucket) { return kExact * std::pow(kGrowth, bucket - kExact); }

absl::Duration ValueOf(int32_t bucket) {
  if (bucket < kExact) return absl::Microseconds(bucket);
  // The harmonic mean of the bounds, whose relative distance from both is the same.
  return absl::Microseconds(LowerBoundMicros(bucket) * 2 * kGrowth / (1 + kGrowth));
}

}  // namespace

void LatencyHistogram::Add(absl::string_view text) {
  for (absl::string_view entry : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const auto colon = entry.find(':');
    int32_t bucket = 0;
    int64_t count = 1;
    if (!absl::SimpleAtoi(entry.substr(0, colon), &bucket)) continue;
    if (colon != entry.npos && !absl::SimpleAtoi(entry.substr(colon + 1), &count)) continue;
    if (bucket < 0 || bucket >= kBucketsMax) continue;
    if (counts_.size() <= static_cast<size_t>(bucket)) counts_.resize(bucket + 1);
    counts_[bucket] += count;
  }
}

void LatencyHistogram::Add(const LatencyHistogram& other) {
  counts_.resize(std::max(counts_.size(), other.counts_.size()));
  for (size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
}

std::optional<absl::Duration> LatencyHistogram::Percentile(double fraction) const {
  int64_t all = 0;
  for (const int64_t count : counts_) all += count;
  if (all <= 0) return std::nullopt;
  const auto rank = std::max<int64_t>(1, std::ceil(fraction * static_cast<double>(all) - 1e-9));
  int64_t below = 0;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    below += counts_[bucket];
    if (below >= rank) return ValueOf(static_cast<int32_t>(bucket));
  }
  return std::nullopt;
}

std::optional<absl::Duration> LatencyHistogram::UpperBound() const {
  for (int32_t bucket = static_cast<int32_t>(counts_.size()) - 1; bucket >= 0; --bucket) {
    if (counts_[bucket] <= 0) continue;
    if (bucket < kExact) return absl::Microseconds(bucket);
    return absl::Microseconds(std::ceil(LowerBoundMicros(bucket + 1)));
  }
  return std::nullopt;
}

}  // namespace bursar::history
