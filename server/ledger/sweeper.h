#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "ledger/lane.h"

namespace bursar::ledger {

// Ends reservations whose time is over, of all tenants, by submitting Expire operations to their
// lanes. Every replica sweeps; an operation that finds its reservation ended does nothing. What
// became of denials is reported in the same turn.
//
// Each round takes the oldest 1,024 of every tenant that has any and waits for their end; rounds
// follow each other for as long as there is more and each ends something. A tenant whose last
// round is not through yet, because its lane is slow, is left out, so that its queue stays short
// and the others do not wait for it.
//
// Sweep() is of one thread; Stop() may be called by any. Lanes call back until they are stopped:
// stop them before this ends.
class Sweeper {
 public:
  Sweeper(std::unique_ptr<LedgerStore> store, Lanes& lanes)
      : store_(std::move(store)), lanes_(lanes) {}

  // Returns when all that is overdue was submitted, when a round ended nothing (another replica was
  // faster, or the lanes are in trouble), or when lanes took more than a second for one.
  absl::Status Sweep();

  // A sweep that is under way returns soon; later ones do nothing.
  void Stop();

 private:
  // Whether there may be more than was submitted.
  absl::StatusOr<bool> SubmitRound();
  void Submit(const Overdue& overdue);
  void Returned(const std::string& tenant, int64_t round, int expired);
  bool AwaitRound();

  const std::unique_ptr<LedgerStore> store_;
  Lanes& lanes_;

  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, int> under_way_ ABSL_GUARDED_BY(mutex_);  // operations by tenant
  int64_t round_ ABSL_GUARDED_BY(mutex_) = 0;
  int of_round_ ABSL_GUARDED_BY(mutex_) = 0;  // operations of it that are under way,
  int expired_ ABSL_GUARDED_BY(mutex_) = 0;   // and holds that it ended
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace bursar::ledger
