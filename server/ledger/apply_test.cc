#include "ledger/apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "support/memory_ledger.h"

namespace bursar::ledger {
namespace {

using bursar::testing::MemoryLedger;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kDollar = 1'000'000'000;

Budget CostBudget(const std::string& id, int64_t limit, std::vector<std::string> group_by = {},
                  WindowKind kind = WindowKind::kLifetime) {
  Budget budget{.id = id, .group_by = std::move(group_by), .limit = limit};
  budget.window.kind = kind;
  return budget;
}

class ApplyTest : public ::testing::Test {
 protected:
  CheckAnswer Check(const std::string& id, int64_t cost, const usage::Subject& subject = {}) {
    return ledger_.Run<CheckAnswer>(MemoryLedger::MakeCheck(id, subject, cost)).value();
  }
  RecordAnswer Settle(const std::string& id, const std::string& reservation, int64_t cost) {
    return ledger_.Run<RecordAnswer>(MemoryLedger::MakeRecord(id, reservation, cost)).value();
  }
  ReservationAnswer Free(const std::string& id) {
    return ledger_.Run<ReservationAnswer>(Release{id, ReservationKey("default", id)}).value();
  }
  BudgetStatus StatusOf(const std::string& budget, const usage::Subject& subject = {}) {
    const auto answer = ledger_.Run<InspectAnswer>(Inspect{subject, {}});
    for (const auto& status : answer->budgets) {
      if (status.budget_id == budget) return status;
    }
    return {};
  }
  MemoryLedger ledger_;
};

TEST_F(ApplyTest, HoldsInEveryBudgetThatAppliesOrInNone) {
  ledger_.AddBudget(CostBudget("wide", 10 * kDollar));
  ledger_.AddBudget(CostBudget("narrow", kDollar, {"user"}));
  const usage::Subject carol{.user = "carol"};
  EXPECT_EQ(Check("a", kDollar, carol).decision, Decision::kAllow);
  const CheckAnswer denied = Check("b", 1, carol);
  EXPECT_EQ(denied.decision, Decision::kDeny);
  EXPECT_EQ(denied.binding_budget, "narrow");
  EXPECT_TRUE(ledger_.changes().empty()) << "a denial writes nothing";
  EXPECT_EQ(StatusOf("wide", carol).reserved, kDollar);
  // Another user has a counter of their own; a call without a user is not counted there.
  EXPECT_EQ(Check("c", kDollar, {.user = "dave"}).decision, Decision::kAllow);
  EXPECT_EQ(Check("d", 5 * kDollar).decision, Decision::kAllow);
}

TEST_F(ApplyTest, FitsExactlyToTheLastNanoUsd) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  EXPECT_EQ(Check("a", kDollar - 1).decision, Decision::kAllow);
  EXPECT_EQ(Check("b", 2).decision, Decision::kDeny);
  EXPECT_EQ(Check("c", 1).decision, Decision::kAllow);
  EXPECT_EQ(Check("d", 1).decision, Decision::kDeny);
  EXPECT_EQ(Check("e", 0).decision, Decision::kAllow);
}

TEST_F(ApplyTest, ADenialSaysWhyAndUntilWhen) {
  ledger_.AddBudget(CostBudget("user-day", kDollar, {"user"}, WindowKind::kDay));
  const usage::Subject carol{.user = "carol"};
  Check("a", kDollar, carol);
  const CheckAnswer held = Check("b", kDollar / 2, carol);
  EXPECT_EQ(held.reason, "BUDGET_HELD");
  EXPECT_TRUE(held.held());
  Settle("u", "a", kDollar);
  const CheckAnswer exhausted = Check("c", kDollar / 2, carol);
  EXPECT_EQ(exhausted.reason, "BUDGET_EXHAUSTED");
  EXPECT_EQ(exhausted.retry_after, absl::Hours(12));
  EXPECT_EQ(
      exhausted.message,
      "The budget \"user-day\" for user carol is exhausted: it has $1.00 spent and $0.00 held of "
      "its limit of $1.00, and this call needs $0.50; its window ends at 2026-11-23 00:00:00 UTC.");
}

TEST_F(ApplyTest, TheSameIdGetsTheSameAnswerAndAnotherPayloadIsRefused) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  Check("a", kDollar / 2);
  ledger_.Advance(absl::Minutes(1));
  const CheckAnswer again = Check("a", kDollar / 2);
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.decision, Decision::kAllow);
  EXPECT_EQ(again.reservation->expire_time - again.now, absl::Minutes(4));
  EXPECT_EQ(StatusOf("b").reserved, kDollar / 2);
  const auto other = ledger_.Run<CheckAnswer>(MemoryLedger::MakeCheck("a", {}, 1));
  EXPECT_TRUE(absl::IsAlreadyExists(other.status()));
  Free("a");
  EXPECT_EQ(Check("a", kDollar / 2).reason, "RESERVATION_ENDED");
}

