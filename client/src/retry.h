#pragma once

#include <bursar/options.h>
#include <bursar/status.h>

#include <chrono>
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

// Calls `attempt` (which returns a StatusOr) until it succeeds, fails for good or `deadline` is
// near.
template <typename Attempt>
auto CallWithRetry(const ClientOptions& options, std::chrono::steady_clock::time_point deadline,
                   const Attempt& attempt) -> decltype(attempt()) {
  for (int retries = 0;; ++retries) {
    auto result = attempt();
    if (result.ok()) return result;
    const auto delay = NextDelay(options, result.status(), retries, RandomJitter(),
                                 deadline - std::chrono::steady_clock::now());
    if (!delay) return result;
    std::this_thread::sleep_for(*delay);
  }
}

}  // namespace bursar::internal
