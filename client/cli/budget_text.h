#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bursar/v1/types.pb.h"
#include "cli/table.h"

// Budgets, as people read them.
namespace bursar::cli {

// "$0.50", "1,200 tokens", "30 calls".
std::string LimitText(const v1::Budget& budget);

Table BudgetTable(const std::vector<v1::Budget>& budgets);

// All about one budget, for PrintPairs.
std::vector<std::pair<std::string, std::string>> BudgetPairs(const v1::Budget& budget);

}  // namespace bursar::cli