TEST_F(ApplyTest, TwoOfOneIdInOneBatchCountOnce) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  const std::vector<Operation> batch(3, MemoryLedger::MakeCheck("a", {}, kDollar / 2));
  const auto answers = ledger_.RunAll(batch);
  EXPECT_FALSE(std::get<CheckAnswer>(*answers[0]).replayed);
  EXPECT_TRUE(std::get<CheckAnswer>(*answers[1]).replayed);
  EXPECT_TRUE(std::get<CheckAnswer>(*answers[2]).replayed);
  EXPECT_EQ(StatusOf("b").reserved, kDollar / 2);
}

TEST_F(ApplyTest, SettlingFreesTheHoldAndChargesWhatWasUsed) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  Check("a", kDollar / 2);
  const RecordAnswer settled = Settle("u", "a", kDollar / 10);
  EXPECT_EQ(settled.released_nanousd, kDollar / 2 - kDollar / 10);
  EXPECT_EQ(settled.overrun_nanousd, 0);
  EXPECT_FALSE(settled.late);
  EXPECT_EQ(StatusOf("b").spent, kDollar / 10);
  EXPECT_EQ(StatusOf("b").reserved, 0);
  EXPECT_TRUE(Settle("u", "a", kDollar / 10).replayed);
  EXPECT_EQ(StatusOf("b").spent, kDollar / 10);
}

TEST_F(ApplyTest, AnOverrunIsRecordedInFullAndBlocksTheNextCheck) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  Check("a", kDollar / 2);
  EXPECT_EQ(Settle("u", "a", 3 * kDollar).overrun_nanousd, 3 * kDollar - kDollar / 2);
  EXPECT_EQ(StatusOf("b").remaining(), -2 * kDollar);
  EXPECT_EQ(Check("c", 0).reason, "BUDGET_EXHAUSTED");
}

TEST_F(ApplyTest, ALateSettlementStillCounts) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  Check("a", kDollar / 2);
  ledger_.Advance(absl::Minutes(6));
  EXPECT_EQ(ledger_.Run<ExpireAnswer>(Expire{{ReservationKey("default", "a")}})->expired, 1);
  EXPECT_EQ(StatusOf("b").reserved, 0);
  EXPECT_EQ(ledger_.Run<ExpireAnswer>(Expire{{ReservationKey("default", "a")}})->expired, 0);
  EXPECT_TRUE(Settle("u", "a", kDollar / 4).late);
  EXPECT_EQ(StatusOf("b").spent, kDollar / 4);
  EXPECT_TRUE(Settle("u2", "never-checked", 1).late);
}

