// R5: a replica crashes, fails or is slow at each point of a transaction, while another goes on.
// The ledger is whole after each.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "support/ledger_checker.h"
#include "support/soak.h"
#include "support/steady_load.h"

namespace bursar::testing {
namespace {

constexpr const char* kPoints[] = {"before_begin", "after_lock", "before_commit", "after_commit",
                                   "before_answer"};
constexpr absl::Duration kFires = absl::Seconds(10);

int LinesOf(const std::string& path) {
  std::ifstream file(path);
  int lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

class FailPoint : public ::testing::Test {
 protected:
  void SetUp() override {
#ifndef BURSAR_FAIL_POINTS
    GTEST_SKIP() << "this build has no fail points";
#endif
    ASSERT_TRUE(fleet_.client(0).CreateBudget("all", LifetimeBudget(1'000'000 * kUsd)).ok());
    ASSERT_TRUE(
        fleet_.client(0).CreateBudget("user", LifetimeBudget(1'000'000 * kUsd, {"user"})).ok());
  }

  // A replica that has this in its environment.
  std::unique_ptr<ServerProcess> Failing(const std::string& point, const std::string& how) {
    fault_log_ = folder_.path() + "/" + point;
    setenv("BURSAR_FAIL_POINT", (point + "=" + how).c_str(), 1);
    setenv("BURSAR_FAULT_LOG", fault_log_.c_str(), 1);
    auto server = ServerProcess::On(fleet_.database().url());
    unsetenv("BURSAR_FAIL_POINT");
    unsetenv("BURSAR_FAULT_LOG");
    return server;
  }

  // Load on a healthy replica and one that fails at `point`, until it has fired so often.
  void Try(const std::string& point, const std::string& how, int times) {
    SCOPED_TRACE(point + " " + how);
    auto failing = Failing(point, how);
    SteadyLoad load({fleet_.server(0).address(), failing->address()}, seed_, point + " ");
    load.SetFaulty(1);
    const absl::Time until = absl::Now() + kFires;
    while (LinesOf(fault_log_) < times && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    EXPECT_GE(LinesOf(fault_log_), times) << "the fault must have fired";
    if (how.rfind("crash", 0) == 0 && LinesOf(fault_log_) > 0) {
      EXPECT_EQ(failing->Wait(), 128 + SIGKILL);
    }
    EXPECT_TRUE(load.WaitForOperations(100, absl::Seconds(10))) << "I11: the others must go on";
    load.Stop();
    for (const std::string& what : load.unexpected()) ADD_FAILURE() << what;
    fired_ += LinesOf(fault_log_);
    operations_ += load.operations();
    Acknowledged told = load.acknowledged();
    told_.records.merge(told.records);
    told_.held.merge(told.held);
    told_.released.merge(told.released);
  }

  void ExpectWhole() {
    const Verdict verdict = CompareWithTables(told_, fleet_.database());
    const auto findings = checker_.Check({});
    std::cout << fired_ << " faults, " << operations_ << " operations, " << verdict.records
              << " records, lost " << verdict.lost << ", doubled " << verdict.doubled << ", "
              << findings.violation_count << " violations in " << findings.versions << " versions"
              << std::endl;
    for (const std::string& violation : findings.violations) ADD_FAILURE() << violation;
    EXPECT_EQ(verdict.lost, 0);
    EXPECT_EQ(verdict.doubled, 0);
    EXPECT_EQ(verdict.unasked, 0) << "every caller repeated until it knew";
    EXPECT_GT(findings.versions, 100);
    fleet_.ExpectConserved();
  }

  const uint64_t seed_ = Seed();
  TemporaryFolder folder_;
  std::string fault_log_;
  Fleet fleet_{1};
  LedgerChecker checker_{fleet_.database()};
  Acknowledged told_;
  int fired_ = 0;
  int64_t operations_ = 0;
};

TEST_F(FailPoint, ACrashAtAnyPointLosesAndDoublesNothing) {
  for (const char* point : kPoints) Try(point, "crash@40", 1);
  ExpectWhole();
}

TEST_F(FailPoint, AnErrorAtAnyPointLosesAndDoublesNothing) {
  for (const char* point : kPoints) Try(point, "error@20", Soaking() ? 500 : 5);
  ExpectWhole();
}

// Where locks are held, for longer than PostgreSQL waits for somebody who does nothing.
TEST_F(FailPoint, ADelayAtAnyPointLosesAndDoublesNothing) {
  for (const std::string point : kPoints) {
    const bool locked = point == "after_lock" || point == "before_commit";
    Try(point, locked ? "delay:2300@60" : "delay:300@60", Soaking() ? 20 : 1);
  }
  ExpectWhole();
}

}  // namespace
}  // namespace bursar::testing
