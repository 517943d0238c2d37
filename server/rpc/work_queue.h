#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "rpc/call.h"

namespace bursar::rpc {

// Threads for calls that wait for the database (queries, budgets), so that gRPC's own never do.
//
// RESOURCE_EXHAUSTED when `waiting_max` calls are waiting, DEADLINE_EXCEEDED when a call's turn
// came too late. Stop() finishes what waits. Thread-safe.
class WorkQueue {
 public:
  WorkQueue(int threads, int waiting_max);
  ~WorkQueue();

  // Ends the call with what `work` answers, some time later; at once with RESOURCE_EXHAUSTED.
  grpc::ServerUnaryReactor* Answer(std::shared_ptr<Call> call, std::function<absl::Status()> work);
  void Stop();

 private:
  bool Push(std::function<void()> work);
  void Work();

  const size_t waiting_max_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace bursar::rpc
