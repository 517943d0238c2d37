#include "cli/costs_text.h"

#include <bursar/money.h>

#include <algorithm>
#include <vector>

#include "cli/pages.h"
#include "cli/period.h"
#include "cli/render.h"
#include "src/convert_requests.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

// Fewer cannot be told apart; more say nothing more.
constexpr size_t kBarColumnsMin = 4;
constexpr size_t kBarColumnsMax = 30;
constexpr size_t kBetweenColumns = 2;

std::string CacheNote(int64_t savings_nanousd) {
  if (savings_nanousd == 0) return {};
  if (savings_nanousd > 0) return FormatUsd(savings_nanousd) + " was saved by reading caches\n";
  return "reading caches cost " + FormatUsd(-savings_nanousd) + " more than it saved\n";
}

// Adds the bars of the rows; returns what there is to say about it.
std::string AddBars(const CostReport& report, const BarPlace& place, Table* table) {
  size_t columns = kBarColumnsMax;
  if (place.line_columns) {
    const size_t taken = table->Width() + kBetweenColumns;
    if (taken + kBarColumnsMin > *place.line_columns) {
      if (!place.asked) return {};
      return "no room for bars: a terminal of " + std::to_string(taken + kBarColumnsMin) +
             " columns would have it\n";
    }
    columns = std::min(columns, *place.line_columns - taken);
  }
  std::vector<int64_t> costs;
  for (const CostRow& row : report.rows) costs.push_back(row.cost_nanousd);
  table->AddColumn({""}, Bars(costs, columns, place.signs));
  return {};
}

}  // namespace

std::string RangeLine(const v1::QueryCostsRequest& query, const std::string& source,
                      const Palette& palette) {
  const auto zone = LoadZone(query.time_zone());
  const auto time = [&](const google::protobuf::Timestamp& t) {
    return FormatMinute(TimeOf(t), *zone);
  };
  return palette.Dim("from " + time(query.start_time()) + " to " +
                     (query.has_end_time() ? time(query.end_time()) : "now") +
                     (source.empty() ? "" : "; source " + source)) +
         "\n";
}

std::string CostNotes(const v1::CostRow& total) {
  std::string text;
  if (total.unpriced_calls() > 0) {
    text += internal::FormatCount(total.unpriced_calls()) +
            " calls had no known price and count as $0.00\n";
  }
  if (total.estimated_nanousd() != 0) {
    text += FormatUsd(total.estimated_nanousd()) + " of it is not priced usage\n";
  }
  return text;
}

std::string CostsText(const v1::QueryCostsRequest& query, const v1::QueryCostsResponse& response,
                      const std::optional<BarPlace>& bars, const Palette& palette) {
  const auto zone = LoadZone(query.time_zone());
  const CostReport report = internal::FromProto(response);
  const std::vector<std::string> group_by(query.group_by().begin(), query.group_by().end());
  const bool bucketed = query.bucket() != v1::QueryCostsRequest::BUCKET_UNSPECIFIED;
  Table table = CostTable(report, group_by, bucketed, *zone);
  std::string about_bars;
  const bool only_total = group_by.empty() && !bucketed;
  if (bars && !only_total) about_bars = AddBars(report, *bars, &table);
  std::string text = RangeLine(query, response.source(), palette) + table.Render(palette);
  text += CostNotes(response.total()) + CacheNote(response.total().cache_savings_nanousd());
  if (!report.next_page_token.empty()) text += kMoreRows;
  return text + about_bars;
}

}  // namespace bursar::cli