TEST_F(ApplyTest, AnExpiryChargesWhatWasObservedAndALateSettlementCorrectsIt) {
  ledger_.AddBudget(CostBudget("b", 100 * kDollar));
  Budget calls{.id = "calls", .unit = Unit::kCalls, .limit = 10};
  ledger_.AddBudget(calls);
  Check("a", kDollar);
  const Id key = ReservationKey("default", "a");
  Extend progress{.reservation_id = "a", .key = key, .observed = usage::TokenUsage{}};
  (*progress.observed)[usage::TokenClass::kVisibleOutput] = 100'000;  // $0.20
  ASSERT_TRUE(ledger_.Run<ReservationAnswer>(progress).ok());
  ledger_.Advance(absl::Minutes(6));
  ASSERT_EQ(ledger_.Run<ExpireAnswer>(Expire{{key}})->expired, 1);
  EXPECT_EQ(StatusOf("b").spent, kDollar / 5);
  EXPECT_EQ(StatusOf("b").reserved, 0);
  EXPECT_EQ(StatusOf("calls").spent, 1);
  EXPECT_TRUE(Settle("u", "a", 7).late);
  EXPECT_EQ(StatusOf("b").spent, 7);
  EXPECT_EQ(StatusOf("calls").spent, 1) << "it was one call";
  Settle("u2", "a", 1);
  EXPECT_EQ(StatusOf("b").spent, 8) << "taken back once";
}

TEST_F(ApplyTest, AReleaseChargesWhatAStreamWasObservedToUse) {
  ledger_.AddBudget(CostBudget("b", 100 * kDollar));
  int64_t spent = 0;
  for (const std::string id : {"released", "expired"}) {
    SCOPED_TRACE(id);
    Check(id, kDollar);
    const Id key = ReservationKey("default", id);
    Extend progress{.reservation_id = id, .key = key, .observed = usage::TokenUsage{}};
    (*progress.observed)[usage::TokenClass::kVisibleOutput] = 100'000;  // $0.20
    ASSERT_TRUE(ledger_.Run<ReservationAnswer>(progress).ok());
    if (id == "expired") {
      ledger_.Advance(absl::Minutes(6));
      ASSERT_EQ(ledger_.Run<ExpireAnswer>(Expire{{key}})->expired, 1);
    }
    Free(id);
    Free(id);
    EXPECT_EQ(StatusOf("b").spent, spent + kDollar / 5) << "it was billed";
    EXPECT_EQ(StatusOf("b").reserved, 0);
    Settle("u-" + id, id, 7);
    EXPECT_EQ(StatusOf("b").spent, spent + 7) << "the settlement knows better";
    spent += 7;
  }
}

TEST_F(ApplyTest, AReleaseAfterAnExpiryLeavesOnlyWhatWasObserved) {
  ledger_.book().charge_on_expiry = true;
  ledger_.AddBudget(CostBudget("b", 100 * kDollar));
  ledger_.AddBudget(Budget{.id = "calls", .unit = Unit::kCalls, .limit = 10});
  Check("a", 10 * kDollar);
  const Id key = ReservationKey("default", "a");
  Extend progress{.reservation_id = "a", .key = key, .observed = usage::TokenUsage{}};
  (*progress.observed)[usage::TokenClass::kVisibleOutput] = 100'000;  // $0.20
  ASSERT_TRUE(ledger_.Run<ReservationAnswer>(progress).ok());
  ledger_.Advance(absl::Minutes(6));
  ASSERT_EQ(ledger_.Run<ExpireAnswer>(Expire{{key}})->expired, 1);
  EXPECT_EQ(StatusOf("b").spent, 10 * kDollar);
  Free("a");
  Free("a");
  EXPECT_EQ(StatusOf("b").spent, kDollar / 5);
  EXPECT_EQ(StatusOf("calls").spent, 1);
  Settle("u", "a", 7);
  EXPECT_EQ(StatusOf("b").spent, 7);
  EXPECT_EQ(StatusOf("calls").spent, 1);
}

