#pragma once

#include "cli/command.h"
#include "cli/flags.h"

namespace bursar::cli {

// bursar status: where do the budgets that apply to a subject stand?
class StatusCommand final : public Command {
 public:
  explicit StatusCommand(CLI::App& parent);

  v1::GetBudgetStatusRequest Request() const;
  int Run(Server& server, Output& output) override;

 private:
  v1::GetBudgetStatusRequest request_;
  ModelFlags model_;
};

}  // namespace bursar::cli
