#include "cli/costs_summary.h"

#include <bursar/money.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/costs_text.h"
#include "cli/period.h"
#include "cli/render.h"
#include "src/convert_types.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::nanoseconds;

// 0.29 * 100 is 28.999999999999996, which is not meant to be less than 29.
constexpr double kPercentSlack = 1e-9;

// How a figure stands to its rule. The names have the unit of limit and value.
struct Finding {
  const char* name;
  Json limit;
  Json value;  // null where there is nothing to hold against it
  bool broken = false;
};

double Milliseconds(nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

Finding JudgeSuccess(const CostSummary& summary, const SummaryRules& rules) {
  Finding finding{.name = "success_percent", .limit = rules.success_percent_min};
  const v1::CostRow& total = summary.answer.total();
  if (total.calls() == 0) return finding;
  const double percent = total.success_rate() * 100;
  finding.value = percent;
  finding.broken = percent + kPercentSlack < rules.success_percent_min;
  return finding;
}

Finding JudgeLatency(const CostSummary& summary, const SummaryRules& rules) {
  Finding finding{.name = "latency_p95_ms", .limit = Milliseconds(rules.latency_p95_max)};
  if (!summary.answer.total().has_latency_p95()) return finding;
  const nanoseconds p95 = internal::FromProto(summary.answer.total().latency_p95());
  finding.value = Milliseconds(p95);
  finding.broken = p95 > rules.latency_p95_max;
  return finding;
}

Finding JudgeDay(const CostSummary& summary, const SummaryRules& rules) {
  // As text, like every 64-bit number of protobuf's JSON.
  Finding finding{.name = "daily_cost_nanousd", .limit = std::to_string(rules.daily_nanousd_max)};
  if (!summary.top_day) return finding;
  finding.value = std::to_string(summary.top_day->cost_nanousd());
  finding.broken = summary.top_day->cost_nanousd() > rules.daily_nanousd_max;
  return finding;
}

// "90 %", "99.95 %": as it was given.
std::string LimitText(double percent) {
  char text[48];
  std::snprintf(text, sizeof text, "%.6g %%", percent);
  return text;
}

// "3,400 ms": in the unit of the rule, so that the two can be compared.
std::string LatencyText(nanoseconds latency) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(latency).count();
  return ms == 0 ? internal::FormatDuration(latency) : internal::FormatCount(ms) + " ms";
}

std::string AgentText(const CostSummary& summary) {
  if (!summary.top_agent) return "-";
  const auto agent = summary.top_agent->group().find("agent");
  const bool known = agent != summary.top_agent->group().end() && !agent->second.empty();
  const int64_t cost_nanousd = summary.top_agent->cost_nanousd();
  const int64_t total_nanousd = summary.answer.total().cost_nanousd();
  std::string text = (known ? agent->second : "(none)") + ", " + FormatUsd(cost_nanousd);
  if (total_nanousd <= 0) return text;
  return text + ", " +
         FormatPercent(static_cast<double>(cost_nanousd) / static_cast<double>(total_nanousd)) +
         " of it";
}

std::string DayText(const CostSummary& summary) {
  if (!summary.top_day) return "-";
  const auto zone = LoadZone(summary.query.time_zone());
  return absl::FormatTime("%Y-%m-%d", TimeOf(summary.top_day->bucket_start_time()), *zone) + ", " +
         FormatUsd(summary.top_day->cost_nanousd());
}

struct Line {
  std::string name;
  std::string value;
  std::string rule;         // "90 % or more"; empty where there is none
  std::string breach = {};  // "less than 90 %", where it is broken
};

std::string LinesText(const std::vector<Line>& lines, const Palette& palette) {
  size_t width = 0;
  for (const Line& line : lines) width = std::max(width, line.name.size());
  std::string text;
  for (const Line& line : lines) {
    text += palette.Dim(line.name) + std::string(width - line.name.size() + 2, ' ');
    if (!line.breach.empty()) {
      text += palette.Red(line.value + "  BROKEN: " + line.breach);
    } else {
      text += line.value;
      if (!line.rule.empty()) text += palette.Dim("  (rule: " + line.rule + ")");
    }
    text += "\n";
  }
  return text;
}

