#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "postgres/session.h"

namespace bursar::postgres {

// A bounded set of sessions for what is not the ledger: queries, budgets, keys.
//
// Sessions are made when first needed and made anew when their connection was lost. A lease waits
// for a free one for at most 5 s; then, or when the database cannot be reached, the answer is
// UNAVAILABLE. Thread-safe; must outlive its leases.
class SessionPool {
 public:
  class Lease {
   public:
    Lease(SessionPool* pool, std::unique_ptr<Session> session)
        : pool_(pool), session_(std::move(session)) {}
    ~Lease();
    Lease(Lease&&) = default;
    Session* operator->() const { return session_.get(); }
    Session& operator*() const { return *session_; }

   private:
    SessionPool* pool_;
    std::unique_ptr<Session> session_;
  };

  SessionPool(SessionOptions options, int sessions_max)
      : options_(std::move(options)), sessions_max_(sessions_max) {}

  absl::StatusOr<Lease> Take();

 private:
  bool MayTake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !idle_.empty() || taken_ < sessions_max_;
  }
  void PutBack(std::unique_ptr<Session> session);

  const SessionOptions options_;
  const int sessions_max_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Session>> idle_ ABSL_GUARDED_BY(mutex_);
  int taken_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace bursar::postgres
