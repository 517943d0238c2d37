#include "cli/prices_command.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/flags.h"
#include "cli/input.h"
#include "cli/pages.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "cli/prices_document.h"
#include "cli/prices_text.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using internal::FormatCount;

constexpr int kWarningsShown = 20;

Choices<std::string> Formats() {
  return {{"genai-prices", "genai-prices"}, {"litellm", "litellm"}, {"bursar", "bursar"}};
}

CLI::Option* AddTimeFlag(CLI::App& app, const std::string& flag, const std::string& help,
                         std::optional<absl::Time>* time) {
  return AddParsedFlag(
      app, flag, "TIME", help,
      [](const std::string& text) { return ParseTime(text, absl::UTCTimeZone()); },
      [time](absl::Time value) { *time = value; });
}

v1::ListPricesRequest RequestFor(const v1::Model& model, absl::Time at) {
  v1::ListPricesRequest request;
  request.set_provider(model.provider());
  request.set_model(model.name());
  SetTime(at, request.mutable_as_of());
  return request;
}

Status ReadAll(Server& server, const v1::ListPricesRequest& request,
               v1::ListPricesResponse* response) {
  return ReadPages(server, &AdminStub::ListPrices, request, kAllRows,
                   &v1::ListPricesResponse::prices_size, response);
}

std::string CountsText(const v1::ImportPricesResponse& response) {
  return FormatCount(response.added()) + " added, " + FormatCount(response.changed()) +
         " changed, " + FormatCount(response.unchanged()) + " unchanged";
}

void PrintWarnings(const v1::ImportPricesResponse& response, Output& output) {
  const int shown = std::min(response.warnings_size(), kWarningsShown);
  for (int i = 0; i < shown; ++i) {
    output.out << output.palette.Yellow("warning: " + response.warnings(i)) << "\n";
  }
  if (response.warnings_size() > shown) {
    output.out << "and " << FormatCount(response.warnings_size() - shown)
               << " more warnings; --json prints all\n";
  }
}

}  // namespace

void AddImportFlags(CLI::App& app, v1::ImportPricesRequest* request) {
  app.add_flag_callback(
      "--dry-run", [request] { request->set_validate_only(true); },
      "say what would change, and change nothing");
  app.add_flag_callback(
      "--accept-jumps", [request] { request->set_accept_jumps(true); },
      "take prices that move by more than ten times, too");
}

int ImportPrices(Server& server, const v1::ImportPricesRequest& request,
                 std::vector<std::pair<std::string, std::string>> pairs,
                 v1::ImportPricesResponse* response, Output& output) {
  const Status status = server.Call(&AdminStub::ImportPrices, request, response);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) return PrintJson(*response, output);
  pairs.emplace_back("prices", CountsText(*response));
  pairs.emplace_back("version", response->price_version());
  PrintPairs(pairs, output);
  PrintWarnings(*response, output);
  if (request.validate_only()) output.out << "dry run: nothing was changed\n";
  return kExitOk;
}

ImportPricesCommand::ImportPricesCommand(CLI::App& prices) {
  app_ = prices.add_subcommand("import", "Import a document of prices");
  app_->add_option("file", file_, "JSON; - reads standard input")->type_name("");
  AddChoiceFlag(*app_, "--format",
                "genai-prices, litellm or bursar; default: as the document shows it", Formats(),
                [this](const std::string& format) { request_.set_format(format); });
  app_->add_flag_callback(
      "--replace", [this] { request_.set_replace(true); },
      "drop the prices that the document does not name; else they stay");
  AddImportFlags(*app_, &request_);
}

StatusOr<v1::ImportPricesRequest> ImportPricesCommand::Request() const {
  if (file_.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "import what? `bursar prices import FILE`, or - for standard input, would be "
                  "right");
  }
  auto document = ReadInput(file_, kPriceDocumentBytesMax);
  if (!document.ok()) return document.status();
  v1::ImportPricesRequest request = request_;
  if (request.format().empty()) {
    const auto format = GuessPriceFormat(*document);
    if (!format.ok()) {
      return Status(format.status().code(), InputName(file_) + " " + format.status().message());
    }
    request.set_format(*format);
  }
  request.set_document(*std::move(document));
  return request;
}

