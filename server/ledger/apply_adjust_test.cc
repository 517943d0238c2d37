#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/str_cat.h"
#include "ledger/apply.h"
#include "support/memory_ledger.h"
#include "usage/limits.h"

namespace bursar::ledger {
namespace {

using bursar::testing::MemoryLedger;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kDollar = 1'000'000'000;

Adjust MakeAdjust(const std::string& id, const std::string& usage_id) {
  return {.adjustment_id = id,
          .key = UsageKey("default", absl::StrCat(usage::kAdjustmentIdPrefix, id)),
          .usage_id = usage_id,
          .target = UsageKey("default", usage_id)};
}

Adjust ToCost(const std::string& id, const std::string& usage_id, int64_t cost_nanousd) {
  Adjust adjust = MakeAdjust(id, usage_id);
  adjust.cost_nanousd = cost_nanousd;
  adjust.fingerprint = FingerprintOf(adjust);
  return adjust;
}

// The model of MemoryLedger costs one dollar for a million tokens in, and two for a million out.
Adjust ToTokens(const std::string& id, const std::string& usage_id, int64_t in, int64_t out) {
  Adjust adjust = MakeAdjust(id, usage_id);
  adjust.tokens.emplace();
  (*adjust.tokens)[usage::TokenClass::kUncachedInput] = in;
  (*adjust.tokens)[usage::TokenClass::kVisibleOutput] = out;
  adjust.fingerprint = FingerprintOf(adjust);
  return adjust;
}

class ApplyAdjustTest : public ::testing::Test {
 protected:
  void SetUp() override {
    AddBudget("money", Unit::kCost, kDollar);
    AddBudget("tokens", Unit::kTokens, 1'000'000);
    AddBudget("calls", Unit::kCalls, 100);
  }
  void AddBudget(const std::string& id, Unit unit, int64_t limit) {
    Budget budget{.id = id, .unit = unit, .limit = limit};
    budget.window.kind = WindowKind::kLifetime;
    ledger_.AddBudget(std::move(budget));
  }
  RecordAnswer Use(const std::string& id, int64_t cost_nanousd,
                   const std::string& reservation = "") {
    Record record = MemoryLedger::MakeRecord(id, reservation, cost_nanousd);
    record.usage.model = {.provider = "p", .name = "m"};
    MemoryLedger::Seal(record);
    return ledger_.Run<RecordAnswer>(record).value();
  }
  int64_t Correct(const Adjust& adjust) {
    const auto answer = ledger_.Run<AdjustAnswer>(adjust);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? answer->delta_nanousd : 0;
  }
  // "money tokens calls", as spent.
  std::string Spent() {
    const auto answer = ledger_.Run<InspectAnswer>(Inspect{});
    std::string spent;
    for (const auto& status : answer->budgets) {
      EXPECT_EQ(status.reserved, 0) << status.budget_id;
      absl::StrAppend(&spent, spent.empty() ? "" : " ", status.spent);
    }
    return spent;
  }

