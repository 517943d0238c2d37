#include "rpc/work_queue.h"

#include "absl/time/clock.h"

namespace bursar::rpc {

WorkQueue::WorkQueue(int threads, int waiting_max) : waiting_max_(waiting_max) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

WorkQueue::~WorkQueue() { Stop(); }

bool WorkQueue::Push(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || waiting_.size() >= waiting_max_) return false;
  waiting_.push_back(std::move(work));
  return true;
}

grpc::ServerUnaryReactor* WorkQueue::Answer(std::shared_ptr<Call> call,
                                            std::function<absl::Status()> work) {
  const bool waiting = Push([call, work = std::move(work)] {
    if (absl::Now() >= call->deadline()) {
      call->Finish(absl::DeadlineExceededError("the deadline passed before the call's turn came"));
      return;
    }
    call->Finish(work());
  });
  if (waiting) return call->reactor();
  return call->Finish(
      absl::ResourceExhaustedError("too many queries are waiting; try again later"));
}

void WorkQueue::Work() {
  auto ready = [this]()
                   ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !waiting_.empty(); };
  while (true) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mutex_, absl::Condition(&ready));
      if (waiting_.empty()) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

void WorkQueue::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace bursar::rpc
