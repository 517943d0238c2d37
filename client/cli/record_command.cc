#include "cli/record_command.h"

#include <bursar/money.h>
#include <bursar/summary.h>
#include <unistd.h>

#include "cli/call_filters.h"
#include "cli/input.h"
#include "cli/parse.h"
#include "cli/render.h"
#include "cli/usage_import.h"
#include "src/convert_requests.h"
#include "src/convert_types.h"
#include "src/random_id.h"

namespace bursar::cli {
namespace {

void Print(const v1::RecordUsageRequest& request, const v1::RecordUsageResponse& answer,
           Output& output) {
  RecordRequest asked;
  asked.model = internal::FromProto(request.model());
  asked.outcome = static_cast<Outcome>(request.outcome());
  if (request.has_latency()) asked.latency = internal::FromProto(request.latency());
  const RecordResponse response = internal::FromProto(answer, asked);
  const auto nonzero = [](int64_t nanousd) { return nanousd == 0 ? "" : FormatUsd(nanousd); };

  output.out << FormatSummary(response) << "\n\n";
  PrintPairs({{"usage", request.usage_id()},
              {"charged", FormatUsd(response.cost_nanousd)},
              {"given back", nonzero(response.released_nanousd)},
              {"beyond the hold", nonzero(response.overrun_nanousd)},
              {"late", response.late ? "yes: its reservation had ended" : ""},
              {"replayed", response.replayed ? "yes: this id was recorded before" : ""}},
             output);
  if (response.budgets.empty()) return;
  output.out << "\n" << BudgetStatusTable(response.budgets).Render(output.palette);
}

}  // namespace

RecordCommand::RecordCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("record", "Record what a call used");
  AddSubjectFlags(*app_, request_.mutable_subject());
  model_.AddTo(*app_);
  AddUsageFlags();
  AddCallFlags();
  of_one_ = app_->get_options(
      [this](const CLI::Option* option) { return option != app_->get_help_ptr(); });
  AddImportFlags();
}

void RecordCommand::AddUsageFlags() {
  AddInputTokenFlags(*app_, &tokens_, &tokens_given_);
  AddOutputTokenFlags(*app_, &tokens_, &tokens_given_);
  v1::RecordUsageRequest* request = &request_;
  AddParsedFlag(*app_, "--cost", "USD", "what it cost, like 0.12; default: priced by the server",
                ParseUsd, [request](int64_t nanousd) { request->set_cost_nanousd(nanousd); })
      ->group("Usage");
  app_->add_option("--provider-usage", provider_usage_file_,
                   "a file with the provider's answer as JSON; - is standard input")
      ->type_name("FILE|-")
      ->group("Usage");
  app_->add_option("--api-flavor", api_flavor_, "how to read it: chat, responses, anthropic, ...")
      ->group("Usage");
  AddTextFlag(*app_, "--id", "TEXT", "usage_id; default: a random UUID",
              [request](const std::string& text) { request->set_usage_id(text); });
  AddTextFlag(*app_, "--reservation", "ID", "the check that this settles",
              [request](const std::string& text) { request->set_reservation_id(text); });
}

void RecordCommand::AddCallFlags() {
  v1::RecordUsageRequest* request = &request_;
  AddChoiceFlag(*app_, "--outcome",
                "succeeded (default), failed, cancelled, not-executed or unknown", Outcomes(),
                [request](v1::Outcome outcome) { request->set_outcome(outcome); });
  AddParsedFlag(*app_, "--latency", "TIME", "how long it took, like 850ms", ParseDuration,
                [request](std::chrono::nanoseconds latency) {
                  internal::ToProto(latency, request->mutable_latency());
                });
  AddParsedFlag(*app_, "--attempt", "N", "1 is the first try", ParseCount, [request](int64_t n) {
    request->set_attempt(static_cast<int>(std::min<int64_t>(n, INT32_MAX)));
  });
  AddTextFlag(*app_, "--error-type", "TEXT", "exception class or the provider's error code",
              [request](const std::string& text) { request->mutable_error()->set_type(text); });
  AddTextFlag(*app_, "--event-type", "TEXT", "default: model_call",
              [request](const std::string& text) { request->set_event_type(text); });
  AddTextFlag(*app_, "--step", "TEXT", "function, step or tool call",
              [request](const std::string& text) { request->set_step(text); });
}

