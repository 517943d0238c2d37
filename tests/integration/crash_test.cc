// R3: replicas are killed, stopped and cut off from PostgreSQL while callers go on. What was
// acknowledged is there once, nothing else is, and callers that repeat their ids notice nothing.
#include <gtest/gtest.h>
#include <signal.h>

#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "support/ledger_checker.h"
#include "support/soak.h"
#include "support/steady_load.h"

namespace bursar::testing {
namespace {

constexpr size_t kReplicas = 3;
constexpr double kRateMin = 100;  // operations a second before a fault, or it proves nothing

class Crash : public ::testing::Test {
 protected:
  Crash() : fleet_(kReplicas) {
    v1::Budget daily = LifetimeBudget(1'000'000 * kUsd, {"user"});
    daily.mutable_window()->set_kind(v1::Window::KIND_DAY);
    EXPECT_TRUE(fleet_.client(0).CreateBudget("all", LifetimeBudget(1'000'000 * kUsd)).ok());
    EXPECT_TRUE(fleet_.client(0).CreateBudget("user-day", daily).ok());
    for (size_t i = 0; i < kReplicas; ++i) addresses_.push_back(fleet_.server(i).address());
  }

  static void WarmUp(SteadyLoad& load) {
    EXPECT_TRUE(load.WaitForOperations(500, absl::Seconds(30)));
    EXPECT_GE(load.WarmUp(kRateMin), kRateMin);
  }

  // The others served while this replica was at fault, and it serves again soon after.
  void ExpectServed(const SteadyLoad& load) {
    EXPECT_GT(load.attempts_on_others(), static_cast<int64_t>(kRateMin));
    EXPECT_LT(load.longest(), absl::Seconds(3)) << "of the other replicas";
  }
  void ExpectBack(size_t replica) {
    v1::CheckBudgetResponse response;
    auto dry = CheckOf("", 1);
    dry.set_dry_run(true);
    const absl::Time back = absl::Now();
    while (!fleet_.client(replica).Check(dry, response).ok()) {
      ASSERT_LT(absl::Now() - back, absl::Seconds(5)) << "it must serve again";
    }
  }

  // I4, I5, I6: what was acknowledged is there once as it was answered, and nothing else.
  void ExpectWhatWasAcknowledged(SteadyLoad& load) {
    load.Stop();
    for (const std::string& what : load.unexpected()) ADD_FAILURE() << what;
    const Verdict verdict = CompareWithTables(load.acknowledged(), fleet_.database());
    EXPECT_EQ(verdict.lost, 0);
    EXPECT_EQ(verdict.doubled, 0);
    EXPECT_EQ(verdict.unasked, 0) << "every caller repeated until it knew";
    fleet_.ExpectConserved();
    ExpectReplays(load.acknowledged());
    std::cout << load.operations() << " operations, " << load.retries() << " retries, "
              << verdict.records << " records, lost " << verdict.lost << ", doubled "
              << verdict.doubled << std::endl;
  }

  // A repeat gets the first answer, from whichever replica.
  void ExpectReplays(const Acknowledged& acknowledged) {
    size_t asked = 0;
    for (const auto& [id, kept] : acknowledged.records) {
      if (++asked > 150) break;
      v1::RecordUsageResponse again, first = kept.response;
      const grpc::Status status = fleet_.client(asked).Record(kept.request, again);
      ASSERT_TRUE(status.ok()) << status.error_message();
      EXPECT_TRUE(again.replayed());
      for (auto* answer : {&first, &again}) {
        answer->clear_budgets();
        answer->clear_replayed();  // the first one heard may have been a repeat already
      }
      EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString()) << id;
    }
  }

  Fleet fleet_;
  std::vector<std::string> addresses_;
};

TEST_F(Crash, Kill9OfAReplicaLosesAndDoublesNothing) {
  SteadyLoad load(addresses_, Seed());
  for (size_t round = 0; round < kReplicas; ++round) {
    WarmUp(load);
    ServerProcess& victim = fleet_.server(round);
    load.SetFaulty(static_cast<int>(round));
    const int64_t before = load.retries();
    victim.Signal(SIGKILL);
    ASSERT_EQ(victim.Wait(), 128 + SIGKILL) << "the fault must have fired";
    absl::SleepFor(absl::Seconds(1));
    EXPECT_GT(load.retries(), before) << "otherwise it hit nobody";
    ExpectServed(load);
    fleet_.Restart(round);
    ExpectBack(round);
  }
  ExpectWhatWasAcknowledged(load);
}

TEST_F(Crash, AStoppedReplicaHoldsUpNobodyForLong) {
  SteadyLoad load(addresses_, Seed());
  for (size_t round = 0; round < kReplicas; ++round) {
    WarmUp(load);
    load.SetFaulty(static_cast<int>(round));
    const int64_t before = load.retries();
    fleet_.server(round).Signal(SIGSTOP);
    absl::SleepFor(absl::Seconds(4));
    EXPECT_GT(load.retries(), before) << "calls of the stopped replica must have run out of time";
    ExpectServed(load);
    fleet_.server(round).Signal(SIGCONT);
    ExpectBack(round);
  }
  ExpectWhatWasAcknowledged(load);
}

// A replica that stops in the middle of a transaction leaves its locks; PostgreSQL ends its session
// after two seconds, and those who waited go on.
TEST_F(Crash, TheLocksOfAStoppedReplicaLastTwoSeconds) {
  v1::CheckBudgetResponse response;
  ASSERT_TRUE(fleet_.client(0).Check(CheckOf("first", 1), response).ok());
  for (size_t i = 0; i < kReplicas; ++i) {
    auto stopped = fleet_.database().Connect();  // with the time-outs of a replica's sessions
    ASSERT_TRUE(stopped->Execute("BEGIN").ok());
    const auto locked = stopped->Execute("SELECT id FROM counter FOR NO KEY UPDATE");
    ASSERT_TRUE(locked.ok() && locked->size() == 1) << "the fault must have fired";
    const absl::Time begin = absl::Now();
    const grpc::Status status =
        fleet_.client(i).Check(CheckOf(absl::StrCat("next ", i), 1), response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.decision(), v1::DECISION_ALLOW);
    EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
    EXPECT_GT(absl::Now() - begin, absl::Seconds(1)) << "otherwise it did not have to wait";
  }
  fleet_.ExpectConserved();
}

// Connections that break at any moment, in the middle of a COMMIT too: its outcome is then unknown.
TEST_F(Crash, BrokenConnectionsLoseAndDoubleNothing) {
  SteadyLoad load(addresses_, Seed());
  WarmUp(load);
  postgres::SessionOptions options;
  options.url = fleet_.database().superuser_url();
  auto superuser = postgres::Session::Connect(options).value();
  int64_t cut = 0;
  for (const absl::Time until = absl::Now() + absl::Seconds(4); absl::Now() < until;) {
    const auto rows = superuser->Execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
        "current_database() AND application_name = 'bursar-server' AND state <> 'idle' "
        "AND pid <> pg_backend_pid()");
    ASSERT_TRUE(rows.ok()) << rows.status();
    cut += rows->Int(0, 0);
    absl::SleepFor(absl::Milliseconds(30));
  }
  EXPECT_GT(cut, 20) << "the fault must have fired";
  std::cout << cut << " connections cut\n";
  absl::SleepFor(absl::Seconds(1));
  ExpectWhatWasAcknowledged(load);
}

}  // namespace
}  // namespace bursar::testing
