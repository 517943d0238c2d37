#include "cli/check_command.h"

#include <bursar/estimate.h>
#include <bursar/money.h>

#include "cli/input.h"
#include "cli/parse.h"
#include "cli/render.h"
#include "src/convert_requests.h"
#include "src/convert_types.h"
#include "src/random_id.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

std::string DecisionText(const v1::CheckBudgetResponse& response, const Palette& palette) {
  switch (response.decision()) {
    case v1::DECISION_ALLOW:
      return palette.Green("allowed");
    case v1::DECISION_ALLOW_WITH_CAPS:
      return palette.Yellow("allowed with at most " +
                            internal::FormatCount(response.caps().max_output_tokens()) +
                            " output tokens");
    default:
      return palette.Red("denied");
  }
}

bool Allowed(const v1::CheckBudgetResponse& response) {
  return response.decision() == v1::DECISION_ALLOW ||
         response.decision() == v1::DECISION_ALLOW_WITH_CAPS;
}

std::string LifeText(const v1::CheckBudgetResponse& response) {
  if (!response.has_reservation()) return {};
  const v1::Reservation& reservation = response.reservation();
  return FormatUsd(reservation.reserved_nanousd()) + " for " +
         internal::FormatDuration(internal::FromProto(reservation.remaining_ttl()));
}

void Print(const v1::CheckBudgetResponse& response, Output& output) {
  const int64_t output_tokens = response.reservation().max_output_tokens();
  const auto retry = internal::FromProto(response.retry_after());
  PrintPairs({{"decision", DecisionText(response, output.palette)},
              {"reason", response.reason()},
              {"message", response.message()},
              {"estimated", FormatUsd(response.estimated_nanousd())},
              {"reservation", response.reservation().id()},
              {"holds", LifeText(response)},
              {"output covered",
               output_tokens > 0 ? internal::FormatCount(output_tokens) + " tokens" : ""},
              {"try again in", retry.count() > 0 ? internal::FormatDuration(retry) : ""},
              {"replayed", response.replayed() ? "yes: this id was checked before" : ""}},
             output);
  if (response.budgets().empty()) {
    output.out << "no budget applies\n";
    return;
  }
  output.out << "\n"
             << BudgetStatusTable(internal::FromProto(response.budgets())).Render(output.palette);
}

}  // namespace

CheckCommand::CheckCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("check", "Ask whether a call may be made, and hold its cost");
  AddSubjectFlags(*app_, request_.mutable_subject());
  model_.AddTo(*app_);
  AddInputTokenFlags(*app_, request_.mutable_tokens(), &tokens_given_);
  input_tokens_ = app_->get_option("--input-tokens");
  app_->add_option("--prompt-file", prompt_file_,
                   "counts the input instead of --input-tokens: a token for every 4 bytes")
      ->type_name("FILE|-")
      ->group("Usage");
  v1::CheckBudgetRequest* request = &request_;
  AddParsedFlag(*app_, "--max-output-tokens", "N", "the most it may put out", ParseCount,
                [request](int64_t count) { request->set_max_output_tokens(count); })
      ->group("Usage");
  AddParsedFlag(*app_, "--cost", "USD", "your own estimate instead of a price, like 0.12", ParseUsd,
                [request](int64_t nanousd) { request->set_cost_nanousd(nanousd); })
      ->group("Usage");
  AddTextFlag(*app_, "--id", "TEXT", "request_id; default: a random UUID",
              [request](const std::string& text) { request->set_request_id(text); });
  AddParsedFlag(
      *app_, "--ttl", "TIME", "how long to hold, 1s to 24h; default 5m", ParseDuration,
      [request](std::chrono::nanoseconds ttl) { internal::ToProto(ttl, request->mutable_ttl()); });
  AddTextFlag(*app_, "--event-type", "TEXT", "default: model_call",
              [request](const std::string& text) { request->set_event_type(text); });
  app_->add_flag_callback(
      "--dry-run", [request] { request->set_dry_run(true); }, "decide, and hold nothing");
  app_->add_flag_callback(
      "--accept-caps", [request] { request->set_accept_caps(true); },
      "take less output instead of a denial");
}

StatusOr<v1::CheckBudgetRequest> CheckCommand::Request() const {
  const bool tokens_given = tokens_given_ || !prompt_file_.empty();
  if (!tokens_given && !request_.has_cost_nanousd()) {
    return Status(StatusCode::kInvalidArgument,
                  "check needs to know the size of the call; --input-tokens 1200, --prompt-file "
                  "FILE or --cost 0.12 would be right");
  }
  v1::CheckBudgetRequest request = request_;
  *request.mutable_model() = model_.Model();
  FillRunFromEnvironment(request.mutable_subject());
  if (!tokens_given) request.clear_tokens();
  if (!prompt_file_.empty() && input_tokens_->count() == 0) {
    const auto prompt = ReadInput(prompt_file_);
    if (!prompt.ok()) return prompt.status();
    request.mutable_tokens()->set_uncached_input_tokens(EstimateTokens(*prompt));
  }
  if (request.request_id().empty() && !request.dry_run()) {
    request.set_request_id(internal::RandomUuid());
  }
  return request;
}

int CheckCommand::Run(Server& server, Output& output) {
  const auto request = Request();
  if (!request.ok()) return FailUsage(request.status(), output);
  v1::CheckBudgetResponse response;
  const Status status = server.Call(&TelemetryStub::CheckBudget, *request, &response);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) {
    if (const int code = PrintJson(response, output); code != kExitOk) return code;
  } else {
    Print(response, output);
  }
  return Allowed(response) ? kExitOk : kExitDenied;
}

}  // namespace bursar::cli
