#include "cli/costs_command.h"

#include <bursar/money.h>

#include <vector>

#include "cli/flags.h"
#include "cli/pages.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "cli/render.h"
#include "src/convert_requests.h"
#include "src/convert_types.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

constexpr char kDefaultPeriod[] = "30d";

using Query = v1::QueryCostsRequest;

Choices<Query::Bucket> Buckets() {
  return {{"hour", Query::BUCKET_HOUR},
          {"day", Query::BUCKET_DAY},
          {"week", Query::BUCKET_WEEK},
          {"month", Query::BUCKET_MONTH}};
}

std::string Text(const Query& query, const v1::QueryCostsResponse& response,
                 const Palette& palette) {
  const auto zone = LoadZone(query.time_zone());
  const CostReport report = internal::FromProto(response);
  const std::vector<std::string> group_by(query.group_by().begin(), query.group_by().end());
  const auto time = [&](const google::protobuf::Timestamp& t) {
    return FormatMinute(TimeOf(t), *zone);
  };
  std::string text = palette.Dim("from " + time(query.start_time()) + " to " +
                                 (query.has_end_time() ? time(query.end_time()) : "now")) +
                     "\n" +
                     CostTable(report, group_by, query.bucket() != Query::BUCKET_UNSPECIFIED, *zone)
                         .Render(palette);
  if (report.total.unpriced_calls > 0) {
    text += internal::FormatCount(report.total.unpriced_calls) +
            " calls had no known price and count as $0.00\n";
  }
  if (report.total.estimated_nanousd != 0) {
    text += FormatUsd(report.total.estimated_nanousd) + " of it is not priced usage\n";
  }
  if (!report.next_page_token.empty()) text += kMoreRows;
  return text;
}

}  // namespace

CostsCommand::CostsCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("costs", "Show what was spent");
  app_->add_option("--period", period_, "today, month, or a length like 7d; default: 30d")
      ->type_name("PERIOD");
  app_->add_option("--from", from_, "start, like 2026-11-01 or 2026-11-01T09:30")
      ->type_name("TIME");
  app_->add_option("--to", to_, "end, not included; default: now")->type_name("TIME");
  Query* request = &request_;
  AddTextFlag(*app_, "--by", "DIMENSIONS", "group by up to 5, like model,agent or label:env",
              [request](const std::string& text) {
                for (std::string& name : SplitCommas(text)) request->add_group_by(std::move(name));
              });
  AddChoiceFlag(*app_, "--bucket", "a row for each hour, day, week or month", Buckets(),
                [request](Query::Bucket bucket) { request->set_bucket(bucket); });
  AddRepeatedFlag(*app_, "--filter", "DIM=VALUES", "like user=carol or model!=x; may be repeated",
                  ParseFilter, [request](v1::Filter f) { *request->add_filters() = std::move(f); });
  AddParsedFlag(
      *app_, "--time-zone", "ZONE", "an IANA name like Europe/Berlin; default: UTC",
      [](const std::string& text) -> StatusOr<std::string> {
        if (auto zone = LoadZone(text); !zone.ok()) return zone.status();
        return text;
      },
      [request](const std::string& text) { request->set_time_zone(text); });
  AddTextFlag(*app_, "--order-by", "TEXT", "like \"cost desc\" or bucket",
              [request](const std::string& text) { request->set_order_by(text); });
  AddParsedFlag(*app_, "--limit", "N", "rows at most, up to 10000; default: 100", ParseRows,
                [request](int32_t rows) { request->set_page_size(rows); });
  AddParsedFlag(*app_, "--fail-over", "USD", "exit with 4 where the total is more than that",
                ParseUsd, [this](int64_t nanousd) { fail_over_nanousd_ = nanousd; });
  watch_.AddTo(*app_);
}

StatusOr<Query> CostsCommand::Request(absl::Time now) const {
  if (!period_.empty() && !from_.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "--period and --from exclude each other; one of them would be right");
  }
  const auto zone = LoadZone(request_.time_zone());
  if (!zone.ok()) return zone.status();
  const auto start = from_.empty()
                         ? PeriodStart(period_.empty() ? kDefaultPeriod : period_, now, *zone)
                         : ParseTime(from_, *zone);
  if (!start.ok()) return start.status();
  Query request = request_;
  SetTime(*start, request.mutable_start_time());
  if (!to_.empty()) {
    const auto end = ParseTime(to_, *zone);
    if (!end.ok()) return end.status();
    if (*end <= *start) return RangeEndsBeforeItStarts(*start, *end, *zone);
    SetTime(*end, request.mutable_end_time());
  }
  return request;
}

StatusOr<std::string> CostsCommand::Show(Server& server, const Output& output, JsonForm form,
                                         int64_t* total_nanousd) const {
  const auto request = Request(absl::Now());
  if (!request.ok()) return request.status();
  v1::QueryCostsResponse response;
  const Status status = server.Call(&TelemetryStub::QueryCosts, *request, &response);
  if (!status.ok()) return status;
  *total_nanousd = response.total().cost_nanousd();
  return output.json ? JsonText(response, form) : Text(*request, response, output.palette);
}

int CostsCommand::FailOver(int64_t total_nanousd, Output& output) const {
  if (!fail_over_nanousd_ || total_nanousd <= *fail_over_nanousd_) return kExitOk;
  output.err << "bursar: " << FormatUsd(total_nanousd) << " is "
             << FormatUsd(total_nanousd - *fail_over_nanousd_) << " over the "
             << FormatUsd(*fail_over_nanousd_) << " of --fail-over\n";
  return kExitOver;
}

int CostsCommand::Run(Server& server, Output& output) {
  if (fail_over_nanousd_ && watch_.given()) {
    return FailUsage({StatusCode::kInvalidArgument,
                      "--fail-over and --watch exclude each other; one of them would be right"},
                     output);
  }
  int64_t total_nanousd = 0;
  const int code = watch_.Show(
      [&](JsonForm form) { return Show(server, output, form, &total_nanousd); }, server, output);
  return code == kExitOk ? FailOver(total_nanousd, output) : code;
}

}  // namespace bursar::cli
