#pragma once

#include "ledger/apply.h"

namespace bursar::ledger {

// What one budget says of one of its counters at a time: of the gate and of every list alike.
BudgetStatus StatusOf(const Budget& budget, const Counter& counter, absl::Time now);

}  // namespace bursar::ledger
