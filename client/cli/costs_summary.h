#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/command.h"

// The few figures of a period that people ask for first, and which of them are out of bounds.
namespace bursar::cli {

// What is fine. A rule that nothing can be held against, as without calls, is not broken.
struct SummaryRules {
  double success_percent_min = 90;
  std::chrono::nanoseconds latency_p95_max = std::chrono::seconds(3);
  int64_t daily_nanousd_max = 10'000'000'000;  // of each day of the time zone that was asked for
};

struct CostSummary {
  v1::QueryCostsRequest query;
  v1::QueryCostsResponse answer;         // its total is that of the period
  std::optional<v1::CostRow> top_agent;  // which cost most; none where nothing cost anything
  std::optional<v1::CostRow> top_day;
};

// Asks twice: by day and by agent. `query` has neither buckets nor groups. Errors: those of
// QueryCosts.
StatusOr<CostSummary> AskSummary(Server& server, const v1::QueryCostsRequest& query);

// Both end with a line break.
std::string SummaryText(const CostSummary& summary, const SummaryRules& rules,
                        const Palette& palette);
std::string SummaryJson(const CostSummary& summary, const SummaryRules& rules, JsonForm form);

}  // namespace bursar::cli
