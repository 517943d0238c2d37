#include "postgres/session_pool.h"

namespace bursar::postgres {
namespace {
constexpr absl::Duration kWaitMax = absl::Seconds(5);
}

SessionPool::Lease::~Lease() {
  if (session_ != nullptr) pool_->PutBack(std::move(session_));
}

absl::StatusOr<SessionPool::Lease> SessionPool::Take() {
  std::unique_ptr<Session> session;
  {
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(this, &SessionPool::MayTake), kWaitMax)) {
      return absl::UnavailableError("all database connections are busy; try again later");
    }
    ++taken_;
    if (!idle_.empty()) {
      session = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  absl::Status status;
  if (session == nullptr) {
    auto made = Session::Connect(options_);
    status = made.status();
    if (made.ok()) session = *std::move(made);
  } else if (!session->connected()) {
    status = session->Reconnect();
  }
  if (!status.ok()) {
    PutBack(std::move(session));
    return status;
  }
  return Lease(this, std::move(session));
}

void SessionPool::PutBack(std::unique_ptr<Session> session) {
  absl::MutexLock lock(&mutex_);
  --taken_;
  if (session != nullptr) idle_.push_back(std::move(session));
}

}  // namespace bursar::postgres
