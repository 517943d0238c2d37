#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "cli/command.h"

namespace bursar::cli {

// bursar budgets raise: a higher limit for one group of a budget, for a time.
class RaiseBudgetCommand final : public Command {
 public:
  explicit RaiseBudgetCommand(CLI::App& budgets);

  // Puts the override that was asked for into `budget`. It takes the place of one of the same group
  // that holds now; those that begin later stay, and those that are over are dropped.
  // Errors: INVALID_ARGUMENT where the words do not fit this budget: --to in its unit and above its
  // own limit, --group for each of its group_by dimensions.
  Status Raise(absl::Time now, v1::Budget* budget) const;
  int Run(Server& server, Output& output) override;

 private:
  // What is wrong with the words themselves, whichever the budget.
  Status CheckWords() const;
  StatusOr<int64_t> NewLimit(const v1::Budget& budget) const;
  Status CheckGroup(const v1::Budget& budget) const;
  // Errors: INVALID_ARGUMENT for a time that is over.
  StatusOr<std::optional<absl::Time>> End(absl::Time now) const;

  std::string id_;
  std::map<std::string, std::string> group_;
  std::string to_;
  std::optional<absl::Duration> length_;
  std::optional<absl::Time> until_;
  std::string reason_;
};

}  // namespace bursar::cli
