#pragma once

#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/flags.h"
#include "cli/watch.h"

namespace bursar::cli {

// bursar status: where do the budgets that apply to a subject stand? With --budget: where do all
// counters of one budget stand?
class StatusCommand final : public Command {
 public:
  explicit StatusCommand(CLI::App& parent);

  v1::GetBudgetStatusRequest Request() const;
  int Run(Server& server, Output& output) override;

 private:
  // What is wrong with the flags together.
  Status CheckWords() const;
  // What Run shows.
  StatusOr<std::string> ShowForSubject(Server& server, const Output& output, JsonForm form) const;
  StatusOr<std::string> ShowForBudget(Server& server, const Output& output, JsonForm form) const;

  v1::GetBudgetStatusRequest request_;
  ModelFlags model_;
  std::string budget_;
  std::optional<double> min_used_;
  std::optional<int32_t> limit_;
  WatchFlag watch_;
};

}  // namespace bursar::cli
