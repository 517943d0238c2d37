#include "cli/costs_command.h"

#include <bursar/money.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "cli/flags.h"
#include "cli/parse.h"
#include "cli/period.h"

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

// "90", "99.5%".
StatusOr<double> ParsePercent(std::string_view text) {
  absl::string_view number(text.data(), text.size());
  absl::ConsumeSuffix(&number, "%");
  double percent = 0;
  if (absl::SimpleAtod(number, &percent) && percent >= 0 && percent <= 100) return percent;
  return WrongValue(text, "is no percentage", "a number from 0 to 100 like 90 or 99.5");
}

}  // namespace

CostsCommand::CostsCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("costs", "Show what was spent");
  AddRangeFlags();
  AddRowFlags();
  AddSummaryFlags();
  AddParsedFlag(*app_, "--fail-over", "USD", "exit with 4 where the total is more than that",
                ParseUsd, [this](int64_t nanousd) { fail_over_nanousd_ = nanousd; });
  watch_.AddTo(*app_);
}

void CostsCommand::AddRangeFlags() {
  app_->add_option("--period", period_,
                   "today, month, a length like 7d or 12h, a day, a month like 2026-10,\n"
                   "or 2026-11-01..2026-11-15, the last day included; default: 30d")
      ->type_name("today|7d|30d|month")  // what completion offers
      ->option_text("PERIOD");
  app_->add_option("--from", from_, "start, like 2026-11-01 or 2026-11-01T09:30")
      ->type_name("TIME");
  app_->add_option("--to", to_, "end, not included; default: now")->type_name("TIME");
  Query* request = &request_;
  AddRepeatedFlag(*app_, "--filter", "DIM=VALUES", "like user=carol or model!=x; may be repeated",
                  ParseFilter, [request](v1::Filter f) { *request->add_filters() = std::move(f); });
  AddParsedFlag(
      *app_, "--time-zone", "ZONE", "an IANA name like Europe/Berlin; default: UTC",
      [](const std::string& text) -> StatusOr<std::string> {
        if (auto zone = LoadZone(text); !zone.ok()) return zone.status();
        return text;
      },
      [request](const std::string& text) { request->set_time_zone(text); });
}

void CostsCommand::AddRowFlags() {
  Query* request = &request_;
  AddTextFlag(*app_, "--by", "DIMENSIONS", "group by up to 5, like model,agent or label:env",
              [request](const std::string& text) {
                for (std::string& name : SplitCommas(text)) request->add_group_by(std::move(name));
              });
  AddChoiceFlag(*app_, "--bucket", "a row for each hour, day, week or month", Buckets(),
                [request](Query::Bucket bucket) { request->set_bucket(bucket); });
  AddTextFlag(*app_, "--order-by", "TEXT", "like \"cost desc\" or bucket",
              [request](const std::string& text) { request->set_order_by(text); });
  AddParsedFlag(*app_, "--limit", "N", "rows at most, up to 10000; default: 100", ParseRows,
                [request](int32_t rows) { request->set_page_size(rows); });
  app_->add_flag_function(
      "--bars", [this](int64_t on) { bars_ = on > 0; },
      "a bar for each row's cost, as on a terminal; --bars=false: none");
}

void CostsCommand::AddSummaryFlags() {
  CLI::Option* summary =
      app_->add_flag("--summary", summary_,
                     "instead of rows: success, latency, cost, top agent and day, by rules");
  for (const char* flag : {"--by", "--bucket", "--order-by", "--limit", "--bars"}) {
    summary->excludes(app_->get_option(flag));
  }
  AddParsedFlag(*app_, "--min-success", "PERCENT", "a rule of --summary; default: 90", ParsePercent,
                [this](double percent) { rules_.success_percent_min = percent; })
      ->option_text("PERCENT")
      ->needs(summary);
  AddParsedFlag(*app_, "--max-p95", "TIME", "a rule of --summary; default: 3s", ParseDuration,
                [this](std::chrono::nanoseconds time) { rules_.latency_p95_max = time; })
      ->option_text("TIME")
      ->needs(summary);
  AddParsedFlag(*app_, "--max-daily", "USD", "a rule of --summary, for each day; default: 10",
                ParseUsd, [this](int64_t nanousd) { rules_.daily_nanousd_max = nanousd; })
      ->option_text("USD")
      ->needs(summary);
}

StatusOr<TimeRange> CostsCommand::Range(absl::Time now, absl::TimeZone zone) const {
  TimeRange range;
  if (from_.empty()) {
    const auto period = ParsePeriod(period_.empty() ? kDefaultPeriod : period_, now, zone);
    if (!period.ok()) return period.status();
    range = *period;
  } else {
    const auto start = ParseTime(from_, zone);
    if (!start.ok()) return start.status();
    range.start = *start;
  }
  if (to_.empty()) return range;
  if (range.end) {
    return Status(StatusCode::kInvalidArgument,
                  "--period " + period_ +
                      " has an end, and --to is another; one of them would be "
                      "right");
  }
  const auto end = ParseTime(to_, zone);
  if (!end.ok()) return end.status();
  if (*end <= range.start) return RangeEndsBeforeItStarts(range.start, *end, zone);
  range.end = *end;
  return range;
}

StatusOr<Query> CostsCommand::Request(absl::Time now) const {
  if (!period_.empty() && !from_.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "--period and --from exclude each other; one of them would be right");
  }
  const auto zone = LoadZone(request_.time_zone());
  if (!zone.ok()) return zone.status();
  const auto range = Range(now, *zone);
  if (!range.ok()) return range.status();
  Query request = request_;
  SetTime(range->start, request.mutable_start_time());
  if (range->end) SetTime(*range->end, request.mutable_end_time());
  return request;
}

std::optional<BarPlace> CostsCommand::Bars(const Output& output) const {
  if (!bars_.value_or(output.live)) return std::nullopt;
  return BarPlace{.signs = BarSignsOfLocale(),
                  .line_columns = TerminalColumns(STDOUT_FILENO),
                  .asked = bars_.has_value()};
}

StatusOr<std::string> CostsCommand::Show(Server& server, const Output& output, JsonForm form,
                                         int64_t* total_nanousd) const {
  const auto request = Request(absl::Now());
  if (!request.ok()) return request.status();
  if (summary_) {
    const auto summary = AskSummary(server, *request);
    if (!summary.ok()) return summary.status();
    *total_nanousd = summary->answer.total().cost_nanousd();
    if (output.json) return SummaryJson(*summary, rules_, form);
    return SummaryText(*summary, rules_, output.palette);
  }
  v1::QueryCostsResponse response;
  const Status status = server.Call(&TelemetryStub::QueryCosts, *request, &response);
  if (!status.ok()) return status;
  *total_nanousd = response.total().cost_nanousd();
  if (output.json) return JsonText(response, form);
  return CostsText(*request, response, Bars(output), output.palette);
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
