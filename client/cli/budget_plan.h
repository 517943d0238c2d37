#pragma once

#include <bursar/status.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/budget_file.h"

// What makes the server's budgets those of a file.
namespace bursar::cli {

struct FieldChange {
  std::string field;  // as an update mask names it
  std::string from, to;
};

struct BudgetUpdate {
  v1::Budget budget;  // as it shall be; its etag is that of what it was planned on
  std::vector<FieldChange> changes;
};

struct BudgetPlan {
  std::vector<v1::Budget> created;
  std::vector<BudgetUpdate> updated;
  std::vector<v1::Budget> deleted;
  int unchanged = 0;
  int unnamed = 0;  // on the server, not in the file, and left there

  size_t size() const { return created.size() + updated.size() + deleted.size(); }
};

// Compares what is wanted with what there is. A field that the file leaves out has its default, but
// state and overrides stay as they are. Overrides that are over by `now` count as not there. What
// is not wanted is deleted with `prune`.
// Errors: INVALID_ARGUMENT where a budget would have to change in what is fixed for good (a field
// violation for each), and for `prune` where nothing at all is wanted.
StatusOr<BudgetPlan> PlanBudgets(const std::vector<WantedBudget>& wanted,
                                 const std::vector<v1::Budget>& existing, bool prune,
                                 absl::Time now);

}  // namespace bursar::cli