TEST_F(ApplyTest, ACallThatAKeptRecordCountedIsNotCountedAgainAtTheEnd) {
  ledger_.AddBudget(CostBudget("b", 100 * kDollar));
  Check("a", kDollar);
  auto part = MemoryLedger::MakeRecord("u", "a", 5);
  part.usage.keep_reservation = true;
  MemoryLedger::Seal(part);
  ASSERT_TRUE(ledger_.Run<RecordAnswer>(part).ok());
  Extend progress{.reservation_id = "a",
                  .key = ReservationKey("default", "a"),
                  .observed = usage::TokenUsage{}};
  (*progress.observed)[usage::TokenClass::kVisibleOutput] = 100'000;
  ASSERT_TRUE(ledger_.Run<ReservationAnswer>(progress).ok());
  Free("a");
  int calls = 0;
  for (const auto& [key, stored] : ledger_.state().records) calls += stored.calls;
  EXPECT_EQ(calls, 1);
}

TEST_F(ApplyTest, ALateSettlementTellsOfNoThresholdThatWasNotReached) {
  ledger_.book().charge_on_expiry = true;
  ledger_.AddBudget(CostBudget("b", 100 * kDollar));
  Check("a", 60 * kDollar);
  ledger_.Advance(absl::Minutes(6));
  const Id key = ReservationKey("default", "a");
  ASSERT_EQ(ledger_.Run<ExpireAnswer>(Expire{{key}})->expired, 1);
  Settle("u", "a", 60 * kDollar);
  for (const CostEvent& event : ledger_.changes().events) {
    EXPECT_NE(event.kind, EventKind::kThresholdCrossed) << event.message;
  }
  Check("b", 30 * kDollar);
  std::vector<int32_t> told;
  for (const CostEvent& event : ledger_.changes().events) told.push_back(event.threshold_percent);
  EXPECT_EQ(told, (std::vector<int32_t>{75, 90}));
}

TEST_F(ApplyTest, ARaisedLimitIsToldOfAnew) {
  ledger_.AddBudget(CostBudget("b", 100 * kDollar));
  Settle("u1", "", 100 * kDollar);
  EXPECT_EQ(ledger_.changes().events.size(), 3u);
  ledger_.book().budgets[0].limit = 1000 * kDollar;
  Settle("u2", "", 100 * kDollar);
  EXPECT_TRUE(ledger_.changes().events.empty());
  Settle("u3", "", 700 * kDollar);
  EXPECT_EQ(ledger_.changes().events.size(), 2u);
}

TEST_F(ApplyTest, ChargeOnExpiryChargesTheEstimate) {
  ledger_.book().charge_on_expiry = true;
  ledger_.AddBudget(CostBudget("b", 100 * kDollar));
  Check("a", kDollar);
  ledger_.Advance(absl::Minutes(6));
  const Id key = ReservationKey("default", "a");
  ASSERT_EQ(ledger_.Run<ExpireAnswer>(Expire{{key}})->expired, 1);
  EXPECT_EQ(StatusOf("b").spent, kDollar);
  int64_t recorded = 0;
  for (const auto& [id, record] : ledger_.state().records) recorded += record.answer.cost_nanousd;
  EXPECT_EQ(recorded, kDollar) << "history says what the gate says";
}

TEST_F(ApplyTest, SettlingChargesThePinnedWindowAfterItEnded) {
  ledger_.AddBudget(CostBudget("day", kDollar, {}, WindowKind::kDay));
  ledger_.SetTime(absl::FromCivil(absl::CivilSecond(2026, 11, 22, 23, 59, 0), absl::UTCTimeZone()));
  Check("a", kDollar);
  ledger_.Advance(absl::Minutes(2));
  EXPECT_EQ(StatusOf("day").spent + StatusOf("day").reserved, 0) << "a new day has a new counter";
  const RecordAnswer settled = Settle("u", "a", kDollar);
  EXPECT_EQ(StatusOf("day").spent, 0);
  ASSERT_EQ(settled.budgets.size(), 1u);
  EXPECT_EQ(settled.budgets[0].spent, kDollar);
}

