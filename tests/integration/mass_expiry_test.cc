// R9, P7: thousands of holds expire at once while their callers settle them and sweepers end them.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "support/soak.h"

namespace bursar::testing {
namespace {

constexpr int64_t kHeld = 1000;  // nano-USD, of each hold
constexpr int kAtOnce = 2500;    // calls in flight
constexpr int kSettlers = 8;
constexpr absl::Duration kAllEnded = absl::Seconds(30);

int HoldCount() { return Soaking() ? 100'000 : 10'000; }
std::string HoldId(int number) { return absl::StrCat("hold-", number); }

// Between 0 and three times what was held; the same for the same hold.
int64_t UsedOf(int number) { return number * int64_t{7919} % (3 * kHeld + 1); }

class MassExpiry : public ::testing::TestWithParam<bool> {
 protected:
  void Hold(int first, int count, const std::string& project) {
    for (int done = 0; done < count; done += kAtOnce) {
      std::vector<v1::CheckBudgetRequest> requests;
      for (int i = done; i < std::min(done + kAtOnce, count); ++i) {
        requests.push_back(CheckOf(HoldId(first + i), kHeld));
        requests.back().mutable_subject()->set_project(project);
        requests.back().mutable_ttl()->set_seconds(3600);
      }
      int failed = 0;
      for (const auto& response : fleet_.client(done / kAtOnce).CheckAll(requests, &failed)) {
        ASSERT_EQ(response.decision(), v1::DECISION_ALLOW) << response.message();
      }
      ASSERT_EQ(failed, 0);
    }
  }

  // They were made to live for an hour; now they all end at one moment.
  void EndAllIn(const char* interval) {
    const auto done = fleet_.database()
                          .Connect({.statement_timeout = absl::ZeroDuration()})
                          ->Execute(("UPDATE reservation SET version = version + 1, expire_time = "
                                     "clock_timestamp() + interval '" +
                                     std::string(interval) + "' WHERE state = 1")
                                        .c_str());
    ASSERT_TRUE(done.ok()) << done.status();
  }

  static int64_t Unsettled() { return (HoldCount() + 2) / 3; }  // every third
  int64_t Expired() { return fleet_.Number("SELECT count(*) FROM reservation WHERE state = 4"); }
  int64_t Active() { return fleet_.Number("SELECT count(*) FROM reservation WHERE state = 1"); }

  void Settle(uint64_t seed, std::vector<int> numbers);
  void ExpectEachChargedOnce(bool charged_on_expiry);

