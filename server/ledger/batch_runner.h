#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ledger/lane.h"
#include "ledger/lane_memory.h"

namespace bursar::ledger {

// Runs batches on one store, in one of two ways, and runs again what has to be.
//
// Remembered: Apply on what the lane remembers, then one round trip that writes everything if the
// database agrees with all of it, else nothing. Locked: lock and read, Apply, write and commit; two
// round trips that are right whatever else happens. A batch begins the remembered way; after a
// conflict the lane goes the locked way for a while, which is the better one while several write to
// the same counters.
class BatchRunner {
 public:
  BatchRunner(const LaneOptions& options, std::unique_ptr<LedgerStore> store,
              pricing::PriceBooks& prices, metrics::Metrics& metrics, const Clock& clock)
      : options_(options),
        store_(std::move(store)),
        prices_(prices),
        metrics_(metrics),
        clock_(clock) {}

  // One answer for each operation, in order.
  std::vector<absl::StatusOr<Answer>> Run(LaneMemory& memory,
                                          std::span<const Operation> operations);

  // The overdue holds that stand in the way of denied checks; fills in retry_after where there are
  // none. Empty: the answers are final.
  std::vector<Id> FindOverdue(LaneMemory& memory, std::vector<absl::StatusOr<Answer>>& answers);

 private:
  using Answers = std::vector<absl::StatusOr<Answer>>;

  absl::StatusOr<Answers> TryRemembered(LaneMemory& memory, std::span<const Operation> operations);
  absl::StatusOr<Answers> TryLocked(LaneMemory& memory, std::span<const Operation> operations,
                                    std::vector<Id>& also_lock);
  absl::Status ReadBooks(LaneMemory& memory, const std::set<std::string>& versions);
  void Count(const Applied& applied, absl::Time begin);

  const LaneOptions options_;
  const std::unique_ptr<LedgerStore> store_;
  pricing::PriceBooks& prices_;
  metrics::Metrics& metrics_;
  const Clock& clock_;
};

}  // namespace bursar::ledger
