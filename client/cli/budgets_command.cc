#include "cli/budgets_command.h"

#include "cli/budget_edit.h"
#include "cli/budget_text.h"
#include "cli/pages.h"
#include "cli/render.h"

namespace bursar::cli {
namespace {

int PrintOne(const google::protobuf::Message& response, const v1::Budget& budget, Output& output) {
  if (output.json) return PrintJson(response, output);
  PrintPairs(BudgetPairs(budget), output);
  return kExitOk;
}

}  // namespace

CreateBudgetCommand::CreateBudgetCommand(CLI::App& budgets) {
  app_ = budgets.add_subcommand("create", "Create a budget");
  AddBudgetId(*app_, &id_);
  flags_.AddFixed(*app_);
  flags_.AddChangeable(*app_);
}

StatusOr<v1::CreateBudgetRequest> CreateBudgetCommand::Request() const {
  if (id_.empty()) return BudgetIdMissing(*app_);
  if (flags_.budget.limit_case() == v1::Budget::LIMIT_NOT_SET) {
    return Status(StatusCode::kInvalidArgument,
                  "a budget needs a limit; --limit 0.50, --limit-tokens N or --limit-calls N would "
                  "be right");
  }
  if (flags_.budget.window().kind() == v1::Window::KIND_UNSPECIFIED) {
    return Status(StatusCode::kInvalidArgument,
                  "a budget needs a window; --window lifetime, minute, hour, day, week or month "
                  "would be right");
  }
  v1::CreateBudgetRequest request;
  *request.mutable_budget() = flags_.budget;
  request.set_budget_id(BudgetId(id_));
  return request;
}

int CreateBudgetCommand::Run(Server& server, Output& output) {
  const auto request = Request();
  if (!request.ok()) return FailUsage(request.status(), output);
  v1::CreateBudgetResponse response;
  const Status status = server.Call(&AdminStub::CreateBudget, *request, &response);
  if (!status.ok()) return Fail(status, server, output);
  return PrintOne(response, response.budget(), output);
}

UpdateBudgetCommand::UpdateBudgetCommand(CLI::App& budgets) {
  app_ = budgets.add_subcommand("update", "Change a budget; only what is given changes");
  AddBudgetId(*app_, &id_);
  flags_.AddChangeable(*app_);
  app_->add_option("--etag", etag_, "only if it is still this version");
}

StatusOr<v1::UpdateBudgetRequest> UpdateBudgetCommand::Request() const {
  if (id_.empty()) return BudgetIdMissing(*app_);
  if (flags_.paths.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "nothing to change; a flag like --limit 0.75 or --state frozen would be right");
  }
  v1::UpdateBudgetRequest request;
  *request.mutable_budget() = flags_.budget;
  request.mutable_budget()->set_name(BudgetName(id_));
  request.mutable_budget()->set_etag(etag_);
  for (const std::string& path : flags_.paths) request.mutable_update_mask()->add_paths(path);
  return request;
}

int UpdateBudgetCommand::Run(Server& server, Output& output) {
  const auto request = Request();
  if (!request.ok()) return FailUsage(request.status(), output);
  v1::UpdateBudgetResponse response;
  const Status status = server.Call(&AdminStub::UpdateBudget, *request, &response);
  if (!status.ok()) return Fail(status, server, output);
  return PrintOne(response, response.budget(), output);
}

ListBudgetsCommand::ListBudgetsCommand(CLI::App& budgets) {
  app_ = budgets.add_subcommand("list", "List all budgets");
}

int ListBudgetsCommand::Run(Server& server, Output& output) {
  v1::ListBudgetsResponse all;
  const Status status = ReadPages(server, &AdminStub::ListBudgets, v1::ListBudgetsRequest(),
                                  kAllRows, &v1::ListBudgetsResponse::budgets_size, &all);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) return PrintJson(all, output);
  if (all.budgets().empty()) {
    output.out << "there are no budgets\n";
  } else {
    output.out << BudgetTable({all.budgets().begin(), all.budgets().end()}).Render(output.palette);
  }
  return kExitOk;
}

GetBudgetCommand::GetBudgetCommand(CLI::App& budgets) {
  app_ = budgets.add_subcommand("get", "Show one budget");
  AddBudgetId(*app_, &id_);
}

int GetBudgetCommand::Run(Server& server, Output& output) {
  if (id_.empty()) return FailUsage(BudgetIdMissing(*app_), output);
  v1::GetBudgetRequest request;
  request.set_name(BudgetName(id_));
  v1::GetBudgetResponse response;
  const Status status = server.Call(&AdminStub::GetBudget, request, &response);
  if (!status.ok()) return Fail(status, server, output);
  return PrintOne(response, response.budget(), output);
}

FreezeBudgetCommand::FreezeBudgetCommand(CLI::App& budgets, v1::Budget::State state)
    : state_(state) {
  app_ = state == v1::Budget::STATE_FROZEN
             ? budgets.add_subcommand("freeze", "Emergency stop: deny every check until unfrozen")
             : budgets.add_subcommand("unfreeze", "Let checks through again, as the limit allows");
  AddBudgetId(*app_, &id_);
}

int FreezeBudgetCommand::Run(Server& server, Output& output) {
  if (id_.empty()) return FailUsage(BudgetIdMissing(*app_), output);
  v1::UpdateBudgetRequest request;
  request.mutable_budget()->set_name(BudgetName(id_));
  request.mutable_budget()->set_state(state_);
  request.mutable_update_mask()->add_paths("state");
  v1::UpdateBudgetResponse response;
  const Status status =
      RepeatWhileAborted([&] { return server.Call(&AdminStub::UpdateBudget, request, &response); });
  if (!status.ok()) return Fail(status, server, output);
  return PrintOne(response, response.budget(), output);
}

DeleteBudgetCommand::DeleteBudgetCommand(CLI::App& budgets) {
  app_ = budgets.add_subcommand("delete", "Delete a budget");
  AddBudgetId(*app_, &id_);
  app_->add_option("--etag", etag_, "only if it is still this version");
}

int DeleteBudgetCommand::Run(Server& server, Output& output) {
  if (id_.empty()) return FailUsage(BudgetIdMissing(*app_), output);
  v1::DeleteBudgetRequest request;
  request.set_name(BudgetName(id_));
  request.set_etag(etag_);
  v1::DeleteBudgetResponse response;
  const Status status = server.Call(&AdminStub::DeleteBudget, request, &response);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) return PrintJson(response, output);
  output.out << "deleted " << BudgetId(id_) << "\n";
  return kExitOk;
}

}  // namespace bursar::cli
