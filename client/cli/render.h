#pragma once

#include <bursar/requests.h>
#include <bursar/types.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/table.h"

// What people see of budgets and costs; the command and the demo show the same tables.
namespace bursar::cli {

// In the unit of a budget: "$0.50", "1,200 tokens", "30 calls".
std::string FormatAmount(Unit unit, int64_t amount);

// "run-cap" of "budgets/run-cap".
std::string BudgetId(const std::string& name);
// "budgets/run-cap" of "run-cap"; a full name stays as it is.
std::string BudgetName(const std::string& id);

// "user=carol, run=r-1" of a counter's group.
std::string FormatGroup(const std::map<std::string, std::string>& group);

// "42.3 %", cut off, so that only a full budget reads 100.
std::string FormatPercent(double fraction);

// All classes that go in, or come out.
int64_t InputTokens(const TokenUsage& tokens);
int64_t OutputTokens(const TokenUsage& tokens);

// "!" from 75 % on, "!!" from 90 % on, "x" of a budget that denies a check.
std::string MarkOf(const BudgetStatus& status);
Emphasis EmphasisOf(const BudgetStatus& status);

// Fullest first, each with its mark.
Table BudgetStatusTable(std::vector<BudgetStatus> statuses);

// A column for the bucket, if there is one, and for each of `group_by`; the total last.
Table CostTable(const CostReport& report, const std::vector<std::string>& group_by, bool bucketed,
                absl::TimeZone zone);

}  // namespace bursar::cli
