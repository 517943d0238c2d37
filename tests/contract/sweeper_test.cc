// Holds of several tenants end together: a sweep reaches every tenant, and does not stop at a page.
#include "ledger/sweeper.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "postgres/pg_budget_store.h"
#include "postgres/pg_ledger_store.h"
#include "postgres/pg_price_store.h"
#include "support/memory_ledger.h"
#include "support/test_database.h"

namespace bursar::ledger {
namespace {

using bursar::testing::MemoryLedger;

constexpr int64_t kDollar = 1'000'000'000;

class SweeperTest : public ::testing::Test {
 protected:
  SweeperTest() {
    std::vector<std::unique_ptr<LedgerStore>> stores;
    for (int i = 0; i < 2; ++i) stores.push_back(MakeStore());
    EXPECT_TRUE(prices_.Open().ok());
    lanes_ = std::make_unique<Lanes>(LaneOptions{}, std::move(stores), prices_, metrics_, clock_);
    sweeper_ = std::make_unique<Sweeper>(MakeStore(), *lanes_);
  }
  ~SweeperTest() override { lanes_->Stop(); }

  std::unique_ptr<LedgerStore> MakeStore() {
    return std::make_unique<postgres::PgLedgerStore>(database_.Connect({.scans_off = true}));
  }

  std::string Sql(const std::string& query) {
    const auto rows = database_.Connect()->Execute(query.c_str());
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.ok() && rows->size() > 0 ? std::string(rows->Text(0, 0)) : "";
  }

  // A tenant with a budget, and so many holds that ended `ago`, those of higher numbers later.
  void AddTenant(const std::string& tenant, int holds, const char* ago) {
    Sql("INSERT INTO tenant (tenant_id) VALUES ('" + tenant + "')");
    Budget budget{.id = "all", .limit = 1'000'000 * kDollar};
    ASSERT_TRUE(ValidateBudget(budget).ok());
    ASSERT_TRUE(budgets_.Create(tenant, budget).ok());
    std::atomic<int> allowed = 0, answered = 0;
    for (int i = 0; i < holds; ++i) {
      Check check = MemoryLedger::MakeCheck(absl::StrCat("hold ", i), {}, 1000);
      check.key = ReservationKey(tenant, check.request_id);
      check.ttl = absl::Hours(1);
      check.fingerprint = FingerprintOf(check);
      lanes_->Submit(tenant, check, absl::InfiniteFuture(), [&](const auto& answer) {
        allowed += answer.ok() && std::get<CheckAnswer>(*answer).decision == Decision::kAllow;
        ++answered;
      });
    }
    while (answered < holds) absl::SleepFor(absl::Milliseconds(1));
    ASSERT_EQ(allowed, holds);
    Sql(absl::StrCat(
        "UPDATE reservation SET version = version + 1, expire_time = now() - interval '", ago,
        "' + split_part(request_id, ' ', 2)::int * interval '1 us' ", "WHERE tenant_id = '", tenant,
        "'"));
  }
  int64_t Expired(const std::string& tenant) {
    return std::stoll(
        Sql("SELECT count(*) FROM reservation WHERE state = 4 AND tenant_id = '" + tenant + "'"));
  }
  // Until so many have; whether they have.
  bool AwaitExpired(const std::string& tenant, int64_t count) {
    const absl::Time until = absl::Now() + absl::Seconds(20);
    while (Expired(tenant) < count && absl::Now() < until) absl::SleepFor(absl::Milliseconds(5));
    return Expired(tenant) >= count;
  }
  int64_t Waiting() {  // operations in queues
    const std::string text = metrics_.Expose(), name = "\nbursar_lane_queue_operations ";
    return std::stoll(text.substr(text.find(name) + name.size()));
  }

