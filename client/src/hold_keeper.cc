#include "src/hold_keeper.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <string>
#include <system_error>

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

// Its time was over before it was asked for more: no reason to stop, for a settlement counts in
// full all the same.
bool HasEnded(const ExtendResponse& answer) {
  return !answer.allowed() && answer.reason == "RESERVATION_ENDED";
}

// A denial of what was observed is an answer, and the hold lives on; any other extended nothing.
Status FailureOf(const StatusOr<ExtendResponse>& answer, bool observed) {
  if (!answer.ok()) return answer.status();
  if (HasEnded(*answer)) {
    return {StatusCode::kFailedPrecondition,
            "the reservation had ended before it was extended",
            {.reason = answer->reason}};
  }
  if (answer->allowed() || observed) return {};
  return {StatusCode::kResourceExhausted,
          "the extension was denied: " +
              (answer->reason.empty() ? std::string("no reason given") : answer->reason),
          {.reason = answer->reason}};
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
    : extend_(std::move(extend)),
      observe_interval_(observe_interval),
      pid_(::getpid()),
      shared_(std::make_unique<Shared>()) {}

HoldKeeper::~HoldKeeper() {
  if (!InOwnProcess()) {
    (void)shared_.release();
    return;
  }
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stop = true;
  }
  shared_->news.notify_one();
  if (shared_->thread != nullptr) shared_->thread->join();
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
  const std::lock_guard lock(shared_->mutex);
  const auto now = Clock::now();
  hold->last_sent = now;
  const auto lives = remaining_ttl.count() > 0 ? remaining_ttl : ttl.value_or(kDefaultTtl);
  Schedule(hold, now + lives / 2);
  if (shared_->thread != nullptr) return hold;
  try {
    shared_->thread = std::make_unique<std::thread>([this] { Run(); });
  } catch (const std::system_error& error) {  // the hold is made: its call goes on without
    hold->kept = false;
    hold->state.failure = {StatusCode::kResourceExhausted,
                           std::string("no thread to extend holds: ") + error.what()};
    shared_->due.erase({hold->due, hold});
  }
  return hold;
}

void HoldKeeper::Observe(const std::shared_ptr<KeptHold>& hold, TokenUsage so_far) {
  if (!InOwnProcess()) return;
  const std::lock_guard lock(shared_->mutex);
  hold->state.observed = std::move(so_far);
  hold->news = true;
  const auto next = hold->last_sent + observe_interval_;
  if (hold->kept && next < hold->due) Schedule(hold, next);
}

void HoldKeeper::End(const std::shared_ptr<KeptHold>& hold) {
  if (!InOwnProcess()) return;
  const std::lock_guard lock(shared_->mutex);
  hold->kept = false;
  shared_->due.erase({hold->due, hold});
}

HoldKeeper::State HoldKeeper::Of(const std::shared_ptr<KeptHold>& hold) const {
  if (!InOwnProcess()) return hold->state;
  const std::lock_guard lock(shared_->mutex);
  return hold->state;
}

void HoldKeeper::Schedule(const std::shared_ptr<KeptHold>& hold, Clock::time_point due) {
  shared_->due.erase({hold->due, hold});
  hold->due = due;
  shared_->due.insert({due, hold});
  if (shared_->due.begin()->second == hold) shared_->news.notify_one();
}

void HoldKeeper::Run() {
  std::unique_lock lock(shared_->mutex);
  while (!shared_->stop) {
    if (shared_->due.empty()) {
      shared_->news.wait(lock, [this] { return shared_->stop || !shared_->due.empty(); });
      continue;
    }
    if (const auto next = shared_->due.begin()->first; next > Clock::now()) {
      shared_->news.wait_until(lock, next);
      continue;
    }
    const std::shared_ptr<KeptHold> hold = shared_->due.begin()->second;
    shared_->due.erase(shared_->due.begin());
    ExtendRequest request{.reservation_id = hold->reservation_id,
                          .ttl = hold->ttl.value_or(kDefaultTtl)};
    if (std::exchange(hold->news, false)) request.observed = hold->state.observed;
    hold->last_sent = Clock::now();
    hold->due = Clock::time_point::max();  // what is observed meanwhile waits its interval
    const bool observed = request.observed.has_value();
    lock.unlock();
    const auto answer = TryToExtend(std::move(request));
    lock.lock();
    Judge(hold, observed, answer);
  }
}

StatusOr<ExtendResponse> HoldKeeper::TryToExtend(ExtendRequest request) const {
  try {
    return extend_(std::move(request));
  } catch (const std::exception& error) {  // somebody's own Connection
    return Status(StatusCode::kInternal, std::string("the connection threw: ") + error.what());
  }
}

void HoldKeeper::Judge(const std::shared_ptr<KeptHold>& hold, bool observed,
                       const StatusOr<ExtendResponse>& answer) {
  shared_->due.erase({hold->due, hold});  // Observe may have been here
  const auto now = Clock::now();
  hold->state.failure = FailureOf(answer, observed);
  std::chrono::nanoseconds wait = kRetryInterval;
  if (answer.ok()) {
    ++hold->state.extensions;
    if (HasEnded(*answer)) {
      hold->kept = false;
    } else if (!answer->allowed()) {
      hold->state.stop = true;
    }
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