TEST_F(ApplyTest, UsageWithoutAReservationChargesWhatMatchesIt) {
  Budget team = CostBudget("team", kDollar);
  team.selector = {{"team", {"red", "blue"}, false}, {"user", {"root"}, true}};
  ledger_.AddBudget(team);
  auto record = [&](const std::string& id, usage::Subject subject) {
    auto usage = MemoryLedger::MakeRecord(id, "", 10);
    usage.usage.subject = std::move(subject);
    MemoryLedger::Seal(usage);
    return ledger_.Run<RecordAnswer>(usage).value();
  };
  EXPECT_EQ(record("1", {.team = "red", .user = "carol"}).budgets.size(), 1u);
  EXPECT_EQ(record("2", {.team = "red", .user = "root"}).budgets.size(), 0u);
  EXPECT_EQ(record("3", {.team = "green"}).budgets.size(), 0u);
  EXPECT_EQ(StatusOf("team", {.team = "blue"}).spent, 10);
}

TEST_F(ApplyTest, SubAgentsShareTheirRootsCap) {
  ledger_.AddBudget(CostBudget("run-cap", kDollar / 2, {"root_run"}));
  EXPECT_EQ(Check("a", kDollar / 2, {.run = "child", .root_run = "root"}).decision,
            Decision::kAllow);
  EXPECT_EQ(Check("b", 1, {.run = "root", .root_run = "root"}).decision, Decision::kDeny);
  EXPECT_EQ(Check("c", 9 * kDollar).decision, Decision::kAllow) << "a call without a run";
}

TEST_F(ApplyTest, OnlyHardBudgetsDeny) {
  for (Mode mode : {Mode::kSoft, Mode::kObserve}) {
    Budget budget = CostBudget(absl::StrCat("b", static_cast<int>(mode)), 1);
    budget.mode = mode;
    ledger_.AddBudget(budget);
  }
  const CheckAnswer answer = Check("a", 10);
  EXPECT_EQ(answer.decision, Decision::kAllow);
  for (const auto& status : answer.budgets) EXPECT_TRUE(status.would_deny) << status.budget_id;
}

TEST_F(ApplyTest, AFrozenBudgetDeniesEverything) {
  Budget budget = CostBudget("b", kDollar);
  budget.mode = Mode::kObserve;
  budget.frozen = true;
  ledger_.AddBudget(budget);
  EXPECT_EQ(Check("a", 0).reason, "BUDGET_FROZEN");
}

TEST_F(ApplyTest, RequireGroupDeniesACallWithoutTheDimension) {
  Budget budget = CostBudget("b", kDollar, {"user", "label:env"});
  budget.require_group = true;
  ledger_.AddBudget(budget);
  const CheckAnswer answer = Check("a", 1, {.user = "carol"});
  EXPECT_EQ(answer.reason, "SUBJECT_INCOMPLETE");
  EXPECT_THAT(answer.message, HasSubstr("label:env"));
  EXPECT_EQ(Check("b", 1, {.user = "carol", .labels = {{"env", "prod"}}}).decision,
            Decision::kAllow);
}

TEST_F(ApplyTest, AnUnknownPriceIsDeniedAndItsUsageIsUnpriced) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  auto check = MemoryLedger::MakeCheck("a", {}, 0);
  check.model.name = "released today";
  check.cost_nanousd.reset();
  check.tokens = usage::TokenUsage{};
  MemoryLedger::Seal(check);
  EXPECT_EQ(ledger_.Run<CheckAnswer>(check)->reason, "PRICE_UNKNOWN");
  auto record = MemoryLedger::MakeRecord("u", "", 0);
  record.usage.cost_nanousd.reset();
  record.usage.tokens = usage::TokenUsage{};
  record.usage.model.name = "released today";
  MemoryLedger::Seal(record);
  EXPECT_EQ(ledger_.Run<RecordAnswer>(record)->cost_basis, usage::CostBasis::kUnpriced);
}

