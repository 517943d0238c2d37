#include "ledger/denial_tally.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace bursar::ledger {
namespace {

const absl::Time kNoon = absl::FromUnixSeconds(1'800'000'000);

Check CheckNamed(const std::string& id) { return Check{.request_id = id}; }

CheckAnswer DeniedBy(uint64_t counter, const std::string& reason = "BUDGET_EXHAUSTED") {
  CheckAnswer answer{.reason = reason};
  answer.binding_budget = absl::StrCat("b-", counter);
  answer.budgets = {BudgetStatus{.budget_id = "other"},
                    BudgetStatus{.budget_id = answer.binding_budget, .limit = 7}};
  answer.denied_by = Id{counter, 0};
  answer.denied_amount = 9;
  return answer;
}

TEST(DenialTally, TellsOfTheFirstAtOnceAndOfTheOthersTogether) {
  DenialTally tally;
  EXPECT_EQ(tally.next_due(), absl::InfiniteFuture());
  tally.Add(CheckNamed("first"), DeniedBy(1), kNoon);
  EXPECT_EQ(tally.next_due(), kNoon);
  const auto first = tally.TakeDue(kNoon);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].request_id, "first");
  EXPECT_EQ(first[0].count, 1);
  EXPECT_EQ(first[0].amount, 9);
  EXPECT_EQ(first[0].status->limit, 7);
  for (int i = 0; i < 5; ++i) {
    tally.Add(CheckNamed(absl::StrCat("later-", i)), DeniedBy(1), kNoon + absl::Seconds(i));
  }
  EXPECT_TRUE(tally.TakeDue(kNoon + absl::Seconds(5)).empty());
  EXPECT_EQ(tally.next_due(), kNoon + absl::Seconds(10));
  const auto later = tally.TakeDue(kNoon + absl::Seconds(10));
  ASSERT_EQ(later.size(), 1u);
  EXPECT_EQ(later[0].request_id, "later-0");
  EXPECT_EQ(later[0].count, 5);
  EXPECT_TRUE(tally.TakeAll().empty());
}

TEST(DenialTally, KeepsCountersAndReasonsApart) {
  DenialTally tally;
  tally.Add(CheckNamed("a"), DeniedBy(1), kNoon);
  tally.Add(CheckNamed("b"), DeniedBy(1, "BUDGET_FROZEN"), kNoon);
  tally.Add(CheckNamed("c"), DeniedBy(2), kNoon);
  EXPECT_EQ(tally.TakeDue(kNoon).size(), 3u);
}

TEST(DenialTally, TellsOfABoundedNumberASecondAndLosesNone) {
  DenialTally tally;
  int64_t told = 0;
  for (uint64_t i = 1; i <= 900; ++i) tally.Add(CheckNamed("x"), DeniedBy(i), kNoon);
  for (int turn = 0; turn < 3; ++turn) {
    const absl::Time now = kNoon + turn * absl::Seconds(1);
    EXPECT_EQ(tally.next_due(), now);
    const auto due = tally.TakeDue(now);
    EXPECT_TRUE(tally.TakeDue(now).empty());
    EXPECT_EQ(due.size(), 64u);
    for (const CostEvent& event : due) told += event.count;
  }
  for (const CostEvent& event : tally.TakeAll()) told += event.count;
  EXPECT_EQ(told, 900);
}

TEST(DenialTally, CountsByReasonAloneWhatItCannotKeepApart) {
  DenialTally tally;
  for (uint64_t i = 1; i <= 50'000; ++i) tally.Add(CheckNamed("x"), DeniedBy(i), kNoon);
  int64_t told = 0, without_counter = 0;
  const auto all = tally.TakeAll();
  for (const CostEvent& event : all) {
    told += event.count;
    if (!event.counter) without_counter += event.count;
  }
  EXPECT_EQ(told, 50'000);
  EXPECT_EQ(without_counter, 49'000);
  EXPECT_EQ(all.size(), 1001u);
}

TEST(DenialTally, ForgetsOnlyWhatItHasToldOf) {
  DenialTally tally;
  for (uint64_t i = 1; i <= 1000; ++i) tally.Add(CheckNamed("old"), DeniedBy(i), kNoon);
  int64_t told = static_cast<int64_t>(tally.TakeDue(kNoon).size());
  tally.Add(CheckNamed("new"), DeniedBy(1001), kNoon);
  bool apart = false;
  for (const CostEvent& event : tally.TakeAll()) {
    told += event.count;
    apart |= event.request_id == "new" && event.counter.has_value();
  }
  EXPECT_EQ(told, 1001);
  EXPECT_TRUE(apart) << "there was room again";
}

}  // namespace
}  // namespace bursar::ledger
