#include "cli/status_command.h"

#include "cli/call_filters.h"
#include "cli/pages.h"
#include "cli/parse.h"
#include "cli/render.h"
#include "src/convert_requests.h"
#include "src/convert_types.h"

namespace bursar::cli {
namespace {

constexpr int32_t kLimitDefault = 100;

}  // namespace

StatusCommand::StatusCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("status", "Show where budgets stand, fullest first");
  AddSubjectFlags(*app_, request_.mutable_subject());
  model_.AddTo(*app_);
  app_->add_option("--budget", budget_, "instead: every counter of this budget")->type_name("ID");
  AddParsedFlag(*app_, "--min-used", "FRACTION", "with --budget: only the fuller, like 0.8",
                ParseFraction, [this](double fraction) { min_used_ = fraction; });
  AddParsedFlag(*app_, "--limit", "N", "with --budget: rows at most, up to 10000; default: 100",
                ParseRows, [this](int32_t rows) { limit_ = rows; });
  watch_.AddTo(*app_);
}

v1::GetBudgetStatusRequest StatusCommand::Request() const {
  v1::GetBudgetStatusRequest request = request_;
  *request.mutable_model() = model_.Model();
  return request;
}

Status StatusCommand::CheckWords() const {
  const auto wrong = [](const char* message) {
    return Status(StatusCode::kInvalidArgument, message);
  };
  const v1::GetBudgetStatusRequest request = Request();
  const bool of_subject =
      !DimensionsOf(request.subject()).empty() || !ModelText(request.model()).empty() ||
      !request.model().service_tier().empty() || !request.model().region().empty();
  if (!budget_.empty() && of_subject) {
    return wrong(
        "--budget shows all counters of one budget, and who spends shows all budgets of one "
        "subject; one of them would be right");
  }
  if (budget_.empty() && min_used_) {
    return wrong("--min-used needs --budget; --budget user-day --min-used 0.8 would be right");
  }
  if (budget_.empty() && limit_) {
    return wrong("--limit needs --budget; --budget user-day --limit 10 would be right");
  }
  return {};
}

int StatusCommand::Run(Server& server, Output& output) {
  if (const Status status = CheckWords(); !status.ok()) return FailUsage(status, output);
  return watch_.Show(
      [&](JsonForm form) {
        return budget_.empty() ? ShowForSubject(server, output, form)
                               : ShowForBudget(server, output, form);
      },
      server, output);
}

StatusOr<std::string> StatusCommand::ShowForBudget(Server& server, const Output& output,
                                                   JsonForm form) const {
  v1::ListBudgetStatusesRequest request;
  request.set_name(BudgetName(budget_));
  request.set_min_used_fraction(min_used_.value_or(0));
  v1::ListBudgetStatusesResponse all;
  const Status status =
      ReadPages(server, &AdminStub::ListBudgetStatuses, request, limit_.value_or(kLimitDefault),
                &v1::ListBudgetStatusesResponse::statuses_size, &all);
  if (!status.ok()) return status;
  if (output.json) return JsonText(all, form);
  std::string text =
      all.statuses().empty()
          ? "no counter of " + BudgetId(budget_) + " is that full in its window\n"
          : BudgetStatusTable(internal::FromProto(all.statuses())).Render(output.palette);
  if (!all.next_page_token().empty()) text += kMoreRows;
  return text;
}

StatusOr<std::string> StatusCommand::ShowForSubject(Server& server, const Output& output,
                                                    JsonForm form) const {
  v1::GetBudgetStatusResponse response;
  const Status status = server.Call(&TelemetryStub::GetBudgetStatus, Request(), &response);
  if (!status.ok()) return status;
  if (output.json) return JsonText(response, form);
  if (response.budgets().empty()) return std::string("no budget applies to this subject\n");
  return BudgetStatusTable(internal::FromProto(response)).Render(output.palette);
}

}  // namespace bursar::cli