// The row that costs most of a grouping or bucketing of `query`.
StatusOr<std::optional<v1::CostRow>> Dearest(Server& server, v1::QueryCostsRequest query,
                                             v1::QueryCostsResponse* answer) {
  query.set_order_by("cost desc");
  query.set_page_size(1);
  const Status status = server.Call(&TelemetryStub::QueryCosts, query, answer);
  if (!status.ok()) return status;
  std::optional<v1::CostRow> row;
  if (answer->rows_size() > 0 && answer->rows(0).cost_nanousd() > 0) row = answer->rows(0);
  return row;
}

Json JsonOf(const google::protobuf::Message& message) {
  const auto text = JsonText(message);
  return text.ok() ? Json::parse(*text) : Json();
}

Json JsonOrNull(const std::optional<v1::CostRow>& row) { return row ? JsonOf(*row) : Json(); }

}  // namespace

StatusOr<CostSummary> AskSummary(Server& server, const v1::QueryCostsRequest& query) {
  CostSummary summary{.query = query};
  // The day first: calls that are recorded meanwhile must not make it cost more than the whole.
  v1::QueryCostsRequest by_day = query;
  by_day.set_bucket(v1::QueryCostsRequest::BUCKET_DAY);
  v1::QueryCostsResponse days;
  auto day = Dearest(server, by_day, &days);
  if (!day.ok()) return day.status();
  v1::QueryCostsRequest by_agent = query;
  by_agent.add_group_by("agent");
  auto agent = Dearest(server, by_agent, &summary.answer);
  if (!agent.ok()) return agent.status();
  summary.top_day = *std::move(day);
  summary.top_agent = *std::move(agent);
  return summary;
}

std::string SummaryText(const CostSummary& summary, const SummaryRules& rules,
                        const Palette& palette) {
  const v1::CostRow& total = summary.answer.total();
  const std::string success = LimitText(rules.success_percent_min);
  const std::string latency = LatencyText(rules.latency_p95_max);
  const std::string daily = FormatUsd(rules.daily_nanousd_max);
  const auto breach = [](const Finding& finding, const std::string& text) {
    return finding.broken ? text : "";
  };
  const std::vector<Line> lines = {
      {"total cost", FormatUsd(total.cost_nanousd()), ""},
      {"calls", internal::FormatCount(total.calls()), ""},
      {"failed calls", internal::FormatCount(total.failed_calls()), ""},
      {"success rate", total.calls() > 0 ? FormatPercent(total.success_rate()) : "-",
       success + " or more", breach(JudgeSuccess(summary, rules), "less than " + success)},
      {"p95 latency",
       total.has_latency_p95() ? LatencyText(internal::FromProto(total.latency_p95())) : "-",
       latency + " or less", breach(JudgeLatency(summary, rules), "more than " + latency)},
      {"top agent", AgentText(summary), ""},
      {"most expensive day", DayText(summary), daily + " or less",
       breach(JudgeDay(summary, rules), "more than " + daily)},
      {"cache savings", FormatUsd(total.cache_savings_nanousd()), ""},
  };
  return RangeLine(summary.query, summary.answer.source(), palette) + LinesText(lines, palette) +
         CostNotes(total);
}

std::string SummaryJson(const CostSummary& summary, const SummaryRules& rules, JsonForm form) {
  const Json query = JsonOf(summary.query);
  const Json answer = JsonOf(summary.answer);
  const auto field = [](const Json& of, const char* name) {
    return of.contains(name) ? of.at(name) : Json();
  };
  Json findings = Json::array();
  for (const Finding& finding :
       {JudgeSuccess(summary, rules), JudgeLatency(summary, rules), JudgeDay(summary, rules)}) {
    findings.push_back({{"name", finding.name},
                        {"limit", finding.limit},
                        {"value", finding.value},
                        {"broken", finding.broken}});
  }
  const std::string& zone = summary.query.time_zone();
  const Json document = {{"startTime", field(query, "startTime")},
                         {"endTime", field(query, "endTime")},
                         {"timeZone", zone.empty() ? "UTC" : zone},
                         {"total", field(answer, "total")},
                         {"topAgent", JsonOrNull(summary.top_agent)},
                         {"topDay", JsonOrNull(summary.top_day)},
                         {"rules", findings},
                         {"source", field(answer, "source")},
                         {"asOfTime", field(answer, "asOfTime")}};
  return document.dump(form == JsonForm::kPage ? 1 : -1) + "\n";
}

}  // namespace bursar::cli
