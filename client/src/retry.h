#pragma once

#include <bursar/options.h>
#include <bursar/status.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <thread>

namespace bursar::internal {

// How long to wait before the next attempt, or nothing when there should be none: the error is not
// UNAVAILABLE, or the wait would reach the deadline. `retries` is how many were made before this
// one; `jitter` is 0.5 .. 1; a server's retry_delay counts as the least.
std::optional<std::chrono::nanoseconds> NextDelay(const ClientOptions& options,
                                                  const Status& status, int retries, double jitter,
                                                  std::chrono::nanoseconds time_left);

// A random number 0.5 .. 1.
double RandomJitter();

// Whether an attempt ended because the server could not be reached, or could not reach its
// database: only then is it repeated, counted by breaker and budget, and a reason to allow offline.
// It may have counted all the same.
inline bool IsTransportFailure(const Status& status) {
  return status.code() == StatusCode::kUnavailable ||
         status.code() == StatusCode::kDeadlineExceeded;
}

// The retry throttling of gRFC A6, so that clients do not bury a server that is in trouble.
// Safe for use by many threads.
class RetryBudget {
 public:
  RetryBudget(double max, double ratio) : max_(max), ratio_(ratio), tokens_(max) {}

  void Report(const Status& attempt);
  bool Allows() const;

 private:
  const double max_;
  const double ratio_;
  mutable std::mutex mutex_;
  double tokens_;
};

// Lets calls fail at once while the server is away. Safe for use by many threads.
class CircuitBreaker {
 public:
  using Clock = std::chrono::steady_clock;

  // failures 0: never opens.
  CircuitBreaker(int failures, std::chrono::milliseconds open_time)
      : failures_max_(failures), open_time_(open_time) {}

  // Nothing: the call may be made (while it is open, by one caller in each open_time). Else how
  // long until one may.
  std::optional<std::chrono::nanoseconds> Blocked(Clock::time_point now);
  void Report(const Status& attempt, Clock::time_point now);

 private:
  const int failures_max_;
  const std::chrono::milliseconds open_time_;
  std::mutex mutex_;
  int failures_ = 0;  // in a row
  Clock::time_point open_until_{};
};

// What the calls of one client know of its server.
struct CallHealth {
  explicit CallHealth(const ClientOptions& options)
      : budget(options.retry_budget_max, options.retry_budget_ratio),
        breaker(options.breaker_failures, options.breaker_open_time) {}
  RetryBudget budget;
  CircuitBreaker breaker;
};

// "The server did not answer 5 times in a row; ..." with retry_delay.
Status BreakerIsOpen(std::chrono::nanoseconds left);

// Calls `attempt` (which returns a StatusOr) until it succeeds, fails for good or `deadline` is
// near.
template <typename Attempt>
auto CallWithRetry(const ClientOptions& options, CallHealth& health,
                   std::chrono::steady_clock::time_point deadline, const Attempt& attempt)
    -> decltype(attempt()) {
  using Clock = std::chrono::steady_clock;
  if (const auto left = health.breaker.Blocked(Clock::now())) return BreakerIsOpen(*left);
  for (int retries = 0;; ++retries) {
    auto result = attempt();
    const Status status = result.status();
    const auto now = Clock::now();
    health.budget.Report(status);
    health.breaker.Report(status, now);
    if (status.ok()) return result;
    const auto delay = NextDelay(options, status, retries, RandomJitter(), deadline - now);
    if (!delay || !health.budget.Allows()) return result;
    std::this_thread::sleep_for(*delay);
    if (health.breaker.Blocked(Clock::now())) return result;
  }
}

}  // namespace bursar::internal
