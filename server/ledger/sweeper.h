#pragma once

#include <memory>

#include "ledger/lane.h"

namespace bursar::ledger {

// Ends reservations whose time is over, of all tenants, by submitting Expire operations to their
// lanes. Every replica sweeps; an operation that finds its reservation ended does nothing. What
// became of denials is reported in the same turn.
class Sweeper {
 public:
  Sweeper(std::unique_ptr<LedgerStore> store, Lanes& lanes)
      : store_(std::move(store)), lanes_(lanes) {}

  // Submits up to 1,000 overdue reservations, oldest first. Does not wait for their end.
  absl::Status Sweep();

 private:
  const std::unique_ptr<LedgerStore> store_;
  Lanes& lanes_;
};

}  // namespace bursar::ledger