TEST_F(ApplyTest, EstimatesWithTheModelsMaximumNeverTheWholeHeadroom) {
  ledger_.AddBudget(CostBudget("b", 100 * kDollar));
  auto check = MemoryLedger::MakeCheck("a", {}, 0);
  check.cost_nanousd.reset();
  check.tokens = usage::TokenUsage{};
  (*check.tokens)[usage::TokenClass::kUncachedInput] = 500;
  (*check.tokens)[usage::TokenClass::kVisibleOutput] = 99'999;  // ignored in a check
  MemoryLedger::Seal(check);
  const CheckAnswer answer = ledger_.Run<CheckAnswer>(check).value();
  EXPECT_EQ(answer.reservation->max_output_tokens, 1000);
  EXPECT_EQ(answer.estimated_nanousd, 500 * 1000 + 1000 * 2000);
}

TEST_F(ApplyTest, AcceptCapsGivesTheLargestOutputThatFitsEveryHardBudget) {
  ledger_.AddBudget(CostBudget("b", 1'000'000));  // 500 output tokens at 2000 nano-USD
  auto check = MemoryLedger::MakeCheck("a", {}, 0);
  check.cost_nanousd.reset();
  check.tokens = usage::TokenUsage{};
  check.accept_caps = true;
  MemoryLedger::Seal(check);
  const CheckAnswer answer = ledger_.Run<CheckAnswer>(check).value();
  EXPECT_EQ(answer.decision, Decision::kAllowWithCaps);
  EXPECT_EQ(answer.cap_max_output_tokens, 500);
  EXPECT_EQ(answer.reservation->reserved_nanousd, 1'000'000);
}

TEST_F(ApplyTest, TokenAndCallBudgetsCountInTheirUnit) {
  Budget tokens{.id = "tokens", .unit = Unit::kTokens, .limit = 1500};
  Budget calls{.id = "calls", .unit = Unit::kCalls, .limit = 2};
  ledger_.AddBudget(tokens);
  ledger_.AddBudget(calls);
  EXPECT_EQ(Check("a", 1).reason, "TOKENS_UNKNOWN");
  auto check = MemoryLedger::MakeCheck("b", {}, 1);
  check.tokens = usage::TokenUsage{};
  check.max_output_tokens = 1000;
  MemoryLedger::Seal(check);
  EXPECT_EQ(ledger_.Run<CheckAnswer>(check)->decision, Decision::kAllow);
  EXPECT_EQ(StatusOf("tokens").reserved, 1000);
  EXPECT_EQ(StatusOf("calls").reserved, 1);
  auto record = MemoryLedger::MakeRecord("u", "b", 1);
  record.usage.tokens = usage::TokenUsage{};
  (*record.usage.tokens)[usage::TokenClass::kVisibleOutput] = 10;
  MemoryLedger::Seal(record);
  ASSERT_TRUE(ledger_.Run<RecordAnswer>(record).ok());
  EXPECT_EQ(StatusOf("tokens").spent, 10);
  EXPECT_EQ(StatusOf("tokens").reserved, 0);
  EXPECT_EQ(StatusOf("calls").spent, 1);
}

