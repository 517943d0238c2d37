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

TEST(RetryBudget, StopsAtHalfAndFillsUpSlowly) {
  RetryBudget budget(10, 0.1);
  for (int i = 0; i < 4; ++i) budget.Report(kUnavailable);
  EXPECT_TRUE(budget.Allows());
  budget.Report(kUnavailable);
  EXPECT_FALSE(budget.Allows());  // 5 of 10
  budget.Report({});
  EXPECT_TRUE(budget.Allows());
  for (int i = 0; i < 100; ++i) budget.Report(kUnavailable);
  for (int i = 0; i < 49; ++i) budget.Report({});
  EXPECT_FALSE(budget.Allows());  // 4.9
  for (int i = 0; i < 1000; ++i) budget.Report({});
  for (int i = 0; i < 4; ++i) budget.Report(kUnavailable);
  EXPECT_TRUE(budget.Allows());  // never more than full
  budget.Report(kUnavailable);
  EXPECT_FALSE(budget.Allows());
}

TEST(RetryBudget, OtherErrorsAreNoFailuresOfTheServer) {
  RetryBudget budget(10, 0.1);
  for (int i = 0; i < 100; ++i) budget.Report({StatusCode::kInvalidArgument, "no"});
  EXPECT_TRUE(budget.Allows());
}

class CircuitBreakerTest : public ::testing::Test {
 protected:
  void Fail(int times) {
    for (int i = 0; i < times; ++i) breaker_.Report(kUnavailable, now_);
  }
  bool IsOpen() { return breaker_.Blocked(now_).has_value(); }

  CircuitBreaker breaker_{3, 1000ms};
  CircuitBreaker::Clock::time_point now_ = CircuitBreaker::Clock::now();
};

TEST_F(CircuitBreakerTest, OpensAfterSoManyFailuresInARow) {
  Fail(2);
  EXPECT_FALSE(IsOpen());
  breaker_.Report({}, now_);
  Fail(2);
  EXPECT_FALSE(IsOpen());
  breaker_.Report({StatusCode::kDeadlineExceeded, "no answer"}, now_);
  EXPECT_EQ(breaker_.Blocked(now_), 1000ms);
  EXPECT_EQ(breaker_.Blocked(now_ + 400ms), 600ms);
}

TEST_F(CircuitBreakerTest, LetsOneCallTryAndClosesWhenItIsAnswered) {
  Fail(3);
  now_ += 1000ms;
  EXPECT_FALSE(IsOpen());
  EXPECT_TRUE(IsOpen());  // for the others
  Fail(1);
  now_ += 999ms;
  EXPECT_TRUE(IsOpen());
  now_ += 1ms;
  EXPECT_FALSE(IsOpen());
  breaker_.Report({StatusCode::kInvalidArgument, "it is there"}, now_);
  EXPECT_FALSE(IsOpen());
  EXPECT_FALSE(IsOpen());
}

TEST_F(CircuitBreakerTest, ATryThatNeverReportsIsReplaced) {
  Fail(3);
  now_ += 1000ms;
  EXPECT_FALSE(IsOpen());
  now_ += 1000ms;
  EXPECT_FALSE(IsOpen());
}

TEST_F(CircuitBreakerTest, ZeroNeverOpens) {
  CircuitBreaker never(0, 1000ms);
  for (int i = 0; i < 100; ++i) never.Report(kUnavailable, now_);
  EXPECT_FALSE(never.Blocked(now_).has_value());
}

TEST(CallWithRetry, FailsAtOnceWhileTheBreakerIsOpen) {
  ClientOptions options;
  options.breaker_failures = 1;
  CallHealth health(options);
  int attempts = 0;
  const auto attempt = [&]() -> StatusOr<int> { return ++attempts, kUnavailable; };
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  EXPECT_EQ(CallWithRetry(options, health, deadline, attempt).status().message(),
            kUnavailable.message());
  const auto second = CallWithRetry(options, health, deadline, attempt);
  EXPECT_EQ(attempts, 1);
  EXPECT_EQ(second.status().reason(), "CIRCUIT_OPEN");
  EXPECT_GT(second.status().retry_delay().value_or(0ns), 0ns);
}

TEST(CallWithRetry, RepeatsNothingWithoutABudget) {
  ClientOptions options;
  options.retry_budget_max = 0;
  CallHealth health(options);
  int attempts = 0;
  (void)CallWithRetry(options, health, std::chrono::steady_clock::now() + 10s,
                      [&]() -> StatusOr<int> { return ++attempts, kUnavailable; });
  EXPECT_EQ(attempts, 1);
}

}  // namespace
}  // namespace bursar::internal