  MemoryLedger ledger_;
};

TEST_F(ApplyAdjustTest, MovesWhatWasSpentByTheDifferenceUpAndDown) {
  Use("u", 100);
  EXPECT_EQ(Spent(), "100 0 1");
  EXPECT_EQ(Correct(ToCost("1", "u", 250)), 150);
  EXPECT_EQ(Spent(), "250 0 1");
  EXPECT_EQ(Correct(ToCost("2", "u", 40)), -210);
  EXPECT_EQ(Spent(), "40 0 1");
  EXPECT_EQ(Correct(ToCost("3", "u", 0)), -40) << "a full refund";
  EXPECT_EQ(Spent(), "0 0 1") << "the call was made all the same";
}

TEST_F(ApplyAdjustTest, IsARecordOfItsOwnThatSaysTheDifference) {
  Record record = MemoryLedger::MakeRecord("u", "", 100);
  record.usage.subject = {.project = "p", .user = "carol", .labels = {{"env", "prod"}}};
  record.usage.outcome = usage::Outcome::kFailed;
  record.usage.step = "plan";
  record.usage.attempt = 3;
  record.usage.latency = absl::Seconds(2);
  record.usage.error.type = "Timeout";
  MemoryLedger::Seal(record);
  ASSERT_TRUE(ledger_.Run<RecordAnswer>(record).ok());
  const absl::Time recorded = ledger_.state().now;
  ledger_.Advance(absl::Hours(30));
  Adjust adjust = ToCost("bill", "u", 70);
  adjust.reason = "invoice 17";
  ASSERT_TRUE(ledger_.Run<AdjustAnswer>(adjust).ok());
  ASSERT_THAT(ledger_.changes().records, SizeIs(1));
  const StoredRecord& row = ledger_.state().records.at(ledger_.changes().records[0]);
  EXPECT_EQ(row.record.key, UsageKey("default", "adjustment:bill"));
  EXPECT_EQ(row.record.usage.usage_id, "adjustment:bill");
  EXPECT_EQ(row.adjusts, UsageKey("default", "u"));
  EXPECT_EQ(row.adjust_reason, "invoice 17");
  EXPECT_EQ(row.charge_time, recorded) << "it counts when the record does";
  EXPECT_EQ(row.calls, 0);
  EXPECT_EQ(row.answer.cost_nanousd, -30);
  EXPECT_EQ(row.answer.cost_basis, usage::CostBasis::kAdjusted);
  EXPECT_EQ(row.record.usage.subject, record.usage.subject);
  EXPECT_EQ(row.record.usage.outcome, usage::Outcome::kFailed);
  EXPECT_EQ(row.record.usage.step, "plan");
  EXPECT_EQ(row.record.usage.error.type, "Timeout");
  EXPECT_EQ(row.record.usage.attempt, 1) << "it is no try of the call";
  EXPECT_EQ(row.record.usage.latency, std::nullopt);
  EXPECT_EQ(ledger_.state().records.at(UsageKey("default", "u")).answer.cost_nanousd, 100)
      << "records are never changed";
}

TEST_F(ApplyAdjustTest, TokensArePricedAndCountedAsTheRecordsOwnWouldHaveBeen) {
  Use("u", 100);
  EXPECT_EQ(Correct(ToTokens("1", "u", 1000, 500)), 2'000'000 - 100);
  EXPECT_EQ(Spent(), "2000000 1500 1");
  EXPECT_EQ(Correct(ToTokens("2", "u", 10, 0)), 10'000 - 2'000'000);
  EXPECT_EQ(Spent(), "10000 10 1");
  const StoredRecord& row = ledger_.state().records.at(UsageKey("default", "adjustment:2"));
  EXPECT_EQ(row.answer.tokens[usage::TokenClass::kUncachedInput], -990);
  EXPECT_EQ(row.answer.tokens[usage::TokenClass::kVisibleOutput], -500);
  EXPECT_EQ(row.priced_as, "p/m");
  EXPECT_EQ(Correct(ToCost("3", "u", 7)), 7 - 10'000);
  EXPECT_EQ(Spent(), "7 10 1") << "a cost alone says nothing of tokens";
}

TEST_F(ApplyAdjustTest, MakesTheEstimateOfAnUnknownCallTrue) {
  Check check = MemoryLedger::MakeCheck("c", {}, 0);
  check.cost_nanousd.reset();
  check.max_output_tokens = 400;
  check.tokens.emplace();
  (*check.tokens)[usage::TokenClass::kUncachedInput] = 200;
  MemoryLedger::Seal(check);
  ASSERT_EQ(ledger_.Run<CheckAnswer>(check)->decision, Decision::kAllow);
  Record record = MemoryLedger::MakeRecord("u", "c", 0);
  record.usage.cost_nanousd.reset();
  record.usage.outcome = usage::Outcome::kUnknown;
  MemoryLedger::Seal(record);
  ASSERT_TRUE(ledger_.Run<RecordAnswer>(record).ok());
  EXPECT_EQ(Spent(), "1000000 600 1") << "the estimate; nobody counted the tokens";
  EXPECT_EQ(Correct(ToTokens("1", "u", 200, 50)), 300'000 - 1'000'000);
  EXPECT_EQ(Spent(), "300000 250 1");
}

TEST_F(ApplyAdjustTest, ARepeatGetsTheFirstAnswerAndAnotherPayloadChangesNothing) {
  Use("u", 100);
  Use("v", 100);
  EXPECT_EQ(Correct(ToCost("1", "u", 250)), 150);
  EXPECT_EQ(Correct(ToCost("2", "u", 300)), 50);
  EXPECT_EQ(Correct(ToCost("1", "u", 250)), 150) << "although it stands at 300 now";
  EXPECT_TRUE(ledger_.changes().empty());
  Adjust other_reason = ToCost("1", "u", 250);
  other_reason.reason = "because";
  other_reason.fingerprint = FingerprintOf(other_reason);
  for (const Adjust& other :
       {ToCost("1", "u", 251), ToCost("1", "v", 250), ToTokens("1", "u", 1, 1), other_reason}) {
    const auto answer = ledger_.Run<AdjustAnswer>(other);
    EXPECT_TRUE(absl::IsAlreadyExists(answer.status())) << answer.status();
    EXPECT_THAT(answer.status().message(), HasSubstr("adjustment_id \"1\""));
  }
  EXPECT_EQ(Spent(), "400 0 2");
}

TEST_F(ApplyAdjustTest, SeesWhatItsOwnBatchDidBefore) {
  const std::vector<Operation> batch = {MemoryLedger::MakeRecord("u", "", 100),
                                        ToCost("1", "u", 60), ToCost("2", "u", 90),
                                        ToCost("1", "u", 60)};
  const auto answers = ledger_.RunAll(batch);
  EXPECT_EQ(std::get<AdjustAnswer>(*answers[1]).delta_nanousd, -40);
  EXPECT_EQ(std::get<AdjustAnswer>(*answers[2]).delta_nanousd, 30);
  EXPECT_EQ(std::get<AdjustAnswer>(*answers[3]).delta_nanousd, -40);
  EXPECT_THAT(ledger_.changes().records, SizeIs(3));
  EXPECT_EQ(Spent(), "90 0 1");
}

TEST_F(ApplyAdjustTest, AnAdjustmentThatChangesNothingIsStillKnown) {
  Use("u", 100);
  EXPECT_EQ(Correct(ToCost("1", "u", 100)), 0);
  EXPECT_THAT(ledger_.changes().records, SizeIs(1));
  EXPECT_THAT(ledger_.changes().counters, IsEmpty());
}

TEST_F(ApplyAdjustTest, SaysWhatIsNotThere) {
  const auto unknown = ledger_.Run<AdjustAnswer>(ToCost("1", "nobody", 1));
  EXPECT_TRUE(absl::IsNotFound(unknown.status()));
  EXPECT_THAT(unknown.status().message(), HasSubstr("usage_id \"nobody\" is not known"));
  Record unpriced = MemoryLedger::MakeRecord("u", "", 5);
  unpriced.usage.model = {.provider = "p", .name = "nameless"};
  MemoryLedger::Seal(unpriced);
  ASSERT_TRUE(ledger_.Run<RecordAnswer>(unpriced).ok());
  const auto no_price = ledger_.Run<AdjustAnswer>(ToTokens("1", "u", 1, 1));
  EXPECT_TRUE(absl::IsFailedPrecondition(no_price.status()));
  EXPECT_THAT(no_price.status().message(), HasSubstr("\"p/nameless\"; give cost_nanousd"));
  EXPECT_TRUE(ledger_.changes().empty());
  EXPECT_EQ(Correct(ToCost("1", "u", 6)), 1) << "the id is still free";
}

TEST_F(ApplyAdjustTest, ChangesNoneOfItsBudgetsIfOneHasNoRoom) {
  Use("u", 100);
  for (auto& [id, counter] : ledger_.state().counters) {
    if (counter.spent == 0) counter.spent = std::numeric_limits<int64_t>::max() - 10;  // "tokens"
  }
  const auto answer = ledger_.Run<AdjustAnswer>(ToTokens("1", "u", 11, 0));
  EXPECT_TRUE(absl::IsOutOfRange(answer.status())) << answer.status();
  EXPECT_TRUE(ledger_.changes().empty());
  EXPECT_THAT(Spent(), HasSubstr("100 "));
  EXPECT_EQ(Correct(ToTokens("1", "u", 10, 0)), 10'000 - 100);
}

TEST_F(ApplyAdjustTest, NamesTheCountersThatItLacks) {
  Use("u", 100);
  const auto charged = ledger_.state().records.at(UsageKey("default", "u")).charges;
  State state = ledger_.state();
  state.counters.clear();
  state.locked.clear();
  const Operation adjust = ToCost("1", "u", 1);
  const Applied applied = Apply(state, {&adjust, 1});
  ASSERT_FALSE(applied.missing.empty());
  EXPECT_EQ(applied.missing[0], charged[0].counter);
}

TEST_F(ApplyAdjustTest, AThresholdThatItCrossesIsToldOfWithTheRecordsOwnCall) {
  Record record = MemoryLedger::MakeRecord("u", "", kDollar / 2);
  record.usage.subject = {.user = "carol"};
  MemoryLedger::Seal(record);
  ASSERT_TRUE(ledger_.Run<RecordAnswer>(record).ok());
  Correct(ToCost("1", "u", kDollar * 8 / 10));
  ASSERT_THAT(ledger_.changes().events, SizeIs(1));
  const CostEvent& event = ledger_.changes().events[0];
  EXPECT_EQ(event.kind, EventKind::kThresholdCrossed);
  EXPECT_EQ(event.threshold_percent, 75);
  EXPECT_EQ(event.usage_id, "u");
  EXPECT_EQ(event.subject.user, "carol");
}

}  // namespace
}  // namespace bursar::ledger
