#include "src/retry.h"

#include <algorithm>
#include <random>

#include "src/text.h"

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

void RetryBudget::Report(const Status& attempt) {
  const std::lock_guard lock(mutex_);
  if (attempt.ok()) {
    tokens_ = std::min(max_, tokens_ + ratio_);
  } else if (IsTransportFailure(attempt)) {
    tokens_ = std::max(0.0, tokens_ - 1);
  }
}

bool RetryBudget::Allows() const {
  const std::lock_guard lock(mutex_);
  return tokens_ > max_ / 2;
}

std::optional<std::chrono::nanoseconds> CircuitBreaker::Blocked(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (failures_max_ <= 0 || failures_ < failures_max_) return std::nullopt;
  if (now < open_until_) return open_until_ - now;
  open_until_ = now + open_time_;  // for the others: this one tries
  return std::nullopt;
}

void CircuitBreaker::Report(const Status& attempt, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!IsTransportFailure(attempt)) {
    failures_ = 0;
  } else if (++failures_ >= failures_max_) {
    failures_ = std::max(failures_max_, 1);
    open_until_ = now + open_time_;
  }
}

Status BreakerIsOpen(std::chrono::nanoseconds left) {
  return {StatusCode::kUnavailable,
          "the server did not answer several times in a row; it is asked again in " +
              FormatDuration(left),
          {.reason = "CIRCUIT_OPEN", .retry_delay = left}};
}

}  // namespace bursar::internal
