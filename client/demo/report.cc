#include "demo/report.h"

#include <bursar/money.h>

#include "cli/render.h"
#include "src/text.h"

namespace bursar::demo {
namespace {

using internal::FormatCount;

std::string DenialText(const Tally& tally) {
  std::string text;
  for (const auto& [budget, count] : tally.denials()) {
    text += (text.empty() ? "" : ", ") + FormatCount(count) + " by " +
            (budget.empty() ? "no budget" : budget);
  }
  return text.empty() ? "none" : text;
}

Status PrintCosts(const Client& client, const std::string& dimension, Timestamp start,
                  Screen* screen) {
  const auto report = client.QueryCosts({.start_time = start, .group_by = {dimension}});
  if (!report.ok()) return report.status();
  screen->Print(
      "\n" + screen->palette().Bold("Costs by " + dimension) + "\n" +
      cli::CostTable(*report, {dimension}, false, absl::UTCTimeZone()).Render(screen->palette()));
  return {};
}

}  // namespace

Status PrintReport(const Client& client, const Tally& tally, Timestamp start, Screen* screen) {
  screen->Print("\n" + FormatCount(tally.warnings()) +
                " warnings (a counter's 75 % or 90 %); denied: " + DenialText(tally));
  for (const char* dimension : {"model", "agent"}) {
    if (Status status = PrintCosts(client, dimension, start, screen); !status.ok()) return status;
  }
  const Subject top = tally.top_subject();
  const auto statuses = client.BudgetStatuses({.subject = top});
  if (!statuses.ok()) return statuses.status();
  screen->Print("\n" +
                screen->palette().Bold("Budgets of " + top.user +
                                       ", who spent most, with their biggest run") +
                "\n" + cli::BudgetStatusTable(*statuses).Render(screen->palette()));
  return {};
}

std::vector<std::string> Differences(const Tally::Sums& own, const CostRow& total,
                                     const SqlSums& sql) {
  std::vector<std::string> differences;
  const auto usd = [&](const std::string& name, int64_t nanousd) {
    if (nanousd == own.cost_nanousd) return;
    differences.push_back(name + " " + FormatUsd(nanousd) + " is not the demo's " +
                          FormatUsd(own.cost_nanousd));
  };
  const auto count = [&](const std::string& name, int64_t records) {
    if (records == own.records) return;
    differences.push_back(name + " " + FormatCount(records) + " records are not the demo's " +
                          FormatCount(own.records));
  };
  usd("QueryCosts'", total.cost_nanousd);
  count("QueryCosts'", total.calls);
  usd("SQL's", sql.cost_nanousd);
  count("SQL's", sql.records);
  for (const SqlSums::BudgetSum& budget : sql.budgets) {
    // Every call of the demo has a run and a user, so each budget counts all of them.
    usd("the sum of the counters of " + budget.id, budget.spent_nanousd);
    if (budget.reserved_nanousd == 0) continue;
    differences.push_back(budget.id + " still holds " + FormatUsd(budget.reserved_nanousd) +
                          " though every call was settled");
  }
  return differences;
}

Status ProveSums(const Client& client, const Tally& tally, Timestamp start,
                 const std::string& database_url, Screen* screen) {
  const auto report = client.QueryCosts({.start_time = start});
  if (!report.ok()) return report.status();
  const auto sql = ReadSqlSums(database_url);
  if (!sql.ok()) return sql.status();
  const Tally::Sums own = tally.sums();
  const std::vector<std::string> differences = Differences(own, report->total, *sql);
  if (differences.empty()) {
    screen->Print(screen->palette().Green("sums agree") + ": demo " + FormatUsd(own.cost_nanousd) +
                  " = QueryCosts " + FormatUsd(report->total.cost_nanousd) + " = SQL " +
                  FormatUsd(sql->cost_nanousd) + " (" + FormatCount(sql->records) +
                  " records); each of the " + std::to_string(sql->budgets.size()) +
                  " budgets' counters add up to it, and nothing is held");
    return {};
  }
  std::string text = "the sums differ:";
  for (const std::string& difference : differences) text += "\n  " + difference;
  return {StatusCode::kDataLoss, text};
}

}  // namespace bursar::demo
