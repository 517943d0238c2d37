#include "src/hold_keeper.h"

#include <unistd.h>

#include <algorithm>
#include <string>

namespace bursar::internal {
namespace {

constexpr std::chrono::minutes kDefaultTtl{5};  // the server's, in telemetry_service.proto
constexpr std::chrono::seconds kRetryInterval{1};

// Whether another try can help: not once the server has answered that the hold has ended.
bool IsWorthRepeating(const Status& failure) {
  switch (failure.code()) {
    case StatusCode::kNotFound:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kInvalidArgument:
    case StatusCode::kUnimplemented:
      return false;
    default:
      return true;
  }
}

}  // namespace

struct KeptHold {
  std::string reservation_id;
  std::optional<std::chrono::nanoseconds> ttl;
  HoldKeeper::Clock::time_point due{};
  HoldKeeper::Clock::time_point last_sent{};
  bool kept = true;   // false: ended, or there is nothing to extend any more
  bool news = false;  // observed more than was sent
  HoldKeeper::State state;
};

HoldKeeper::HoldKeeper(Extend extend, std::chrono::milliseconds observe_interval)
    : extend_(std::move(extend)), observe_interval_(observe_interval), pid_(::getpid()) {}

HoldKeeper::~HoldKeeper() {
  if (!InOwnProcess()) {  // the thread is the parent's
    (void)thread_.release();
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  news_.notify_one();
  if (thread_ != nullptr) thread_->join();
}

bool HoldKeeper::InOwnProcess() const { return ::getpid() == pid_; }

std::shared_ptr<KeptHold> HoldKeeper::Keep(const std::string& reservation_id,
                                           std::chrono::nanoseconds remaining_ttl,
                                           std::optional<std::chrono::nanoseconds> ttl) {
  auto hold = std::make_shared<KeptHold>();
  hold->reservation_id = reservation_id;
  hold->ttl = ttl;
  hold->kept = !reservation_id.empty();
  if (!hold->kept || !InOwnProcess()) return hold;
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  hold->last_sent = now;
  const auto lives = remaining_ttl.count() > 0 ? remaining_ttl : ttl.value_or(kDefaultTtl);
  Schedule(hold, now + lives / 2);
  if (thread_ == nullptr) thread_ = std::make_unique<std::thread>([this] { Run(); });
  return hold;
}

void HoldKeeper::Observe(const std::shared_ptr<KeptHold>& hold, TokenUsage so_far) {
  if (!InOwnProcess()) return;
  const std::lock_guard lock(mutex_);
  hold->state.observed = std::move(so_far);
  hold->news = true;
  const auto next = hold->last_sent + observe_interval_;
  if (hold->kept && next < hold->due) Schedule(hold, next);
}

void HoldKeeper::End(const std::shared_ptr<KeptHold>& hold) {
  if (!InOwnProcess()) return;
  const std::lock_guard lock(mutex_);
  hold->kept = false;
  due_.erase({hold->due, hold});
}

HoldKeeper::State HoldKeeper::Of(const std::shared_ptr<KeptHold>& hold) const {
  if (!InOwnProcess()) return hold->state;
  const std::lock_guard lock(mutex_);
  return hold->state;
}

void HoldKeeper::Schedule(const std::shared_ptr<KeptHold>& hold, Clock::time_point due) {
  due_.erase({hold->due, hold});
  hold->due = due;
  due_.insert({due, hold});
  if (due_.begin()->second == hold) news_.notify_one();
}

void HoldKeeper::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (due_.empty()) {
      news_.wait(lock, [this] { return stop_ || !due_.empty(); });
      continue;
    }
    if (const auto next = due_.begin()->first; next > Clock::now()) {
      news_.wait_until(lock, next);
      continue;
    }
    const std::shared_ptr<KeptHold> hold = due_.begin()->second;
    due_.erase(due_.begin());
    ExtendRequest request{.reservation_id = hold->reservation_id,
                          .ttl = hold->ttl.value_or(kDefaultTtl)};
    if (std::exchange(hold->news, false)) request.observed = hold->state.observed;
    hold->last_sent = Clock::now();
    hold->due = Clock::time_point::max();  // what is observed meanwhile waits its interval
    lock.unlock();
    const auto answer = extend_(std::move(request));
    lock.lock();
    Judge(hold, answer);
  }
}

void HoldKeeper::Judge(const std::shared_ptr<KeptHold>& hold,
                       const StatusOr<ExtendResponse>& answer) {
  due_.erase({hold->due, hold});  // Observe may have been here
  const auto now = Clock::now();
  hold->state.failure = answer.status();
  std::chrono::nanoseconds wait = kRetryInterval;
  if (answer.ok()) {
    ++hold->state.extensions;
    if (!answer->allowed()) hold->state.stop = true;
    const auto left = answer->reservation.remaining_ttl;
    wait = (left.count() > 0 ? left : hold->ttl.value_or(kDefaultTtl)) / 2;
  } else {
    hold->news = hold->state.observed.has_value();  // it may not have arrived
    if (!IsWorthRepeating(answer.status())) hold->kept = false;
  }
  if (!hold->kept) return;
  if (hold->news) wait = std::min<std::chrono::nanoseconds>(wait, observe_interval_);
  if (!answer.ok()) wait = std::max<std::chrono::nanoseconds>(wait, observe_interval_);
  Schedule(hold, now + wait);
}

}  // namespace bursar::internal