TEST_F(ApplyTest, OutcomesChargeWhatTheProtoSays) {
  ledger_.AddBudget(CostBudget("b", 100 * kDollar));
  auto settle = [&](const std::string& id, usage::Outcome outcome, std::optional<int64_t> cost) {
    Check(id, kDollar);
    auto record = MemoryLedger::MakeRecord("u" + id, id, 0);
    record.usage.cost_nanousd = cost;
    record.usage.outcome = outcome;
    MemoryLedger::Seal(record);
    return ledger_.Run<RecordAnswer>(record)->cost_nanousd;
  };
  EXPECT_EQ(settle("1", usage::Outcome::kFailed, std::nullopt), 0);
  EXPECT_EQ(settle("2", usage::Outcome::kFailed, 5), 5);
  EXPECT_EQ(settle("3", usage::Outcome::kNotExecuted, 5), 0);
  EXPECT_EQ(settle("4", usage::Outcome::kUnknown, std::nullopt), kDollar);
  EXPECT_EQ(settle("5", usage::Outcome::kCancelled, std::nullopt), kDollar);
  EXPECT_EQ(settle("6", usage::Outcome::kCancelled, 7), 7);
  EXPECT_EQ(StatusOf("b").spent, 2 * kDollar + 12);
  EXPECT_EQ(StatusOf("b").reserved, 0);
}

TEST_F(ApplyTest, KeepReservationChargesSeveralRecordsOutOfOneHold) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  Check("a", 100);
  auto keep = MemoryLedger::MakeRecord("u1", "a", 30);
  keep.usage.keep_reservation = true;
  MemoryLedger::Seal(keep);
  EXPECT_EQ(ledger_.Run<RecordAnswer>(keep)->released_nanousd, 0);
  EXPECT_EQ(StatusOf("b").reserved, 70);
  EXPECT_EQ(Settle("u2", "a", 20).released_nanousd, 50);
  EXPECT_EQ(StatusOf("b").spent, 50);
  EXPECT_EQ(StatusOf("b").reserved, 0);
}

TEST_F(ApplyTest, SettlesThePreviousStepBeforeItDecides) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  Check("a", kDollar);
  auto next = MemoryLedger::MakeCheck("b", {}, kDollar / 2);
  next.settle = {MemoryLedger::MakeRecord("u", "a", kDollar / 2)};
  const CheckAnswer answer = ledger_.Run<CheckAnswer>(next).value();
  EXPECT_EQ(answer.decision, Decision::kAllow);
  ASSERT_EQ(answer.settled.size(), 1u);
  EXPECT_TRUE(answer.settled[0].ok());
  auto denied = MemoryLedger::MakeCheck("c", {}, kDollar);
  denied.settle = {MemoryLedger::MakeRecord("v", "b", 1)};
  EXPECT_EQ(ledger_.Run<CheckAnswer>(denied)->decision, Decision::kDeny);
  EXPECT_EQ(StatusOf("b").spent, kDollar / 2 + 1) << "kept although the check was denied";
}

TEST_F(ApplyTest, ADryRunHoldsNothing) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  auto check = MemoryLedger::MakeCheck("", {}, 2 * kDollar);
  check.dry_run = true;
  const CheckAnswer answer = ledger_.Run<CheckAnswer>(check).value();
  EXPECT_EQ(answer.decision, Decision::kDeny);
  EXPECT_TRUE(answer.budgets[0].would_deny);
  EXPECT_TRUE(ledger_.changes().empty());
}

TEST_F(ApplyTest, OverridesHoldForTheirGroupAndTime) {
  Budget budget = CostBudget("b", kDollar, {"user"});
  budget.overrides = {{.group = {{"user", "carol"}},
                       .limit = 3 * kDollar,
                       .expire_time = ledger_.state().now + absl::Hours(4)}};
  ledger_.AddBudget(budget);
  EXPECT_EQ(Check("a", 2 * kDollar, {.user = "carol"}).decision, Decision::kAllow);
  EXPECT_EQ(Check("b", 2 * kDollar, {.user = "dave"}).decision, Decision::kDeny);
  ledger_.Advance(absl::Hours(4));
  EXPECT_EQ(StatusOf("b", {.user = "carol"}).limit, kDollar);
}