void RecordCommand::AddImportFlags() {
  constexpr char kGroup[] = "Many records at once";
  app_->add_flag("--stdin", stdin_, "read records from standard input, a line of JSON each")
      ->group(kGroup);
  app_->add_flag("--dry-run", dry_run_, "with --stdin: read and count them, and send nothing")
      ->group(kGroup);
  app_->add_option("--import-name", import_name_,
                   "with --stdin: tells apart files whose lines are the same")
      ->group(kGroup);
}

Status RecordCommand::CheckImportWords() const {
  const auto wrong = [](std::string message) {
    return Status(StatusCode::kInvalidArgument, std::move(message));
  };
  if (!stdin_ && dry_run_) return wrong("--dry-run goes with --stdin");
  if (!stdin_ && !import_name_.empty()) return wrong("--import-name goes with --stdin");
  if (!stdin_) return {};
  for (const CLI::Option* option : of_one_) {
    if (option->count() == 0) continue;
    return wrong(option->get_name() +
                 " describes one record, and with --stdin each line describes its own; one of them "
                 "would be right");
  }
  return {};
}

StatusOr<v1::RecordUsageRequest> RecordCommand::Request() const {
  v1::RecordUsageRequest request = request_;
  *request.mutable_model() = model_.Model();
  if (tokens_given_ && !provider_usage_file_.empty()) {
    return Status(
        StatusCode::kInvalidArgument,
        "--provider-usage and token flags exclude each other; one of them would be right");
  }
  if (!api_flavor_.empty() && provider_usage_file_.empty()) {
    return Status(StatusCode::kInvalidArgument, "--api-flavor goes with --provider-usage FILE");
  }
  if (tokens_given_) *request.mutable_tokens() = tokens_;
  if (!provider_usage_file_.empty()) {
    auto json = ReadInput(provider_usage_file_);
    if (!json.ok()) return json.status();
    request.mutable_provider_usage()->set_json(*std::move(json));
    request.mutable_provider_usage()->set_api_flavor(api_flavor_);
  }
  if (request.usage_id().empty()) request.set_usage_id(internal::RandomUuid());
  // A reservation brings its subject along.
  if (request.reservation_id().empty() || !DimensionsOf(request.subject()).empty()) {
    FillRunFromEnvironment(request.mutable_subject());
  }
  return request;
}

std::chrono::nanoseconds RecordCommand::default_timeout() const {
  // An import outlasts a server that is restarted.
  return stdin_ ? std::chrono::minutes(1) : std::chrono::seconds(10);
}

std::optional<int> RecordCommand::RunAlone(Output& output) {
  if (const Status status = CheckImportWords(); !status.ok()) return FailUsage(status, output);
  if (stdin_ && dry_run_) return Import(nullptr, output);
  return std::nullopt;
}

int RecordCommand::Import(Server* server, Output& output) const {
  UsageImportOptions options{.name = import_name_, .dry_run = dry_run_};
  if (server != nullptr) options.patience = server->timeout();
  LineReader lines(STDIN_FILENO, kUsageLineBytesMax);
  return UsageImport(server, std::move(options), output).Run(lines);
}

int RecordCommand::Run(Server& server, Output& output) {
  if (stdin_) return Import(&server, output);
  const auto request = Request();
  if (!request.ok()) return FailUsage(request.status(), output);
  v1::RecordUsageResponse response;
  const Status status = server.Call(&TelemetryStub::RecordUsage, *request, &response);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) return PrintJson(response, output);
  Print(*request, response, output);
  return kExitOk;
}

}  // namespace bursar::cli
