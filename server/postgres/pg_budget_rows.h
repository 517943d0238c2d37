#pragma once

#include "ledger/budget.h"
#include "postgres/session.h"

namespace bursar::postgres {

// The columns of a budget, in the order that ReadBudget expects.
#define BURSAR_BUDGET_COLUMNS                                                                \
  "uid, budget_id, display_name, selector, group_by, require_group, unit, limit_amount, "    \
  "window_kind, time_zone, mode, overrides, threshold_percents, frozen, expire_time, etag, " \
  "create_time, update_time"

inline constexpr char kReadBudgets[] =
    "SELECT " BURSAR_BUDGET_COLUMNS
    " FROM budget WHERE tenant_id = $1 AND delete_time IS NULL ORDER BY budget_id";

ledger::Budget ReadBudget(const Rows& rows, int row);

}  // namespace bursar::postgres
