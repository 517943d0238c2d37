// I1, I4, I5: a random mix of everything through three replicas at once; afterwards every counter
// is the sum of what records and reservations say, and no fitted total was ever above its limit.
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

constexpr int kThreads = 12;
constexpr absl::Duration kLoad = absl::Seconds(6);
constexpr int64_t kLimit = 200 * kCent;

// One caller: asks, then does one of the things that callers do.
class Caller {
 public:
  Caller(Fleet& fleet, uint64_t seed, int number)
      : fleet_(fleet), random_(seed + number), number_(number) {}

  void Run(absl::Time until) {
    while (absl::Now() < until) {
      const std::string id = absl::StrCat("c", number_, "/", operations_);
      v1::CheckBudgetResponse response;
      if (!Expect(Any().Check(Check(id), response))) continue;
      ++(response.decision() == v1::DECISION_ALLOW ? allowed : denied);
      if (response.decision() == v1::DECISION_ALLOW) End(id, response.reservation());
    }
  }

  int64_t operations_ = 0, allowed = 0, denied = 0, failed = 0;

 private:
  RpcClient& Any() { return fleet_.client(random_()); }
  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  bool Expect(const grpc::Status& status) {
    ++operations_;
    if (status.ok()) return true;
    ++failed;
    std::cerr << "call failed: " << status.error_message() << "\n";
    return false;
  }

  v1::CheckBudgetRequest Check(const std::string& id) {
    auto request = CheckOf(id, 1 + static_cast<int64_t>(random_() % (2 * kCent)));
    auto* subject = request.mutable_subject();
    subject->set_project(absl::StrCat("p", Chance(80) ? 0 : random_() % 10));
    subject->set_user(absl::StrCat("u", random_() % 20));
    subject->set_run(absl::StrCat("run", random_() % 50));
    if (Chance(20)) request.mutable_ttl()->set_seconds(1);
    if (Chance(30)) *request.add_settle() = RecordOf(id + "/settled", 1 + random_() % 1000);
    return request;
  }

  // Never more than was held: then nothing but a hold that fitted is ever charged.
  void End(const std::string& id, const v1::Reservation& reservation) {
    const int64_t held = reservation.reserved_nanousd();
    const int64_t used = static_cast<int64_t>(random_() % (held + 1));
    v1::RecordUsageResponse recorded;
    v1::ReleaseReservationResponse released;
    v1::ExtendReservationResponse extended;
    if (Chance(20)) {
      v1::ExtendReservationRequest request;
      request.set_reservation_id(id);
      request.set_hold_nanousd(held + static_cast<int64_t>(random_() % kCent));
      Expect(Any().Call(&Telemetry::ExtendReservation, request, extended));
    }
    if (Chance(15)) return;  // forgotten: it expires
    if (Chance(15)) {
      Expect(Any().Release(id, released));
      return;
    }
    auto record = RecordOf(id + "/used", used, id);
    record.set_keep_reservation(Chance(10));
    if (!Expect(Any().Record(record, recorded))) return;
    if (!Chance(20) || !Expect(Any().Record(record, recorded))) return;
    EXPECT_TRUE(recorded.replayed());
  }

  Fleet& fleet_;
  std::mt19937_64 random_;
  const int number_;
};

void MakeBudgets(Fleet& fleet) {
  ASSERT_TRUE(fleet.client(0).CreateBudget("all", LifetimeBudget(100 * kLimit)).ok());
  ASSERT_TRUE(fleet.client(0).CreateBudget("project", LifetimeBudget(kLimit, {"project"})).ok());
  v1::Budget daily = LifetimeBudget(kLimit, {"user"});
  daily.mutable_window()->set_kind(v1::Window::KIND_DAY);
  daily.mutable_window()->set_time_zone("Asia/Kolkata");
  ASSERT_TRUE(fleet.client(0).CreateBudget("user-day", daily).ok());
}

// Counters of hard budgets in cost that hold or have spent more than their limit.
constexpr char kAboveLimit[] =
    "SELECT count(*) FROM counter JOIN budget ON uid = budget_uid "
    "WHERE spent + reserved > limit_amount";

TEST(Conservation, HoldsAfterARandomMixThroughThreeReplicas) {
  const uint64_t seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  Fleet fleet(3);
  MakeBudgets(fleet);
  std::vector<std::unique_ptr<Caller>> callers;
  std::vector<std::thread> threads;
  const absl::Time until = absl::Now() + kLoad;
  for (int i = 0; i < kThreads; ++i) {
    callers.push_back(std::make_unique<Caller>(fleet, seed, i));
    threads.emplace_back([&caller = *callers.back(), until] { caller.Run(until); });
  }
  int looks = 0;
  while (absl::Now() < until) {  // in the middle of it all
    EXPECT_EQ(fleet.Sql(kAboveLimit), "0");
    fleet.ExpectConserved();
    ++looks;
    absl::SleepFor(absl::Milliseconds(300));
  }
  for (auto& thread : threads) thread.join();
  int64_t operations = 0, allowed = 0, denied = 0, failed = 0;
  for (const auto& caller : callers) {
    operations += caller->operations_, allowed += caller->allowed;
    denied += caller->denied, failed += caller->failed;
  }
  std::cout << operations << " operations, " << allowed << " allowed, " << denied << " denied, "
            << looks << " looks\n";
  EXPECT_EQ(failed, 0);
  EXPECT_GT(operations, absl::ToInt64Seconds(kLoad) * 100);
  EXPECT_GT(allowed, 100) << "otherwise this tries nothing";
  EXPECT_GT(denied, 100) << "otherwise this tries nothing";
  EXPECT_EQ(fleet.Sql(kAboveLimit), "0");
  fleet.ExpectConserved();
}

// R7: the same id from everywhere at once is one reservation, and every answer is the first one.
TEST(Conservation, OneIdFromManyAtOnceCountsOnce) {
  Fleet fleet(3);
  ASSERT_TRUE(fleet.client(0).CreateBudget("one", LifetimeBudget(kUsd)).ok());
  for (int round = 0; round < 5; ++round) {
    const auto check = CheckOf(absl::StrCat("one ", round), 10);
    const auto record = RecordOf(absl::StrCat("used ", round), 7, check.request_id());
    std::atomic<int> first_checks = 0, first_records = 0, replays = 0;
    auto at_once = [](const std::function<void(int)>& work) {
      std::vector<std::thread> threads;
      for (int i = 0; i < 48; ++i) threads.emplace_back(work, i);
      for (auto& thread : threads) thread.join();
    };
    at_once([&](int i) {
      v1::CheckBudgetResponse response;
      ASSERT_TRUE(fleet.client(i).Check(check, response).ok());
      EXPECT_EQ(response.decision(), v1::DECISION_ALLOW);
      ++(response.replayed() ? replays : first_checks);
    });
    at_once([&](int i) {
      v1::RecordUsageResponse response;
      ASSERT_TRUE(fleet.client(i).Record(record, response).ok());
      EXPECT_EQ(response.cost_nanousd(), 7);
      EXPECT_EQ(response.released_nanousd(), 3);
      ++(response.replayed() ? replays : first_records);
    });
    EXPECT_EQ(first_checks, 1);
    EXPECT_EQ(first_records, 1);
    EXPECT_EQ(replays, 94);
  }
  EXPECT_EQ(fleet.Sql("SELECT count(*) || ' ' || sum(cost_nanousd) FROM usage_record"), "5 35");
  fleet.ExpectConserved();
}

}  // namespace
}  // namespace bursar::testing
