#include "src/retry.h"

#include <gtest/gtest.h>

namespace bursar::internal {
namespace {

using namespace std::chrono_literals;

const Status kUnavailable(StatusCode::kUnavailable, "the database is away");

TEST(NextDelay, DoublesUpToTheMaximumTimesTheJitter) {
  const ClientOptions options;  // 10 ms to 500 ms
  EXPECT_EQ(NextDelay(options, kUnavailable, 0, 1.0, 10s), 10ms);
  EXPECT_EQ(NextDelay(options, kUnavailable, 1, 1.0, 10s), 20ms);
  EXPECT_EQ(NextDelay(options, kUnavailable, 3, 0.5, 10s), 40ms);
  EXPECT_EQ(NextDelay(options, kUnavailable, 6, 1.0, 10s), 500ms);
  EXPECT_EQ(NextDelay(options, kUnavailable, 1'000'000, 1.0, 10s), 500ms);
}

TEST(NextDelay, WaitsAtLeastAsLongAsTheServerAsks) {
  const Status busy(StatusCode::kUnavailable, "busy", {.retry_delay = 300ms});
  EXPECT_EQ(NextDelay({}, busy, 0, 1.0, 10s), 300ms);
}

TEST(NextDelay, NeverReachesTheDeadline) {
  EXPECT_EQ(NextDelay({}, kUnavailable, 0, 1.0, 10ms), std::nullopt);
  EXPECT_EQ(NextDelay({}, kUnavailable, 0, 1.0, 11ms), 10ms);
  EXPECT_EQ(NextDelay({}, kUnavailable, 0, 1.0, -5ms), std::nullopt);
}

TEST(NextDelay, RepeatsNothingButUnavailable) {
  for (int code = 1; code <= 16; ++code) {
    if (code == static_cast<int>(StatusCode::kUnavailable)) continue;
    const Status status(static_cast<StatusCode>(code), "no");
    EXPECT_EQ(NextDelay({}, status, 0, 1.0, 10s), std::nullopt) << status.ToString();
  }
}

TEST(RandomJitter, IsBetweenAHalfAndOne) {
  for (int i = 0; i < 1000; ++i) {
    const double jitter = RandomJitter();
    EXPECT_GE(jitter, 0.5);
    EXPECT_LE(jitter, 1.0);
  }
}

}  // namespace
}  // namespace bursar::internal
