#include "cli/status_command.h"

#include "cli/render.h"
#include "src/convert_requests.h"

namespace bursar::cli {

StatusCommand::StatusCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("status", "Show the budgets that apply to a subject, fullest first");
  AddSubjectFlags(*app_, request_.mutable_subject());
  model_.AddTo(*app_);
}

v1::GetBudgetStatusRequest StatusCommand::Request() const {
  v1::GetBudgetStatusRequest request = request_;
  *request.mutable_model() = model_.Model();
  return request;
}

int StatusCommand::Run(Server& server, Output& output) {
  v1::GetBudgetStatusResponse response;
  const Status status = server.Call(&TelemetryStub::GetBudgetStatus, Request(), &response);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) return PrintJson(response, output);
  if (response.budgets().empty()) {
    output.out << "no budget applies to this subject\n";
  } else {
    output.out << BudgetStatusTable(internal::FromProto(response)).Render(output.palette);
  }
  return kExitOk;
}

}  // namespace bursar::cli
