#include "cli/usage_command.h"

#include <bursar/money.h>

#include "cli/call_filters.h"
#include "cli/flags.h"
#include "cli/pages.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "cli/render.h"
#include "src/convert_types.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

constexpr char kDefaultPeriod[] = "24h";

// "failed"; of a record that corrects another, which that is.
std::string OutcomeText(const v1::UsageRecord& record) {
  if (!record.adjusts().empty()) return "corrects " + record.adjusts();
  std::string text =
      Lower(v1::Outcome_Name(record.usage().outcome()).substr(sizeof("OUTCOME_") - 1));
  for (char& c : text) c = c == '_' ? '-' : c;
  return text;
}

Emphasis EmphasisOf(const v1::UsageRecord& record) {
  const bool failed = record.adjusts().empty() && record.usage().outcome() == v1::OUTCOME_FAILED;
  return failed ? Emphasis::kWarning : Emphasis::kNone;
}

Table UsageTable(const v1::ListUsageResponse& response) {
  Table table({{"TIME"},
               {"USER"},
               {"AGENT"},
               {"MODEL"},
               {"INPUT", Align::kRight},
               {"OUTPUT", Align::kRight},
               {"COST", Align::kPoint},
               {"LATENCY", Align::kRight},
               {"OUTCOME"},
               {"USAGE ID"}});
  for (const v1::UsageRecord& record : response.records()) {
    const v1::RecordUsageRequest& usage = record.usage();
    const TokenUsage tokens = internal::FromProto(usage.tokens());
    const std::string latency =
        usage.has_latency() ? internal::FormatDuration(internal::FromProto(usage.latency())) : "-";
    table.AddRow(
        {FormatSecond(TimeOf(record.charge_time())), usage.subject().user(),
         usage.subject().agent(), ModelText(usage.model()),
         internal::FormatCount(InputTokens(tokens)), internal::FormatCount(OutputTokens(tokens)),
         FormatUsd(record.cost_nanousd()), latency, OutcomeText(record), usage.usage_id()},
        EmphasisOf(record));
  }
  return table;
}

}  // namespace

UsageCommand::UsageCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("usage", "Show the records of calls, oldest first");
  range_.AddTo(*app_, "24h, with --trace all");
  v1::ListUsageRequest* request = &request_;
  AddRepeatedFlag(*app_, "--filter", "DIM=VALUES", "like user=carol or model!=x; may be repeated",
                  ParseFilter, [request](v1::Filter f) { *request->add_filters() = std::move(f); });
  AddTextFlag(*app_, "--trace", "ID", "of this trace alone",
              [request](const std::string& id) { request->set_trace_id(id); });
  CLI::Option* limit =
      AddParsedFlag(*app_, "--limit", "N", "rows at most, up to 10000; default: 100", ParseRows,
                    [this](int32_t rows) { limit_ = rows; });
  app_->add_flag("--all", all_, "every row there is")->excludes(limit);
}

StatusOr<v1::ListUsageRequest> UsageCommand::Request(absl::Time now) const {
  v1::ListUsageRequest request = request_;
  const std::string otherwise = request.trace_id().empty() ? kDefaultPeriod : "";
  if (Status status = range_.FillInto(now, otherwise, &request); !status.ok()) return status;
  return request;
}

int UsageCommand::Run(Server& server, Output& output) {
  const auto request = Request(absl::Now());
  if (!request.ok()) return FailUsage(request.status(), output);
  v1::ListUsageResponse all;
  const Status status =
      ReadPages(server, &TelemetryStub::ListUsage, *request, all_ ? kAllRows : limit_,
                &v1::ListUsageResponse::records_size, &all);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) return PrintJson(all, output);
  if (all.records().empty()) {
    output.out << "no such record\n";
  } else {
    output.out << UsageTable(all).Render(output.palette);
  }
  if (!all.next_page_token().empty()) output.out << "there are more rows; --all shows them\n";
  return kExitOk;
}

}  // namespace bursar::cli