  Fleet fleet_{2};
  std::atomic<int> settled_ = 0, late_ = 0;
  std::atomic<bool> swept_ = false;  // some have been ended by a sweeper
};

// Settles these holds, some of them in one call, one record for each: half of them while they
// expire, the others when sweepers have begun to end them.
void MassExpiry::Settle(uint64_t seed, std::vector<int> numbers) {
  std::mt19937_64 random(seed);
  std::shuffle(numbers.begin(), numbers.end(), random);
  for (size_t next = 0; next < numbers.size();) {
    while (next > numbers.size() / 2 && !swept_) absl::SleepFor(absl::Milliseconds(1));
    v1::BatchRecordUsageRequest request;
    for (size_t size = 1 + random() % 10; size > 0 && next < numbers.size(); --size, ++next) {
      const std::string id = HoldId(numbers[next]);
      *request.add_records() = RecordOf(id + "/used", UsedOf(numbers[next]), id);
    }
    v1::BatchRecordUsageResponse response;
    const grpc::Status status =
        fleet_.client(random()).Call(&Telemetry::BatchRecordUsage, request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    for (const auto& result : response.results()) {
      ASSERT_EQ(result.code(), 0) << result.message();
      ++settled_;
      late_ += result.response().late();
    }
  }
}

// By SQL: what all records of a hold say together is what was used of it; of one that nobody
// settled, its estimate or nothing.
void MassExpiry::ExpectEachChargedOnce(bool charged_on_expiry) {
  const std::string expected =
      absl::StrCat("CASE WHEN settled THEN used WHEN ", charged_on_expiry ? "true" : "false",
                   " THEN ", kHeld, " ELSE 0 END");
  EXPECT_EQ(fleet_.Sql(absl::StrCat(
                "WITH hold AS (SELECT request_id, substr(request_id, 6)::bigint * 7919 % ",
                3 * kHeld + 1, " AS used FROM reservation), ",
                "sums AS (SELECT request_id, used, coalesce(sum(cost_nanousd), 0) AS cost, "
                "coalesce(sum(charged_amounts[1]), 0) AS charged, "
                "coalesce(bool_or(usage_id = request_id || '/used'), false) AS settled "
                "FROM hold LEFT JOIN usage_record ON reservation_id = request_id "
                "GROUP BY request_id, used) "
                "SELECT count(*) || ' ' || count(*) FILTER (WHERE cost <> charged OR charged <> ",
                expected, ") FROM sums")),
            absl::StrCat(HoldCount(), " 0"))
      << "holds, and those of them that were not charged once";
  fleet_.ExpectConserved();
}

TEST_P(MassExpiry, NothingIsStuckOrChargedTwiceWhileSettlementsRaceTheSweeper) {
  const bool charged_on_expiry = GetParam();
  const uint64_t seed = Seed();
  fleet_.Sql(absl::StrCat("UPDATE tenant SET budget_epoch = budget_epoch + 1, charge_on_expiry = ",
                          charged_on_expiry ? "true" : "false"));
  ASSERT_TRUE(fleet_.client(0).CreateBudget("all", LifetimeBudget(1000 * kUsd)).ok());
  const absl::Time begin = absl::Now();
  Hold(0, HoldCount(), "p");
  EXPECT_GE(HoldCount() / absl::ToDoubleSeconds(absl::Now() - begin), 100);
  ASSERT_EQ(Active(), HoldCount()) << "nothing may have ended yet";
  EndAllIn("700 ms");
  const absl::Time over = absl::Now() + absl::Milliseconds(700);
  std::vector<std::thread> settlers;
  for (int i = 0; i < kSettlers; ++i) {  // two of three are settled
    std::vector<int> numbers;
    for (int number = i; number < HoldCount(); number += kSettlers) {
      if (number % 3 != 0) numbers.push_back(number);
    }
    settlers.emplace_back([=, this] { Settle(seed + i, numbers); });
  }
  const absl::Time sweep_until = absl::Now() + absl::Seconds(10);
  while (Expired() < 100 && absl::Now() < sweep_until) absl::SleepFor(absl::Milliseconds(5));
  swept_ = true;
  for (auto& settler : settlers) settler.join();
  const absl::Time until = absl::Now() + kAllEnded * (Soaking() ? 10 : 1);
  while (Active() > 0 && absl::Now() < until) absl::SleepFor(absl::Milliseconds(100));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - over);
  const int64_t expired = Expired(), settled_after = expired - Unsettled();
  std::cout << HoldCount() << " holds: " << settled_ << " settled, " << late_ << " of them late, "
            << expired << " expired, " << settled_after << " of them before they were settled; "
            << "none was left " << seconds << " s after their time" << std::endl;
  EXPECT_EQ(Active(), 0) << "holds that are stuck";
  EXPECT_EQ(fleet_.Sql("SELECT sum(reserved) FROM counter"), "0");
  EXPECT_GT(settled_ - late_, 100) << "otherwise all had expired before they were settled";
  EXPECT_GT(settled_after, 100) << "otherwise the sweeper came after all settlements";
  ExpectEachChargedOnce(charged_on_expiry);
}

INSTANTIATE_TEST_SUITE_P(, MassExpiry, ::testing::Bool(), [](const auto& parameter) {
  return parameter.param ? "ChargedOnExpiry" : "FreedOnExpiry";
});

// P7. Transactions that lock or write take a number each; how many numbers went is how many there
// were, the sweeper's included. A denial by what is remembered takes none.
TEST(MassExpiryCheck, ACheckThat256ExpiredHoldsWouldCoverNeedsTwoMoreTransactions) {
  Fleet fleet(1);
  ASSERT_TRUE(fleet.client(0).CreateBudget("all", LifetimeBudget(1000 * kUsd)).ok());
  ASSERT_TRUE(
      fleet.client(0).CreateBudget("tight", OfProject(LifetimeBudget(256 * kHeld), "tight")).ok());
  auto hold = [&](const std::string& prefix, int count, const std::string& project) {
    std::vector<v1::CheckBudgetRequest> requests;
    for (int i = 0; i < count; ++i) {
      requests.push_back(CheckOf(absl::StrCat(prefix, i), kHeld));
      requests.back().mutable_subject()->set_project(project);
    }
    int64_t allowed = 0;
    for (const auto& response : fleet.client(0).CheckAll(requests)) {
      allowed += response.decision() == v1::DECISION_ALLOW;
    }
    return allowed;
  };
  for (int round = 0; round < 4; ++round) {
    ASSERT_EQ(hold(absl::StrCat("others ", round, " "), 2436, "others"), 2436);
  }
  std::vector<int64_t> numbers;
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(hold(absl::StrCat("tight ", round, " "), 256, "tight"), 256);
    // All at once, and those that matter last: the sweeper takes the oldest first.
    fleet.Sql(
        "UPDATE reservation SET version = version + 1, expire_time = clock_timestamp() - "
        "CASE WHEN subject LIKE '%others%' THEN interval '2 s' ELSE interval '0 s' END "
        "WHERE state = 1");
    constexpr char kNextNumber[] = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
    const int64_t before = fleet.Number(kNextNumber);
    auto check = CheckOf(absl::StrCat("covered ", round), 256 * kHeld);
    check.mutable_subject()->set_project("tight");
    v1::CheckBudgetResponse response;
    ASSERT_TRUE(fleet.client(0).Check(check, response).ok());
    const int64_t transactions = fleet.Number(kNextNumber) - before;
    ASSERT_EQ(response.decision(), v1::DECISION_ALLOW) << response.message();
    numbers.push_back(transactions);
    const int64_t expired =
        fleet.Number("SELECT count(*) FROM reservation WHERE state = 4 AND subject LIKE '%tight%'");
    std::cout << "admitted after " << transactions << " transactions, " << expired
              << " expired holds of the budget so far" << std::endl;
    EXPECT_GT(fleet.Number("SELECT count(*) FROM reservation WHERE state = 1 AND subject LIKE "
                           "'%others%'"),
              0)
        << "otherwise the sweeper may have made the room";
    EXPECT_EQ(expired, 256 * (round + 1));
    v1::ReleaseReservationResponse released;
    ASSERT_TRUE(fleet.client(0).Release(check.request_id(), released).ok());
  }
  // PostgreSQL's own work (autovacuum's ANALYZE) takes a number now and then: the middle of three.
  std::sort(numbers.begin(), numbers.end());
  EXPECT_LE(numbers[1], 3) << "its own, and two more";
  fleet.ExpectConserved();
}

}  // namespace
}  // namespace bursar::testing
