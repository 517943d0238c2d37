#include "cli/render.h"

#include <bursar/money.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "cli/period.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using internal::FormatCount;
using internal::FormatDuration;

constexpr double kWarningFraction = 0.75;
constexpr double kAlarmFraction = 0.90;

std::string LatencyText(std::chrono::nanoseconds latency) {
  return latency.count() == 0 ? "-" : FormatDuration(latency);
}

void AddCostRow(const CostRow& row, std::vector<std::string> cells, Emphasis emphasis,
                Table* table) {
  const bool any = row.calls > 0;
  cells.insert(cells.end(),
               {FormatCount(row.calls), FormatCount(row.failed_calls),
                any ? FormatPercent(row.success_rate) : "-", FormatCount(InputTokens(row.tokens)),
                FormatCount(OutputTokens(row.tokens)), LatencyText(row.latency_p50),
                LatencyText(row.latency_p95), FormatUsd(row.cost_nanousd)});
  table->AddRow(std::move(cells), emphasis);
}

std::string BucketText(const CostRow& row, absl::TimeZone zone) {
  return row.bucket_start_time ? FormatMinute(absl::FromChrono(*row.bucket_start_time), zone) : "";
}

}  // namespace

int64_t InputTokens(const TokenUsage& t) {
  return t.uncached_input_tokens + t.cache_read_tokens + t.cache_write_5m_tokens +
         t.cache_write_1h_tokens + t.input_audio_tokens + t.input_image_tokens;
}

int64_t OutputTokens(const TokenUsage& t) {
  return t.visible_output_tokens + t.reasoning_tokens + t.output_audio_tokens +
         t.output_image_tokens;
}

Emphasis EmphasisOf(const BudgetStatus& status) {
  if (status.would_deny || status.used_fraction >= kAlarmFraction) return Emphasis::kAlarm;
  if (status.used_fraction >= kWarningFraction) return Emphasis::kWarning;
  return Emphasis::kNone;
}

std::string MarkOf(const BudgetStatus& status) {
  if (status.would_deny) return "x";
  if (status.used_fraction >= kAlarmFraction) return "!!";
  return status.used_fraction >= kWarningFraction ? "!" : "";
}

std::string FormatAmount(Unit unit, int64_t amount) {
  if (unit == Unit::kTokens) return FormatCount(amount) + " tokens";
  if (unit == Unit::kCalls) return FormatCount(amount) + " calls";
  return FormatUsd(amount);
}

std::string BudgetId(const std::string& name) {
  constexpr std::string_view kPrefix = "budgets/";
  return name.rfind(kPrefix, 0) == 0 ? name.substr(kPrefix.size()) : name;
}

std::string BudgetName(const std::string& id) { return "budgets/" + BudgetId(id); }

std::string FormatGroup(const std::map<std::string, std::string>& group) {
  std::string text;
  for (const auto& [dimension, value] : group) {
    text += (text.empty() ? "" : ", ") + dimension + "=" + value;
  }
  return text;
}

std::string FormatPercent(double fraction) {
  // A hair is added before cutting off, since 0.29 * 1000 is 289.99999999999994.
  const auto tenths = static_cast<long long>(fraction * 1000 + 1e-6);
  char text[48];
  std::snprintf(text, sizeof text, "%lld.%lld %%", tenths / 10, std::abs(tenths % 10));
  return text;
}

Table BudgetStatusTable(std::vector<BudgetStatus> statuses) {
  std::stable_sort(statuses.begin(), statuses.end(),
                   [](const auto& a, const auto& b) { return a.used_fraction > b.used_fraction; });
  Table table({{""},
               {"BUDGET"},
               {"GROUP"},
               {"USED", Align::kRight},
               {"SPENT", Align::kPoint},
               {"HELD", Align::kPoint},
               {"LEFT", Align::kPoint},
               {"LIMIT", Align::kPoint},
               {"WINDOW ENDS"}});
  for (const BudgetStatus& s : statuses) {
    const std::string mark = MarkOf(s);
    const std::string end =
        s.window_end_time ? FormatMinute(absl::FromChrono(*s.window_end_time), absl::UTCTimeZone())
                          : "never";
    table.AddRow({mark, BudgetId(s.budget), FormatGroup(s.group), FormatPercent(s.used_fraction),
                  FormatAmount(s.unit, s.spent), FormatAmount(s.unit, s.reserved),
                  FormatAmount(s.unit, s.remaining), FormatAmount(s.unit, s.limit), end},
                 EmphasisOf(s));
  }
  return table;
}

Table CostTable(const CostReport& report, const std::vector<std::string>& group_by, bool bucketed,
                absl::TimeZone zone) {
  std::vector<Column> columns;
  if (bucketed) columns.push_back({"FROM"});
  for (const std::string& dimension : group_by) {
    columns.push_back({absl::AsciiStrToUpper(dimension)});
  }
  if (columns.empty()) columns.push_back({""});
  const size_t key_columns = columns.size();
  for (const char* title : {"CALLS", "FAILED", "SUCCESS", "INPUT", "OUTPUT", "P50", "P95"}) {
    columns.push_back({title, Align::kRight});
  }
  columns.push_back({"COST", Align::kPoint});

  Table table(std::move(columns));
  const bool keyed = bucketed || !group_by.empty();
  for (const CostRow& row : report.rows) {
    if (!keyed) break;  // the only row is the total
    std::vector<std::string> cells;
    if (bucketed) cells.push_back(BucketText(row, zone));
    for (const std::string& dimension : group_by) {
      const auto value = row.group.find(dimension);
      const bool known = value != row.group.end() && !value->second.empty();
      cells.push_back(known ? value->second : "(none)");
    }
    AddCostRow(row, std::move(cells), Emphasis::kNone, &table);
  }
  std::vector<std::string> cells(key_columns);
  cells[0] = "total";
  AddCostRow(report.total, std::move(cells), Emphasis::kTotal, &table);
  return table;
}

}  // namespace bursar::cli
