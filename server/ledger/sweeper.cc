#include "ledger/sweeper.h"

#include <algorithm>

#include "status_macros.h"

namespace bursar::ledger {
namespace {
constexpr int kPageMax = 1024;      // holds of one query; of one tenant in a round
constexpr size_t kExpireMax = 256;  // of one operation
constexpr absl::Duration kRoundMax = absl::Seconds(1);
}  // namespace

absl::Status Sweeper::Sweep() {
  bool more = true;
  while (more) {
    lanes_.TendIdle();
    ASSIGN_OR_RETURN(more, SubmitRound());
    more = more && AwaitRound();
  }
  return absl::OkStatus();
}

void Sweeper::Stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

absl::StatusOr<bool> Sweeper::SubmitRound() {
  std::vector<std::string> but_of;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return false;
    ++round_;
    of_round_ = expired_ = 0;
    for (const auto& [tenant, operations] : under_way_) but_of.push_back(tenant);
  }
  bool more = false;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<Overdue> page, store_->FindAllOverdue(kPageMax, but_of));
    size_t found = 0;
    for (const Overdue& of_tenant : page) {
      found += of_tenant.reservations.size();
      Submit(of_tenant);
      but_of.push_back(of_tenant.tenant);  // the rest of the round is the others'
    }
    if (found < kPageMax) return more;
    more = true;
  }
}

void Sweeper::Submit(const Overdue& overdue) {
  const auto& keys = overdue.reservations;
  const int operations = static_cast<int>((keys.size() + kExpireMax - 1) / kExpireMax);
  int64_t round;
  {
    absl::MutexLock lock(&mutex_);
    round = round_;
    of_round_ += operations;
    under_way_[overdue.tenant] += operations;
  }
  for (size_t first = 0; first < keys.size(); first += kExpireMax) {
    const auto last = keys.begin() + std::min(first + kExpireMax, keys.size());
    lanes_.Submit(overdue.tenant, Expire{{keys.begin() + first, last}}, absl::InfiniteFuture(),
                  [this, tenant = overdue.tenant, round](const absl::StatusOr<Answer>& answer) {
                    Returned(tenant, round,
                             answer.ok() ? std::get<ExpireAnswer>(*answer).expired : 0);
                  });
  }
}

void Sweeper::Returned(const std::string& tenant, int64_t round, int expired) {
  absl::MutexLock lock(&mutex_);
  const auto of_tenant = under_way_.find(tenant);
  if (--of_tenant->second == 0) under_way_.erase(of_tenant);
  if (round != round_) return;
  --of_round_;
  expired_ += expired;
}

// Whether the round is through and was of use.
bool Sweeper::AwaitRound() {
  absl::MutexLock lock(&mutex_);
  auto through = [this] { return of_round_ == 0 || stopping_; };
  mutex_.AwaitWithTimeout(absl::Condition(&through), kRoundMax);
  return of_round_ == 0 && expired_ > 0 && !stopping_;
}

}  // namespace bursar::ledger
