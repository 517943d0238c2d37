#include "history/latency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace bursar::history {
namespace {

// As the SQL function latency_bucket() says it.
int BucketOf(int64_t micros) {
  if (micros < 64) return static_cast<int>(micros);
  return 64 + static_cast<int>(std::floor(std::log(micros / 64.0) / std::log(1.04)));
}

TEST(LatencyHistogram, IsWithinTwoPercentOfTheNearestRank) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> seconds(0, 3);
  for (int n : {1, 2, 3, 10, 999, 10'000}) {
    std::vector<int64_t> values;
    LatencyHistogram histogram;
    for (int i = 0; i < n; ++i) {
      values.push_back(static_cast<int64_t>(seconds(random) * 1e4));
      histogram.Add(absl::StrCat(BucketOf(values.back())));
    }
    std::sort(values.begin(), values.end());
    for (double fraction : {0.01, 0.5, 0.9, 0.95, 0.99, 1.0}) {
      const auto rank = std::max<size_t>(1, std::ceil(fraction * n - 1e-9));
      const auto exact = static_cast<double>(values[rank - 1]);
      const double got = absl::ToDoubleMicroseconds(*histogram.Percentile(fraction));
      EXPECT_LE(std::abs(got - exact), 0.02 * exact) << fraction << " of " << n;
    }
    EXPECT_GE(absl::ToInt64Microseconds(*histogram.UpperBound()), values.back());
  }
}

TEST(LatencyHistogram, AddsAndTakesAway) {
  LatencyHistogram histogram;
  histogram.Add("5 7:3 5:2 90");
  histogram.Add("90:-1");
  EXPECT_EQ(histogram.Percentile(0.5), absl::Microseconds(5));
  EXPECT_EQ(histogram.Percentile(0.51), absl::Microseconds(7));
  EXPECT_EQ(histogram.UpperBound(), absl::Microseconds(7));
  LatencyHistogram more;
  more.Add("63:100");
  histogram.Add(more);
  EXPECT_EQ(histogram.Percentile(0.5), absl::Microseconds(63));
}

TEST(LatencyHistogram, OfNothingSaysNothing) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.Percentile(0.5), std::nullopt);
  EXPECT_EQ(histogram.UpperBound(), std::nullopt);
  histogram.Add("3 3:-1");
  EXPECT_EQ(histogram.Percentile(0.5), std::nullopt);
  histogram.Add("none 99999999 -4:2 7:x");  // what no rollup holds is left out
  EXPECT_EQ(histogram.Percentile(0.5), std::nullopt);
}

}  // namespace
}  // namespace bursar::history
