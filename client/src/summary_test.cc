#include <bursar/summary.h>
#include <gtest/gtest.h>

namespace bursar {
namespace {

RecordResponse Sample() {
  RecordResponse response;
  response.model = {.provider = "openai", .name = "gpt-4o"};
  response.tokens = {.uncached_input_tokens = 4'000,
                     .cache_read_tokens = 808,
                     .visible_output_tokens = 7,
                     .reasoning_tokens = 3};
  response.cost_nanousd = 12'120'000;
  response.cost_basis = CostBasis::kPriced;
  response.latency = std::chrono::milliseconds(850);
  BudgetStatus month{.budget = "budgets/fleet-month",
                     .limit = 100'000'000'000,
                     .remaining = 90'000'000'000,
                     .used_fraction = 0.1};
  BudgetStatus run{.budget = "budgets/run-cap",
                   .limit = 500'000'000,
                   .remaining = 310'000'000,
                   .used_fraction = 0.38};
  response.budgets = {month, run};
  return response;
}

TEST(FormatSummary, SaysModelTokensCostLatencyAndTheFullestBudget) {
  EXPECT_EQ(
      FormatSummary(Sample()),
      "openai/gpt-4o | 4,808 in, 10 out | $0.01212 | 850 ms | $0.31 of $0.50 left in run-cap");
}

TEST(FormatSummary, SaysWhatWentWrongAndHowSureTheCostIs) {
  RecordResponse response = Sample();
  response.outcome = Outcome::kFailed;
  response.cost_basis = CostBasis::kUnpriced;
  response.cost_nanousd = 0;
  response.guardrail_hits.resize(2);
  response.budgets.clear();
  EXPECT_EQ(FormatSummary(response),
            "openai/gpt-4o | 4,808 in, 10 out | $0.00 (unpriced) | 850 ms | FAILED | "
            "2 guardrail hits");
}

TEST(FormatSummary, ShowsOnlyTheFieldsAskedForInTheirOrder) {
  EXPECT_EQ(FormatSummary(Sample(), {SummaryField::kCost, SummaryField::kModel}),
            "$0.01212 | openai/gpt-4o");
}

TEST(FormatSummary, CountsTokensAndCallsInTheirOwnUnit) {
  RecordResponse response = Sample();
  response.budgets = {{.budget = "budgets/calls",
                       .unit = Unit::kCalls,
                       .limit = 1'000,
                       .remaining = -2,
                       .used_fraction = 1.002}};
  EXPECT_EQ(FormatSummary(response, {SummaryField::kBudgetLeft}),
            "-2 calls of 1,000 calls left in calls");
}

}  // namespace
}  // namespace bursar
