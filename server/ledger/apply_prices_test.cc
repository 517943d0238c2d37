// Which prices a record is charged by, when there have been several.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/memory_ledger.h"

namespace bursar::ledger {
namespace {

using bursar::testing::MemoryLedger;
using ::testing::ElementsAre;
using usage::CostBasis;
using usage::TokenClass;

constexpr char kDearer[] = R"({"version": "2", "prices": [
    {"provider": "p", "model": "m", "input": "10", "output": "20"},
    {"provider": "p", "model": "new", "input": "5", "output": "5"}]})";

class ApplyPricesTest : public ::testing::Test {
 protected:
  ApplyPricesTest() {
    ledger_.AddBudget({.id = "all", .unit = Unit::kCost, .limit = 1'000'000'000'000});
  }

  // A million tokens in of a model of "p".
  Record RecordOf(const std::string& id, const std::string& reservation, const std::string& model) {
    Record record = MemoryLedger::MakeRecord(id, reservation, 0);
    record.usage.cost_nanousd.reset();
    record.usage.model = {.provider = "p", .name = model};
    record.usage.tokens.emplace()[TokenClass::kUncachedInput] = 1'000'000;
    MemoryLedger::Seal(record);
    return record;
  }
  RecordAnswer Use(const std::string& id, const std::string& reservation = "",
                   const std::string& model = "m",
                   std::optional<absl::Time> occur_time = std::nullopt) {
    Record record = RecordOf(id, reservation, model);
    record.usage.occur_time = occur_time;
    MemoryLedger::Seal(record);
    return ledger_.Run<RecordAnswer>(record).value();
  }
  CheckAnswer Hold(const std::string& id, const std::string& model = "m") {
    Check check = MemoryLedger::MakeCheck(id, {}, 0);
    check.cost_nanousd.reset();
    check.model = {.provider = "p", .name = model};
    check.max_output_tokens = 0;
    check.tokens.emplace()[TokenClass::kUncachedInput] = 1'000'000;
    MemoryLedger::Seal(check);
    return ledger_.Run<CheckAnswer>(check).value();
  }
  Adjust Reprice(const std::string& id, const std::string& usage_id) {
    Adjust adjust{.adjustment_id = id,
                  .key = UsageKey("default", "adjustment:" + id),
                  .usage_id = usage_id,
                  .target = UsageKey("default", usage_id)};
    adjust.fingerprint = FingerprintOf(adjust);
    return adjust;
  }
  int64_t Spent() { return ledger_.Run<InspectAnswer>(Inspect{})->budgets.at(0).spent; }

  MemoryLedger ledger_;
};

TEST_F(ApplyPricesTest, ASettlementPaysThePricesThatItsCheckSaw) {
  EXPECT_EQ(Hold("held").reservation->price_version, "1");
  ledger_.Advance(absl::Minutes(1));
  ledger_.SetPrices(kDearer);
  const RecordAnswer settled = Use("u", "held");
  EXPECT_EQ(settled.cost_nanousd, 1'000'000'000);
  EXPECT_EQ(settled.price_version, "1");
  EXPECT_EQ(settled.overrun_nanousd, 0);
  EXPECT_EQ(Hold("later").estimated_nanousd, 10'000'000'000);
}

TEST_F(ApplyPricesTest, UsageWithoutAReservationPaysThePricesOfItsTime) {
  const absl::Time before = ledger_.state().now;
  ledger_.Advance(absl::Minutes(1));
  ledger_.SetPrices(kDearer);
  EXPECT_EQ(Use("now").cost_nanousd, 10'000'000'000);
  const RecordAnswer late = Use("late", "", "m", before);
  EXPECT_EQ(late.cost_nanousd, 1'000'000'000);
  EXPECT_EQ(late.price_version, "1");
}

TEST_F(ApplyPricesTest, AModelThatHadNoPriceThenHasTheOneOfNow) {
  const absl::Time before = ledger_.state().now;
  ledger_.Advance(absl::Minutes(1));
  EXPECT_EQ(Use("early", "", "new").cost_basis, CostBasis::kUnpriced);
  ledger_.SetPrices(kDearer);
  const RecordAnswer late = Use("late", "", "new", before);
  EXPECT_EQ(late.cost_nanousd, 5'000'000'000);
  EXPECT_EQ(late.price_version, "2");
  EXPECT_EQ(late.cost_basis, CostBasis::kPriced);
}

TEST_F(ApplyPricesTest, OlderPricesThatAreNotAtHandMakeTheBatchStartOver) {
  Hold("held");
  ledger_.SetPrices(kDearer);
  State state = ledger_.state();
  state.older_books = nullptr;
  const Operation settle = RecordOf("u", "held", "m");
  EXPECT_THAT(Apply(state, {&settle, 1}).missing_books, ElementsAre("1"));
}

TEST_F(ApplyPricesTest, ARepriceGivesAnUnpricedRecordItsCostOnce) {
  Use("u", "", "new");
  ASSERT_EQ(ledger_.state().records.at(UsageKey("default", "u")).unpriced, 1);
  ledger_.SetPrices(kDearer);
  EXPECT_EQ(ledger_.Run<AdjustAnswer>(Reprice("r", "u"))->delta_nanousd, 5'000'000'000);
  EXPECT_EQ(Spent(), 5'000'000'000);
  const StoredRecord& row = ledger_.state().records.at(UsageKey("default", "adjustment:r"));
  EXPECT_EQ(row.unpriced, -1) << "it is counted as unpriced no more";
  EXPECT_EQ(row.answer.price_version, "2");
  EXPECT_EQ(row.priced_as, "p/new");
  EXPECT_EQ(row.answer.tokens, usage::TokenUsage{}) << "they were counted before";
  ASSERT_EQ(ledger_.Run<AdjustAnswer>(Reprice("again", "u"))->delta_nanousd, 0);
  EXPECT_FALSE(ledger_.state().records.contains(UsageKey("default", "adjustment:again")))
      << "there is nothing to say";
  EXPECT_EQ(Spent(), 5'000'000'000);
}

TEST_F(ApplyPricesTest, ARepriceWithoutAPriceChangesNothing) {
  Use("u", "", "unheard-of");
  const auto answer = ledger_.Run<AdjustAnswer>(Reprice("r", "u"));
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Spent(), 0);
}

TEST_F(ApplyPricesTest, CorrectedTokensCostWhatTheRecordsOwnDid) {
  Use("u");
  ledger_.SetPrices(kDearer);
  Adjust adjust = Reprice("r", "u");
  adjust.tokens.emplace()[TokenClass::kUncachedInput] = 2'000'000;
  EXPECT_EQ(ledger_.Run<AdjustAnswer>(adjust)->delta_nanousd, 1'000'000'000)
      << "at the price that the record was charged by";
  EXPECT_EQ(ledger_.Run<AdjustAnswer>(Reprice("all", "u"))->delta_nanousd, 18'000'000'000)
      << "a reprice goes by the newest, and by the tokens as corrected";
}

TEST_F(ApplyPricesTest, ARecordThatNamesNoModelIsOfItsReservations) {
  Hold("held");
  Record record = RecordOf("u", "held", "");
  EXPECT_EQ(ledger_.Run<RecordAnswer>(record)->cost_nanousd, 1'000'000'000);
  Hold("other");
  Record foreign = RecordOf("v", "other", "");
  foreign.usage.model.provider = "q";
  MemoryLedger::Seal(foreign);
  EXPECT_EQ(ledger_.Run<RecordAnswer>(foreign)->cost_basis, CostBasis::kUnpriced)
      << "another provider's model is not known";
}

}  // namespace
}  // namespace bursar::ledger
