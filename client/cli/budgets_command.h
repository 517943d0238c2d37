#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/budget_flags.h"
#include "cli/command.h"

namespace bursar::cli {

// bursar budgets create
class CreateBudgetCommand final : public Command {
 public:
  explicit CreateBudgetCommand(CLI::App& budgets);
  // Errors: INVALID_ARGUMENT where the id, the limit or the window is missing.
  StatusOr<v1::CreateBudgetRequest> Request() const;
  int Run(Server& server, Output& output) override;

 private:
  BudgetFlags flags_;
  std::string id_;
};

// bursar budgets update
class UpdateBudgetCommand final : public Command {
 public:
  explicit UpdateBudgetCommand(CLI::App& budgets);
  // Errors: INVALID_ARGUMENT where the id is missing or nothing is to be changed.
  StatusOr<v1::UpdateBudgetRequest> Request() const;
  int Run(Server& server, Output& output) override;

 private:
  BudgetFlags flags_;
  std::string id_;
  std::string etag_;
};

// bursar budgets list
class ListBudgetsCommand final : public Command {
 public:
  explicit ListBudgetsCommand(CLI::App& budgets);
  int Run(Server& server, Output& output) override;
};

// bursar budgets get
class GetBudgetCommand final : public Command {
 public:
  explicit GetBudgetCommand(CLI::App& budgets);
  int Run(Server& server, Output& output) override;

 private:
  std::string id_;
};

// bursar budgets freeze and unfreeze: the emergency stop. What was there before does not matter, so
// nobody's change can be lost by it, and it asks for no etag.
class FreezeBudgetCommand final : public Command {
 public:
  FreezeBudgetCommand(CLI::App& budgets, v1::Budget::State state);
  int Run(Server& server, Output& output) override;

 private:
  v1::Budget::State state_;
  std::string id_;
};

// bursar budgets delete
class DeleteBudgetCommand final : public Command {
 public:
  explicit DeleteBudgetCommand(CLI::App& budgets);
  int Run(Server& server, Output& output) override;

 private:
  std::string id_;
  std::string etag_;
};

}  // namespace bursar::cli
