#include "cli/apply_command.h"

#include <nlohmann/json.hpp>

#include "cli/budget_text.h"
#include "cli/input.h"
#include "cli/pages.h"
#include "cli/render.h"

namespace bursar::cli {
namespace {

constexpr int kRounds = 3;

StatusOr<BudgetPlan> Plan(Server& server, const std::vector<WantedBudget>& wanted, bool prune) {
  v1::ListBudgetsResponse all;
  const Status status = ReadPages(server, &AdminStub::ListBudgets, v1::ListBudgetsRequest(),
                                  kAllRows, &v1::ListBudgetsResponse::budgets_size, &all);
  if (!status.ok()) return status;
  return PlanBudgets(wanted, {all.budgets().begin(), all.budgets().end()}, prune, absl::Now());
}

Status Create(Server& server, const v1::Budget& budget) {
  v1::CreateBudgetRequest request;
  *request.mutable_budget() = budget;
  request.mutable_budget()->clear_name();
  request.set_budget_id(BudgetId(budget.name()));
  v1::CreateBudgetResponse response;
  return server.Call(&AdminStub::CreateBudget, request, &response);
}

Status Update(Server& server, const BudgetUpdate& update) {
  v1::UpdateBudgetRequest request;
  *request.mutable_budget() = update.budget;
  for (const FieldChange& change : update.changes) {
    request.mutable_update_mask()->add_paths(change.field);
  }
  v1::UpdateBudgetResponse response;
  return server.Call(&AdminStub::UpdateBudget, request, &response);
}

Status Delete(Server& server, const v1::Budget& budget) {
  v1::DeleteBudgetRequest request;
  request.set_name(budget.name());
  request.set_etag(budget.etag());
  v1::DeleteBudgetResponse response;
  return server.Call(&AdminStub::DeleteBudget, request, &response);
}

// Deletes last: if it breaks off, there is rather one budget too many than one too few. `done`
// counts the changes that were made.
Status Execute(Server& server, const BudgetPlan& plan, size_t* done) {
  const auto within = [](const v1::Budget& budget, const Status& status) {
    return Status(status.code(), "budget \"" + BudgetId(budget.name()) + "\": " + status.message(),
                  {status.reason(), status.field_violations(), status.retry_delay()});
  };
  for (const v1::Budget& budget : plan.created) {
    if (Status status = Create(server, budget); !status.ok()) return within(budget, status);
    ++*done;
  }
  for (const BudgetUpdate& update : plan.updated) {
    if (Status status = Update(server, update); !status.ok()) return within(update.budget, status);
    ++*done;
  }
  for (const v1::Budget& budget : plan.deleted) {
    if (Status status = Delete(server, budget); !status.ok()) return within(budget, status);
    ++*done;
  }
  return {};
}

// Somebody else created, changed or deleted a budget of the plan.
bool IsConflict(const Status& status) {
  return status.code() == StatusCode::kAborted || status.code() == StatusCode::kAlreadyExists ||
         status.code() == StatusCode::kNotFound;
}

void Print(const BudgetPlan& plan, Output& output) {
  const Palette& palette = output.palette;
  for (const v1::Budget& budget : plan.created) {
    output.out << palette.Green("+ create  " + BudgetId(budget.name())) << "  " << LimitText(budget)
               << ", window " << FieldText(budget, "window") << "\n";
  }
  for (const BudgetUpdate& update : plan.updated) {
    output.out << palette.Yellow("~ update  " + BudgetId(update.budget.name())) << "\n";
    for (const FieldChange& change : update.changes) {
      output.out << "    " << change.field << ": " << change.from << " -> " << change.to << "\n";
    }
  }
  for (const v1::Budget& budget : plan.deleted) {
    output.out << palette.Red("- delete  " + BudgetId(budget.name())) << "\n";
  }
  output.out << "= " << plan.unchanged << " unchanged";
  if (plan.unnamed > 0) {
    output.out << ", " << plan.unnamed << " not in the file (--prune would delete them)";
  }
  output.out << "\n";
}

int PrintJson(const BudgetPlan& plan, bool dry_run, Output& output) {
  using Json = nlohmann::ordered_json;
  const auto ids = [](const std::vector<v1::Budget>& budgets) {
    Json list = Json::array();
    for (const v1::Budget& budget : budgets) list.push_back(BudgetId(budget.name()));
    return list;
  };
  Json updated = Json::array();
  for (const BudgetUpdate& update : plan.updated) {
    Json changes = Json::array();
    for (const FieldChange& change : update.changes) {
      changes.push_back({{"field", change.field}, {"from", change.from}, {"to", change.to}});
    }
    updated.push_back({{"id", BudgetId(update.budget.name())}, {"changes", std::move(changes)}});
  }
  const Json document = {{"dryRun", dry_run},           {"created", ids(plan.created)},
                         {"updated", updated},          {"deleted", ids(plan.deleted)},
                         {"unchanged", plan.unchanged}, {"notInFile", plan.unnamed}};
  output.out << document.dump(1) << "\n";
  return kExitOk;
}

}  // namespace

ApplyBudgetsCommand::ApplyBudgetsCommand(CLI::App& budgets) {
  app_ = budgets.add_subcommand("apply", "Make the server's budgets those of a file");
  app_->add_option("-f,--file", file_,
                   "JSON: {\"budgets\": [{\"id\": ...}]}; - reads standard input")
      ->type_name("FILE");
  app_->add_flag("--dry-run", dry_run_, "print the plan, and change nothing");
  app_->add_flag("--prune", prune_, "delete the budgets that are not in the file");
}

StatusOr<std::vector<WantedBudget>> ApplyBudgetsCommand::Wanted() const {
  if (file_.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "apply what? -f budgets.json, or -f - for standard input, would be right");
  }
  const auto text = ReadInput(file_);
  if (!text.ok()) return text.status();
  auto wanted = ReadBudgets(*text);
  if (wanted.ok()) return wanted;
  return Status(wanted.status().code(), InputName(file_) + ": " + wanted.status().message());
}

int ApplyBudgetsCommand::Run(Server& server, Output& output) {
  const auto wanted = Wanted();
  if (!wanted.ok()) return FailUsage(wanted.status(), output);
  for (int round = 1;; ++round) {
    const auto plan = Plan(server, *wanted, prune_);
    if (!plan.ok()) return Fail(plan.status(), server, output);
    if (!output.json) Print(*plan, output);
    size_t done = 0;
    const Status status = dry_run_ ? Status() : Execute(server, *plan, &done);
    if (IsConflict(status) && round < kRounds) {
      output.err << "bursar: somebody else changed a budget meanwhile; planning again\n";
      continue;
    }
    if (!status.ok()) {
      const int code = Fail(status, server, output);
      output.err << "bursar: " << done << " of " << plan->size()
                 << " changes were made; running it again makes the others\n";
      return code;
    }
    if (output.json) return PrintJson(*plan, dry_run_, output);
    if (dry_run_) output.out << "dry run: nothing was changed\n";
    return kExitOk;
  }
}

}  // namespace bursar::cli
