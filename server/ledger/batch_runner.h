#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ledger/lane.h"

namespace bursar::ledger {

// What a lane remembers between its transactions: a cache that each transaction verifies.
struct LaneMemory {
  std::string tenant;
  BudgetBook book;
  absl::Time now = absl::InfinitePast();  // the database's clock at the last transaction
  // Counters whose holds were looked through for overdue ones: when the next one ends, and until
  // when (by our clock) that is believed.
  struct Looked {
    absl::Time next_expiry, believed_until;
  };
  absl::flat_hash_map<Id, Looked> looked;
};

// Runs batches on one store: locks, applies, writes, and runs again what has to be.
class BatchRunner {
 public:
  BatchRunner(const LaneOptions& options, std::unique_ptr<LedgerStore> store,
              std::shared_ptr<const pricing::PriceBook> prices, metrics::Metrics& metrics,
              const Clock& clock)
      : options_(options),
        store_(std::move(store)),
        prices_(std::move(prices)),
        metrics_(metrics),
        clock_(clock) {}

  // One answer for each operation, in order.
  std::vector<absl::StatusOr<Answer>> Run(LaneMemory& memory,
                                          std::span<const Operation> operations);

  // The overdue holds that stand in the way of denied checks; fills in retry_after where there are
  // none. Empty: the answers are final.
  std::vector<Id> FindOverdue(LaneMemory& memory, std::vector<absl::StatusOr<Answer>>& answers);

 private:
  absl::StatusOr<std::vector<absl::StatusOr<Answer>>> TryOnce(LaneMemory& memory,
                                                              std::span<const Operation> operations,
                                                              std::vector<Id>& also_lock);
  const LaneOptions options_;
  const std::unique_ptr<LedgerStore> store_;
  const std::shared_ptr<const pricing::PriceBook> prices_;
  metrics::Metrics& metrics_;
  const Clock& clock_;
};

}  // namespace bursar::ledger