int ImportPricesCommand::Run(Server& server, Output& output) {
  const auto request = Request();
  if (!request.ok()) return FailUsage(request.status(), output);
  const bool guessed = request_.format().empty();
  v1::ImportPricesResponse response;
  return ImportPrices(server, *request,
                      {{"format", request->format() + (guessed ? ", as the document shows" : "")}},
                      &response, output);
}

ListPricesCommand::ListPricesCommand(CLI::App& prices) {
  app_ = prices.add_subcommand("list", "List prices: those that count now, unless told otherwise");
  app_->add_option("--provider", provider_, "of this provider alone");
  app_->add_option("--model", model_, "that a call with this model would have");
  CLI::Option* at = AddTimeFlag(*app_, "--at", "those that count then, like 2026-12-01", &at_);
  at->excludes(app_->add_flag("--all", all_, "all rows, those of the past and to come too"));
}

v1::ListPricesRequest ListPricesCommand::Request(absl::Time now) const {
  v1::ListPricesRequest request = RequestFor(ModelOf(provider_, model_), at_.value_or(now));
  if (all_) request.clear_as_of();
  return request;
}

int ListPricesCommand::Run(Server& server, Output& output) {
  const v1::ListPricesRequest request = Request(absl::Now());
  v1::ListPricesResponse all;
  if (const Status status = ReadAll(server, request, &all); !status.ok()) {
    return Fail(status, server, output);
  }
  if (output.json) return PrintJson(all, output);
  if (all.prices().empty()) {
    output.out << "no such price\n";
    return kExitOk;
  }
  const std::string when =
      request.has_as_of()
          ? "as they count at " + FormatMinute(TimeOf(request.as_of()), absl::UTCTimeZone())
          : "past, present and to come";
  output.out << output.palette.Dim("version " + all.price_version() + ", " + when +
                                   "; US dollars for 1,000,000 tokens")
             << "\n"
             << PriceTable(all.prices()).Render(output.palette);
  return kExitOk;
}

ShowPriceCommand::ShowPriceCommand(CLI::App& prices) {
  app_ = prices.add_subcommand("show", "Show all that is known of one model's price");
  app_->add_option("model", model_, "like openai/gpt-4o, or only the name with --provider")
      ->type_name("");
  app_->add_option("--provider", provider_, "openai, anthropic, google, ...");
  AddTimeFlag(*app_, "--at", "what counts then, like 2026-12-01; default: now", &at_);
}

int ShowPriceCommand::Run(Server& server, Output& output) {
  if (model_.empty()) {
    return FailUsage({StatusCode::kInvalidArgument,
                      "which model? `bursar prices show openai/gpt-4o` would be right"},
                     output);
  }
  const v1::Model model = ModelOf(provider_, model_);
  const absl::Time at = at_.value_or(absl::Now());
  v1::ListPricesResponse all;
  if (const Status status = ReadAll(server, RequestFor(model, at), &all); !status.ok()) {
    return Fail(status, server, output);
  }
  if (all.prices().empty()) {
    output.err << "bursar: " << model_ << " has no price "
               << (at_ ? "at " + FormatMinute(at, absl::UTCTimeZone()) : "now")
               << "; `bursar prices set " << model_
               << " --input 3 --output 15` would give it one\n";
    return kExitFailed;
  }
  if (output.json) return PrintJson(all, output);
  for (const v1::Price& price : all.prices()) {
    PrintPairs(PricePairs(price), output);
    output.out << "\n";
  }
  output.out << output.palette.Dim("version " + all.price_version()) << "\n";
  return kExitOk;
}

}  // namespace bursar::cli