TEST_F(ApplyTest, ExtendingGrowsOnlyWhatFitsButObservedUseCountsAnyway) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  Check("a", kDollar / 2);
  const Id key = ReservationKey("default", "a");
  auto extend = [&](int64_t hold, std::optional<int64_t> output_tokens) {
    Extend request{
        .reservation_id = "a", .key = key, .ttl = absl::Minutes(10), .hold_nanousd = hold};
    if (output_tokens) {
      request.observed = usage::TokenUsage{};
      (*request.observed)[usage::TokenClass::kVisibleOutput] = *output_tokens;
    }
    return ledger_.Run<ReservationAnswer>(request).value();
  };
  EXPECT_EQ(extend(kDollar, {}).decision, Decision::kAllow);
  EXPECT_EQ(extend(kDollar, {}).decision, Decision::kAllow);
  EXPECT_EQ(StatusOf("b").reserved, kDollar) << "asking twice holds once";
  EXPECT_EQ(extend(2 * kDollar, {}).reason, "BUDGET_EXHAUSTED");
  EXPECT_EQ(StatusOf("b").reserved, kDollar);
  EXPECT_EQ(extend(0, 1'000'000).decision, Decision::kDeny) << "2 USD were used";
  EXPECT_EQ(StatusOf("b").reserved, 2 * kDollar);
  EXPECT_EQ(extend(0, {}).reservation.observed_nanousd, 2 * kDollar);
}

TEST_F(ApplyTest, ADeletedBudgetStillGetsWhatWasPinnedToIt) {
  ledger_.AddBudget(CostBudget("b", kDollar));
  Check("a", kDollar / 2);
  const Id counter = ledger_.state().reservations.begin()->second->holds[0].counter;
  ledger_.book().budgets.clear();
  EXPECT_TRUE(Settle("u", "a", 7).budgets.empty());
  EXPECT_EQ(ledger_.state().counters.at(counter).spent, 7);
  EXPECT_EQ(ledger_.state().counters.at(counter).reserved, 0);
}

TEST_F(ApplyTest, WhatIsOlderThanTheHorizonIsOutOfRange) {
  auto record = MemoryLedger::MakeRecord("u", "", 1);
  record.usage.occur_time = ledger_.state().now - absl::Hours(24 * 46);
  MemoryLedger::Seal(record);
  EXPECT_TRUE(absl::IsOutOfRange(ledger_.Run<RecordAnswer>(record).status()));
}

TEST_F(ApplyTest, ACounterThatWouldLeaveInt64IsLeftAsItWas) {
  ledger_.AddBudget(CostBudget("b", std::numeric_limits<int64_t>::max()));
  ASSERT_EQ(Check("a", 1).decision, Decision::kAllow);
  ledger_.state().counters.begin()->second.spent = std::numeric_limits<int64_t>::max() - 10;
  const auto record = ledger_.Run<RecordAnswer>(MemoryLedger::MakeRecord("u", "a", 100));
  EXPECT_TRUE(absl::IsOutOfRange(record.status()));
  EXPECT_EQ(StatusOf("b").reserved, 1);
}

TEST_F(ApplyTest, ThresholdsAreReportedAtTheirPercent) {
  ledger_.AddBudget(CostBudget("b", 100));
  EXPECT_EQ(Check("a", 74).budgets[0].crossed_threshold_percent, 0);
  EXPECT_EQ(Check("b", 1).budgets[0].crossed_threshold_percent, 75);
  EXPECT_EQ(Check("c", 15).budgets[0].crossed_threshold_percent, 90);
  EXPECT_EQ(Check("d", 10).budgets[0].crossed_threshold_percent, 100);
}

TEST(Apply, SaysWhichCountersItLacksInsteadOfGuessing) {
  MemoryLedger ledger;
  ledger.AddBudget(CostBudget("b", 100));
  ledger.state().locked.clear();
  const Operation check = MemoryLedger::MakeCheck("a", {}, 1);
  const Applied applied = Apply(ledger.state(), {&check, 1});
  EXPECT_THAT(applied.missing, SizeIs(Ge(1)));
}

}  // namespace
}  // namespace bursar::ledger
