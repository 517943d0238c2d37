#include "ledger/budget_status.h"

#include <algorithm>

#include "ledger/bookkeeper.h"

namespace bursar::ledger {

BudgetStatus StatusOf(const Budget& budget, const Counter& counter, absl::Time now) {
  BudgetStatus status{.budget_id = budget.id,
                      .display_name = budget.display_name,
                      .group = counter.group,
                      .unit = budget.unit,
                      .mode = budget.mode,
                      .limit = budget.LimitFor(counter.group, now),
                      .spent = counter.spent,
                      .reserved = counter.reserved,
                      .window_start = counter.window_start,
                      .window_end = counter.window_end};
  status.crossed_threshold_percent =
      CrossedThreshold(budget, status.limit, counter.spent + counter.reserved);
  status.would_deny = budget.frozen || status.remaining() < 0;
  status.counted_since = std::max(counter.window_start, budget.create_time);
  return status;
}

}  // namespace bursar::ledger
