// Two replicas' lanes on one database: what one remembers must not count once the other has changed
// it.
#include "ledger/lane.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "postgres/pg_budget_store.h"
#include "postgres/pg_ledger_store.h"
#include "postgres/pg_price_store.h"
#include "support/memory_ledger.h"
#include "support/test_database.h"

namespace bursar::ledger {
namespace {

using bursar::testing::MemoryLedger;

constexpr int64_t kDollar = 1'000'000'000;
constexpr char kTenant[] = "default";

// One replica's ledger, called and waited for.
class Replica {
 public:
  explicit Replica(const bursar::testing::TestDatabase& database)
      : pool_({.url = database.url()}, 1), price_store_(pool_), prices_(price_store_) {
    std::vector<std::unique_ptr<LedgerStore>> stores;
    stores.push_back(
        std::make_unique<postgres::PgLedgerStore>(database.Connect({.scans_off = true})));
    EXPECT_TRUE(prices_.Open().ok());
    lanes_ = std::make_unique<Lanes>(LaneOptions{}, std::move(stores), prices_, metrics_, clock_);
  }

  template <typename Kind>
  absl::StatusOr<Kind> Run(Operation operation) {
    absl::StatusOr<Answer> result = absl::UnknownError("not answered");
    absl::Notification answered;
    lanes_->Submit(kTenant, std::move(operation), absl::InfiniteFuture(), [&](auto answer) {
      result = std::move(answer);
      answered.Notify();
    });
    answered.WaitForNotification();
    if (!result.ok()) return result.status();
    return std::get<Kind>(*std::move(result));
  }

  CheckAnswer Check(const std::string& id, int64_t cost, absl::Duration ttl = absl::Minutes(5)) {
    ledger::Check check = MemoryLedger::MakeCheck(id, {}, cost);
    check.ttl = ttl;
    MemoryLedger::Seal(check);
    return Run<CheckAnswer>(check).value();
  }
  RecordAnswer Settle(const std::string& usage_id, const std::string& id, int64_t cost,
                      bool keep = false) {
    Record record = MemoryLedger::MakeRecord(usage_id, id, cost);
    record.usage.keep_reservation = keep;
    MemoryLedger::Seal(record);
    return Run<RecordAnswer>(record).value();
  }
  ReservationAnswer Extend(const std::string& id, int64_t hold) {
    return Run<ReservationAnswer>(ledger::Extend{.reservation_id = id,
                                                 .key = ReservationKey(kTenant, id),
                                                 .hold_nanousd = hold})
        .value();
  }

 private:
  metrics::Metrics metrics_;
  Clock clock_;
  postgres::SessionPool pool_;
  postgres::PgPriceStore price_store_;
  pricing::PriceBooks prices_;
  std::unique_ptr<Lanes> lanes_;
};

class LanesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(budgets_.Delete(kTenant, "run-cap", "").ok());
    AddBudget(100 * kDollar);
  }
  void AddBudget(int64_t limit) {
    Budget budget{.id = absl::StrCat("b", limit), .limit = limit};
    ASSERT_TRUE(ValidateBudget(budget).ok());
    ASSERT_TRUE(budgets_.Create(kTenant, budget).ok());
  }
  int64_t Sql(const char* query) { return database_.Connect()->Execute(query)->Int(0, 0); }
  int64_t Reserved() { return Sql("SELECT sum(reserved)::bigint FROM counter"); }
  int64_t Spent() { return Sql("SELECT sum(spent)::bigint FROM counter"); }

  bursar::testing::TestDatabase database_;
  postgres::SessionPool pool_{{.url = database_.url()}, 1};
  postgres::PgBudgetStore budgets_{pool_};
  Replica a_{database_}, b_{database_};
};

TEST_F(LanesTest, AnExtensionByAnotherReplicaIsFreedByTheSettlementHere) {
  a_.Check("r", 10 * kDollar);
  a_.Check("other", kDollar);
  b_.Extend("r", 30 * kDollar);
  a_.Check("other", kDollar);  // a repeat goes the locked way: the counter is remembered afresh
  a_.Settle("u", "r", kDollar);
  EXPECT_EQ(Reserved(), kDollar) << "only \"other\" holds";
  EXPECT_EQ(Spent(), kDollar);
}

TEST_F(LanesTest, WhatAnotherReplicaTookOutOfAHoldIsNotFreedTwice) {
  a_.Check("r", 10 * kDollar);
  a_.Check("other", kDollar);
  b_.Settle("u1", "r", 8 * kDollar, /*keep=*/true);
  a_.Check("other", kDollar);
  a_.Settle("u2", "r", kDollar);
  EXPECT_EQ(Reserved(), kDollar);
  EXPECT_EQ(Spent(), 9 * kDollar);
}

TEST_F(LanesTest, AHoldThatExpiredOnAnotherReplicaIsNotFreedTwice) {
  a_.Check("r", 10 * kDollar, absl::Milliseconds(1));
  a_.Check("other", kDollar);
  absl::SleepFor(absl::Milliseconds(20));
  ASSERT_EQ(b_.Run<ExpireAnswer>(Expire{{ReservationKey(kTenant, "r")}})->expired, 1);
  a_.Check("other", kDollar);
  EXPECT_TRUE(a_.Settle("u", "r", kDollar).late);
  EXPECT_EQ(Reserved(), kDollar);
  EXPECT_EQ(Spent(), kDollar);
}

TEST_F(LanesTest, ARepeatIsRecognisedWhereItWouldBeDenied) {
  b_.Check("first", 40 * kDollar);
  EXPECT_EQ(a_.Check("x", 60 * kDollar).decision, Decision::kAllow);
  // Until b's counters are current and it has gone back to what it remembers after the conflict.
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(b_.Check(absl::StrCat("too much", i), kDollar).decision, Decision::kDeny);
  }
  const CheckAnswer again = b_.Check("x", 60 * kDollar);
  EXPECT_EQ(again.decision, Decision::kAllow) << again.reason;
  EXPECT_TRUE(again.replayed);
}

TEST_F(LanesTest, AChangedBudgetBindsTheOtherReplicasNextCheck) {
  EXPECT_EQ(a_.Check("1", kDollar).decision, Decision::kAllow);
  EXPECT_EQ(a_.Check("2", kDollar).decision, Decision::kAllow);
  AddBudget(2 * kDollar);
  EXPECT_EQ(a_.Check("3", 3 * kDollar).decision, Decision::kDeny);
}

TEST_F(LanesTest, AHoldThatIsOverMakesRoomForTheCheckThatItStandsInTheWayOf) {
  a_.Check("old", 100 * kDollar, absl::Milliseconds(1));
  absl::SleepFor(absl::Milliseconds(20));
  ledger::Check next = MemoryLedger::MakeCheck("next", {}, 100 * kDollar);
  next.settle = {MemoryLedger::MakeRecord("u", "", 0)};
  const CheckAnswer answer = b_.Run<CheckAnswer>(next).value();
  EXPECT_EQ(answer.decision, Decision::kAllow) << answer.message;
  ASSERT_EQ(answer.settled.size(), 1u);
  EXPECT_FALSE(answer.settled[0]->replayed) << "the caller sent it once";
  EXPECT_EQ(Reserved(), 100 * kDollar);
}

}  // namespace
}  // namespace bursar::ledger