  bursar::testing::TestDatabase database_;
  postgres::SessionPool pool_{{.url = database_.url()}, 1};
  postgres::PgBudgetStore budgets_{pool_};
  postgres::PgPriceStore price_store_{pool_};
  pricing::PriceBooks prices_{price_store_};
  metrics::Metrics metrics_;
  Clock clock_;
  std::unique_ptr<Lanes> lanes_;
  std::unique_ptr<Sweeper> sweeper_;
};

TEST_F(SweeperTest, OneSweepEndsAllThatIsOver) {
  AddTenant("crowd", 3000, "1 hour");
  AddTenant("other", 10, "1 minute");
  Sql("UPDATE reservation SET expire_time = now() + interval '1 hour' "
      "WHERE request_id = 'hold 7'");
  ASSERT_TRUE(sweeper_->Sweep().ok());
  EXPECT_TRUE(AwaitExpired("crowd", 2999));
  EXPECT_TRUE(AwaitExpired("other", 9));
  EXPECT_EQ(Sql("SELECT count(*) || ' ' || min(request_id) FROM reservation WHERE state = 1"),
            "2 hold 7");
  EXPECT_EQ(Sql("SELECT sum(reserved) FROM counter"), "2000");
}

// Thousands of an older tenant come first by time. Its lane is stuck, behind a lock of somebody
// else: the newer tenant's hold is ended all the same, and what waits for the lock stays little.
TEST_F(SweeperTest, ATenantWithManyInAStuckLaneHoldsUpNoOther) {
  AddTenant("crowd", 5000, "1 hour");
  AddTenant("other", 10, "1 minute");
  auto stopped = database_.Connect({.statement_timeout = absl::ZeroDuration()});
  ASSERT_TRUE(stopped->Execute("SET idle_in_transaction_session_timeout = 0").ok());
  ASSERT_TRUE(stopped->Execute("BEGIN").ok());
  ASSERT_TRUE(stopped->Execute("SELECT id FROM counter WHERE tenant_id = 'crowd' FOR UPDATE").ok());
  ASSERT_TRUE(sweeper_->Sweep().ok());
  EXPECT_TRUE(AwaitExpired("other", 10));
  ASSERT_EQ(Expired("crowd"), 0) << "its lane must have been stuck";
  const int64_t waiting = Waiting();
  EXPECT_GT(waiting, 0);
  ASSERT_TRUE(sweeper_->Sweep().ok());
  EXPECT_EQ(Waiting(), waiting) << "those under way are not submitted again";
  EXPECT_LE(waiting, 4);
  ASSERT_EQ(Expired("crowd"), 0);
  stopped.reset();
  EXPECT_TRUE(AwaitExpired("crowd", 1024)) << "what was under way";
  ASSERT_TRUE(sweeper_->Sweep().ok());
  EXPECT_TRUE(AwaitExpired("crowd", 5000));
}

TEST_F(SweeperTest, AStoppedSweeperSubmitsNothing) {
  AddTenant("crowd", 100, "1 hour");
  sweeper_->Stop();
  ASSERT_TRUE(sweeper_->Sweep().ok());
  lanes_->Stop();
  EXPECT_EQ(Expired("crowd"), 0);
}

// However many holds live: a sweep of few must not read them all. An index cannot be searched by a
// clock that is read anew for each row.
TEST_F(SweeperTest, WhatIsNotOverIsNotRead) {
  AddTenant("crowd", 3000, "-1 hour");
  AddTenant("other", 10, "1 minute");
  const auto read = [&] {
    absl::SleepFor(absl::Milliseconds(1100));  // statistics are told once a second
    return std::stoll(
        Sql("SELECT pg_stat_get_tuples_returned(indexrelid) FROM pg_index "
            "WHERE indexrelid = 'reservation_to_expire'::regclass"));
  };
  lanes_->Stop();
  const int64_t before = read();
  {
    const auto store = MakeStore();  // its end tells what it read
    const auto overdue = store->FindAllOverdue(1000, {});
    ASSERT_TRUE(overdue.ok() && overdue->size() == 1) << overdue.status();
    EXPECT_EQ(overdue->front().reservations.size(), 10u);
    EXPECT_TRUE(store->FindAllOverdue(1000, {"other"})->empty());
  }
  EXPECT_GE(read() - before, 10);
  EXPECT_LT(read() - before, 1000);
}

}  // namespace
}  // namespace bursar::ledger
