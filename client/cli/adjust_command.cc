#include "cli/adjust_command.h"

#include <bursar/money.h>

#include "cli/flags.h"
#include "cli/render.h"
#include "src/convert_types.h"
#include "src/random_id.h"

namespace bursar::cli {
namespace {

std::string DeltaText(int64_t nanousd) {
  if (nanousd == 0) return "nothing: it was so before";
  return nanousd < 0 ? FormatUsd(-nanousd) + " less than before"
                     : FormatUsd(nanousd) + " more than before";
}

void Print(const v1::AdjustUsageRequest& request, const v1::AdjustUsageResponse& response,
           Output& output) {
  PrintPairs({{"usage", request.usage_id()},
              {"adjustment", request.adjustment_id()},
              {"charged", DeltaText(response.delta_nanousd())}},
             output);
  if (response.budgets().empty()) return;
  output.out << "\n"
             << BudgetStatusTable(internal::FromProto(response.budgets())).Render(output.palette);
}

}  // namespace

AdjustCommand::AdjustCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("adjust", "Correct what a recorded call used or cost");
  v1::AdjustUsageRequest* request = &request_;
  app_->add_option_function<std::string>(
          "usage", [request](const std::string& text) { request->set_usage_id(text); },
          "the record's usage_id")
      ->type_name("");
  AddInputTokenFlags(*app_, &tokens_, &tokens_given_);
  AddOutputTokenFlags(*app_, &tokens_, &tokens_given_);
  AddParsedFlag(*app_, "--cost", "USD", "what it really cost in all, like 0.12; 0 = nothing",
                ParseUsd, [request](int64_t nanousd) { request->set_cost_nanousd(nanousd); })
      ->group("Usage");
  AddTextFlag(*app_, "--reason", "TEXT", "why, for those who look later",
              [request](const std::string& text) { request->set_reason(text); });
  AddTextFlag(*app_, "--id", "TEXT", "adjustment_id, which counts once; default: a random UUID",
              [request](const std::string& text) { request->set_adjustment_id(text); });
}

StatusOr<v1::AdjustUsageRequest> AdjustCommand::Request() const {
  if (request_.usage_id().empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "which record? `bursar adjust USAGE_ID --cost 0.12` would be right");
  }
  if (tokens_given_ == request_.has_cost_nanousd()) {
    return Status(StatusCode::kInvalidArgument,
                  "adjust needs to know the truth: either --cost 0.12 or token flags like "
                  "--input-tokens 1200 --output-tokens 300 would be right");
  }
  v1::AdjustUsageRequest request = request_;
  if (tokens_given_) *request.mutable_tokens() = tokens_;
  if (request.adjustment_id().empty()) request.set_adjustment_id(internal::RandomUuid());
  return request;
}

int AdjustCommand::Run(Server& server, Output& output) {
  const auto request = Request();
  if (!request.ok()) return FailUsage(request.status(), output);
  v1::AdjustUsageResponse response;
  const Status status = server.Call(&AdminStub::AdjustUsage, *request, &response);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) return PrintJson(response, output);
  Print(*request, response, output);
  return kExitOk;
}

}  // namespace bursar::cli
