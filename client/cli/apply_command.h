#pragma once

#include <string>

#include "cli/budget_plan.h"
#include "cli/command.h"

namespace bursar::cli {

// bursar budgets apply: makes the server's budgets those of a file, and changes nothing else. All
// is checked before anything is changed. Whoever changes a budget at the same time is not
// overwritten: the plan is made anew, three times in all.
class ApplyBudgetsCommand final : public Command {
 public:
  explicit ApplyBudgetsCommand(CLI::App& budgets);
  int Run(Server& server, Output& output) override;

 private:
  StatusOr<std::vector<WantedBudget>> Wanted() const;

  std::string file_;
  bool dry_run_ = false;
  bool prune_ = false;
};

}  // namespace bursar::cli
