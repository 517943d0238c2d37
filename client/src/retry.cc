#include "src/retry.h"

#include <algorithm>
#include <random>

namespace bursar::internal {

std::optional<std::chrono::nanoseconds> NextDelay(const ClientOptions& options,
                                                  const Status& status, int retries, double jitter,
                                                  std::chrono::nanoseconds time_left) {
  if (status.code() != StatusCode::kUnavailable) return std::nullopt;
  const int doublings = std::min(retries, 20);  // 2^20 times any backoff is over any maximum
  const std::chrono::nanoseconds grown = options.retry_initial_backoff * (int64_t{1} << doublings);
  const std::chrono::nanoseconds whole =
      std::min<std::chrono::nanoseconds>(grown, options.retry_max_backoff);
  std::chrono::nanoseconds delay(static_cast<int64_t>(static_cast<double>(whole.count()) * jitter));
  delay = std::max(delay, status.retry_delay().value_or(std::chrono::nanoseconds(0)));
  if (delay >= time_left) return std::nullopt;
  return delay;
}

double RandomJitter() {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_real_distribution<double>(0.5, 1.0)(random);
}

}  // namespace bursar::internal
