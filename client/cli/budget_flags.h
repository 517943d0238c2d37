#pragma once

#include <bursar/status.h>

#include <CLI/CLI.hpp>
#include <set>
#include <string>

#include "bursar/v1/types.pb.h"

namespace bursar::cli {

// The word that names the budget: `bursar budgets get run-cap`.
void AddBudgetId(CLI::App& app, std::string* id);
// Says that it is missing.
Status BudgetIdMissing(const CLI::App& app);

// The flags that describe a budget. Must stay where it is once they are added.
struct BudgetFlags {
  v1::Budget budget;
  std::set<std::string> paths;  // the fields that were given: an update's field mask

  // What may change later: --limit --limit-tokens --limit-calls --mode --threshold --display-name
  // --state --expires.
  void AddChangeable(CLI::App& app);
  // What is fixed for good: --window --time-zone --group-by --selector --require-group.
  void AddFixed(CLI::App& app);

 private:
  void AddLimits(CLI::App& app);
};

}  // namespace bursar::cli
