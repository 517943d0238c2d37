#pragma once

#include <bursar/types.h>

#include <string>
#include <utility>
#include <vector>

#include "bursar/v1/types.pb.h"
#include "cli/table.h"

// Budgets, as people read them.
namespace bursar::cli {

// What the budget's limit is in, and how much of it.
Unit UnitOf(const v1::Budget& budget);
int64_t LimitOf(const v1::Budget& budget);
// "$0.50", "1,200 tokens", "30 calls".
std::string LimitText(const v1::Budget& budget);

// One field, as proto names it: "hard" of mode, "75, 90 %" of threshold_percents; "none" where it
// is empty.
std::string FieldText(const v1::Budget& budget, const std::string& field);

Table BudgetTable(const std::vector<v1::Budget>& budgets);

// All about one budget, for PrintPairs.
std::vector<std::pair<std::string, std::string>> BudgetPairs(const v1::Budget& budget);

}  // namespace bursar::cli
