#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger/budget.h"

namespace bursar::ledger {

// A tenant's budgets. Each change binds every replica's next transaction: it makes a new budget
// epoch in the same transaction.
//
// Errors: NOT_FOUND (BUDGET_NOT_FOUND) names the budget; ALREADY_EXISTS; ABORTED (ETAG_MISMATCH) if
// the budget changed since the caller read it; UNAVAILABLE. Thread-safe.
class BudgetStore {
 public:
  virtual ~BudgetStore() = default;

  // Gives it uid, etag and times.
  virtual absl::StatusOr<Budget> Create(absl::string_view tenant, Budget budget) = 0;
  virtual absl::StatusOr<Budget> Get(absl::string_view tenant, absl::string_view id) = 0;
  // In the order of their ids, from the one after `after`.
  virtual absl::StatusOr<std::vector<Budget>> List(absl::string_view tenant,
                                                   absl::string_view after, int limit) = 0;
  // `change` sees the budget as it is and may refuse. An empty etag matches any.
  virtual absl::StatusOr<Budget> Update(absl::string_view tenant, absl::string_view id,
                                        absl::string_view etag,
                                        const std::function<absl::Status(Budget&)>& change) = 0;
  // Its counters and what they say stay.
  virtual absl::Status Delete(absl::string_view tenant, absl::string_view id,
                              absl::string_view etag) = 0;
};

}  // namespace bursar::ledger
