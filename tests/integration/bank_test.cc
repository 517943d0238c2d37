// R1: a bank of 40 budgets, many callers, three replicas. What happened is replayed afterwards,
// from what the database wrote down and what callers were told: I1 to I5.
#include "integration/bank.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>

#include "support/soak.h"

namespace bursar::testing {
namespace {

constexpr int kCallers = 16;
constexpr double kRateMin = 100;
constexpr int64_t kLimit = 20 * kCent;  // of each of the 40
constexpr int64_t kDenialsForARaise = 10;

class Bank : public ::testing::Test {
 protected:
  Bank() {
    Create("all", LifetimeBudget(100'000 * kUsd));
    Create("user", LifetimeBudget(5 * kUsd, {"user"}));
    for (int i = 0; i < BankCaller::kBudgets; ++i) {
      const std::string project = absl::StrCat("b", i);
      Create(project, OfProject(LifetimeBudget(kLimit), project));
    }
  }

  void Create(const std::string& id, const v1::Budget& budget) {
    const grpc::Status status = fleet_.client(0).CreateBudget(id, budget);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  void Run(absl::Duration duration) {
    const uint64_t seed = Seed();
    const absl::Time begin = absl::Now(), until = begin + duration;
    std::vector<std::unique_ptr<BankCaller>> callers;
    std::vector<std::thread> threads;
    for (int i = 0; i < kCallers; ++i) {
      callers.push_back(std::make_unique<BankCaller>(fleet_, seed, i, denials_));
      threads.emplace_back([&caller = *callers.back(), until] { caller.Run(until); });
    }
    RaiseLimits(until);
    for (auto& thread : threads) thread.join();
    for (auto& caller : callers) Collect(*caller);
    const double rate =
        static_cast<double>(operations_) / absl::ToDoubleSeconds(absl::Now() - begin);
    std::cout << operations_ << " operations, " << rate << "/s: " << allowed_ << " allowed, "
              << denied_ << " denied, " << late_ << " late, " << overruns_ << " overruns, "
              << stopped_ << " streams beyond what fitted, " << raises_.size() << " raised limits"
              << std::endl;
    EXPECT_GE(rate, kRateMin);
  }

  // So that there is always somebody who fits and somebody who does not. What was answered binds
  // every call that begins later.
  void RaiseLimits(absl::Time until) {
    std::map<int, int64_t> limits;
    for (int round = 0; absl::Now() < until;) {
      absl::SleepFor(absl::Milliseconds(10));
      if (denials_ < round * kDenialsForARaise) continue;
      const int hot = round++ % BankCaller::kHot;
      int64_t& limit = limits.try_emplace(hot, kLimit).first->second;
      limit += 20 * kCent;
      v1::UpdateBudgetRequest request;
      request.mutable_budget()->set_name(absl::StrCat("budgets/b", hot));
      request.mutable_budget()->set_limit_nanousd(limit);
      request.mutable_update_mask()->add_paths("limit_nanousd");
      v1::UpdateBudgetResponse response;
      const grpc::Status status =
          fleet_.client(round).Call(&Admin::UpdateBudget, request, response);
      ASSERT_TRUE(status.ok()) << status.error_message();
      raises_.push_back({absl::Now(), request.budget().name(), limit});
    }
  }

  void Collect(BankCaller& caller) {
    operations_ += caller.operations, allowed_ += caller.allowed, denied_ += caller.denied;
    late_ += caller.late, overruns_ += caller.overruns, failed_ += caller.failed;
    stopped_ += caller.stopped;
    std::move(caller.seen.begin(), caller.seen.end(), std::back_inserter(seen_));
    acknowledged_.records.merge(caller.acknowledged.records);
  }

  int64_t StaleLimits() const {
    int64_t stale = 0;
    for (const Seen& one : seen_) {
      for (const Seen::Status& status : one.statuses) {
        for (const Raise& raise : raises_) {
          if (raise.answered >= one.begin) break;
          stale += raise.budget == status.counter && status.limit < raise.limit;
        }
      }
    }
    return stale;
  }

  struct Raise {
    absl::Time answered;
    std::string budget;
    int64_t limit;
  };

  Fleet fleet_{3};
  LedgerChecker checker_{fleet_.database()};
  std::vector<Seen> seen_;
  Acknowledged acknowledged_;
  std::vector<Raise> raises_;
  std::atomic<int64_t> denials_ = 0;
  int64_t operations_ = 0, allowed_ = 0, denied_ = 0, late_ = 0, overruns_ = 0, failed_ = 0,
          stopped_ = 0;
};

TEST_F(Bank, HoldsAllItsInvariantsThroughThreeReplicas) {
  Run(HowLong(absl::Seconds(4)));
  absl::SleepFor(absl::Seconds(2.5));  // what was forgotten expires
  const auto findings = checker_.Check(seen_);
  const Verdict verdict = CompareWithTables(acknowledged_, fleet_.database());
  std::cout << findings.versions << " versions of counters in " << findings.transactions
            << " transactions, " << findings.chained << " answers chained, " << findings.looks
            << " looks, " << findings.expiries << " expiries: " << findings.violation_count
            << " violations; " << verdict.records << " records, lost " << verdict.lost
            << ", doubled " << verdict.doubled << std::endl;
  for (const std::string& violation : findings.violations) ADD_FAILURE() << violation;
  EXPECT_EQ(findings.violation_count, 0);
  EXPECT_EQ(StaleLimits(), 0) << "answers that knew an older limit than the last one set (I3)";
  EXPECT_EQ(failed_, 0);
  EXPECT_EQ(verdict.lost, 0);
  EXPECT_EQ(verdict.doubled, 0);
  EXPECT_EQ(verdict.unasked, 0);
  fleet_.ExpectConserved();
  for (const int64_t count : {allowed_, denied_, overruns_, findings.expiries}) {
    EXPECT_GT(count, 50) << "otherwise this tries too little";
  }
  for (const int64_t count : {late_, stopped_})
    EXPECT_GT(count, 5) << "otherwise this tries too little";
  EXPECT_GT(findings.chained, 3 * allowed_);
}

// The checker sees what it is there for: each of these is one thing gone wrong in a run that was
// right.
TEST_F(Bank, ItsCheckerFindsWhatIsWrong) {
  Run(absl::Seconds(2));
  ASSERT_EQ(checker_.Check(seen_).violation_count, 0);
  ASSERT_GT(stopped_, 0) << "otherwise no hold grew beyond what fitted";
  const auto admitted = std::find_if(seen_.begin() + seen_.size() / 2, seen_.end(),
                                     [](const Seen& one) { return one.delta.reserved > 0; });
  ASSERT_NE(admitted, seen_.end());
  auto finds = [&](const char* invariant) {
    const auto findings = checker_.Check(seen_);
    for (const std::string& violation : findings.violations) {
      if (violation.rfind(invariant, 0) == 0) return true;
    }
    return false;
  };
  const Seen right = *admitted;
  admitted->statuses[0].limit = 1;  // admitted above a limit
  EXPECT_TRUE(finds("I1"));
  *admitted = right;
  admitted->statuses[0].after.reserved -= 1;  // decided on a state that never was
  EXPECT_TRUE(finds("I1"));
  *admitted = right;
  // Answered before those that stand before it; the first of its counters has none.
  bool found = false;
  for (auto one = admitted; one != seen_.end() && !found; ++one) {
    if (one->delta.reserved <= 0) continue;
    const absl::Time end = std::exchange(one->end, one->begin - absl::Hours(1));
    found = finds("I3");
    one->end = end;
  }
  EXPECT_TRUE(found) << "I3";
  admitted->id += " of another";  // acknowledged and not there
  EXPECT_TRUE(finds("I4"));
  *admitted = right;
  Seen denied = right;  // denied what fitted
  denied.kind = Seen::Kind::kLook;
  denied.delta = {};
  denied.denied_amount = 1;
  for (Seen::Status& status : denied.statuses) status.limit = 1'000'000 * kUsd;
  seen_.push_back(denied);
  EXPECT_TRUE(finds("I1"));
  seen_.pop_back();
  EXPECT_FALSE(finds("I"));
  fleet_.Sql("ALTER TABLE watched_hold RENAME observed TO told");
  fleet_.Sql("ALTER TABLE watched_hold ADD observed bigint");  // holds grew, and nobody saw why
  EXPECT_TRUE(finds("I2"));
  fleet_.Sql("ALTER TABLE watched_hold DROP observed");
  fleet_.Sql("ALTER TABLE watched_hold RENAME told TO observed");
  EXPECT_FALSE(finds("I"));
  fleet_.Sql(
      "UPDATE counter SET spent = spent + 1, version = version + 1 WHERE id = "
      "(SELECT min(id::text)::uuid FROM counter)");
  EXPECT_TRUE(finds("I5"));
}

}  // namespace
}  // namespace bursar::testing
