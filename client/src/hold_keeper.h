#pragma once

#include <bursar/requests.h>
#include <bursar/status.h>
#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

namespace bursar::internal {

struct KeptHold;  // one of a HoldKeeper

// Keeps reservations alive while their calls run, and tells the server how far streams are: one
// thread for all holds of a client, begun with the first.
//
// A hold is extended when half of its time is over. A failure is kept for who asks and tried again
// a second later, unless the server says that there is no such hold any more, or that it has ended.
// Safe for use by many threads; does nothing in a forked child.
class HoldKeeper {
 public:
  using Clock = std::chrono::steady_clock;
  using Extend = std::function<StatusOr<ExtendResponse>(ExtendRequest)>;

  // `extend` is called on the keeper's thread. What is observed is sent every `observe_interval` at
  // most.
  HoldKeeper(Extend extend, std::chrono::milliseconds observe_interval);
  ~HoldKeeper();
  HoldKeeper(const HoldKeeper&) = delete;
  HoldKeeper& operator=(const HoldKeeper&) = delete;

  // `ttl`: what the check asked for; nothing: the server's default. Without an id:
  // nothing is extended, what is observed is kept. Where no thread can be started, that is the
  // hold's failure.
  std::shared_ptr<KeptHold> Keep(const std::string& reservation_id,
                                 std::chrono::nanoseconds remaining_ttl,
                                 std::optional<std::chrono::nanoseconds> ttl);
  void Observe(const std::shared_ptr<KeptHold>& hold, TokenUsage so_far);
  void End(const std::shared_ptr<KeptHold>& hold);

  struct State {
    std::optional<TokenUsage> observed;
    bool stop = false;  // the server said DENY: what is observed is more than the budgets allow
    Status failure;     // of the last extension: it failed, was denied, or came after the end
    int extensions = 0;
  };
  State Of(const std::shared_ptr<KeptHold>& hold) const;

 private:
  using Due = std::pair<Clock::time_point, std::shared_ptr<KeptHold>>;

  // What the thread uses. In a forked child it is left as it is: the thread is not there, but a
  // condition variable that it waited on would wait for it at its destruction.
  struct Shared {
    std::mutex mutex;
    std::condition_variable news;
    std::set<Due> due;
    bool stop = false;
    std::unique_ptr<std::thread> thread;
  };

  void Run();
  StatusOr<ExtendResponse> TryToExtend(ExtendRequest request) const;
  void Schedule(const std::shared_ptr<KeptHold>& hold, Clock::time_point due);  // with the mutex
  void Judge(const std::shared_ptr<KeptHold>& hold, bool observed,
             const StatusOr<ExtendResponse>& answer);  // too
  bool InOwnProcess() const;

  const Extend extend_;
  const std::chrono::milliseconds observe_interval_;
  const pid_t pid_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace bursar::internal
