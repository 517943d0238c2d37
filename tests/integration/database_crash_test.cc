// R4: PostgreSQL is killed again and again while callers go on, and a replica is stopped while it
// holds locks. Nothing that was acknowledged is lost or counted twice, and nobody is restarted but
// PostgreSQL.
#include <gtest/gtest.h>
#include <signal.h>

#include <iostream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "support/ledger_checker.h"
#include "support/soak.h"
#include "support/steady_load.h"

namespace bursar::testing {
namespace {

constexpr double kRateMin = 100;  // operations a second before a fault, or it proves nothing
constexpr absl::Duration kRecovery = absl::Seconds(10);

class DatabaseCrash : public ::testing::Test {
 protected:
  DatabaseCrash() {
    v1::Budget daily = LifetimeBudget(1'000'000 * kUsd, {"user"});
    daily.mutable_window()->set_kind(v1::Window::KIND_DAY);
    EXPECT_TRUE(fleet_.client(0).CreateBudget("all", LifetimeBudget(1'000'000 * kUsd)).ok());
    EXPECT_TRUE(fleet_.client(0).CreateBudget("user-day", daily).ok());
    for (size_t i = 0; i < fleet_.size(); ++i) addresses_.push_back(fleet_.server(i).address());
  }

  // Enough work runs around a fault.
  static void WarmUp(SteadyLoad& load) { EXPECT_GE(load.WarmUp(kRateMin), kRateMin); }

  void ExpectNothingLost(SteadyLoad& load) {
    load.Stop();
    for (const std::string& what : load.unexpected()) ADD_FAILURE() << what;
    const Verdict verdict = CompareWithTables(load.acknowledged(), fleet_.database());
    std::cout << load.operations() << " operations, " << load.retries() << " retries, "
              << load.replayed() << " repeats recognised, " << verdict.records << " records, lost "
              << verdict.lost << ", doubled " << verdict.doubled << std::endl;
    EXPECT_EQ(verdict.lost, 0);
    EXPECT_EQ(verdict.doubled, 0);
    EXPECT_EQ(verdict.unasked, 0) << "every caller repeated until it knew";
    fleet_.ExpectConserved();
  }

  // Stops a process of PostgreSQL's in the middle of a replica's transaction.
  struct Interrupted {
    pid_t backend = 0;
    std::string xid;
  };
  Interrupted StopATransaction() {
    constexpr char kUnderWay[] =
        "SELECT pid || ' ' || backend_xid FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'bursar-server' AND backend_xid IS NOT NULL "
        "AND pid <> pg_backend_pid() LIMIT 1";
    auto session = fleet_.database().Connect();
    for (int look = 0; look < 2000; ++look) {
      const std::string before = fleet_.Sql(kUnderWay);
      if (before.empty()) continue;
      const size_t space = before.find(' ');
      const Interrupted stopped{std::stoi(before), before.substr(space + 1)};
      kill(stopped.backend, SIGSTOP);
      // No answer: it was stopped with a lock of PostgreSQL's own, which this query needs too.
      const auto under_way = session->Execute(
          absl::StrCat("SELECT backend_xid FROM pg_stat_activity WHERE pid = ", stopped.backend)
              .c_str());
      if (under_way.ok() && under_way->size() == 1 && under_way->Text(0, 0) == stopped.xid) {
        return stopped;
      }
      kill(stopped.backend, SIGCONT);
      if (!under_way.ok()) session = fleet_.database().Connect();
    }
    return {};
  }

  // And starts it again, as the server does with its own.
  static void KillPostmaster(pid_t stopped_backend) {
    const int killed = TestCluster().pid();
    ASSERT_EQ(kill(killed, SIGKILL), 0);
    kill(stopped_backend, SIGKILL);  // or it would outlive its postmaster
    while (TestCluster().pid() == killed) ASSERT_TRUE(TestCluster().EnsureRunning().ok());
  }

  Fleet fleet_{3};
  std::vector<std::string> addresses_;
};

TEST_F(DatabaseCrash, Kill9OfPostgresLosesAndDoublesNothing) {
  SteadyLoad load(addresses_, Seed());
  const absl::Time until = absl::Now() + HowLong(absl::ZeroDuration());
  int postmasters = 0, backends = 0;
  std::map<std::string, int> outcomes;  // of the transactions that were interrupted
  for (int round = 0; round < 2 || absl::Now() < until; ++round) {
    WarmUp(load);
    const Interrupted interrupted = StopATransaction();
    ASSERT_NE(interrupted.backend, 0) << "otherwise nothing is interrupted";
    if (round % 2 == 0) {
      KillPostmaster(interrupted.backend);
      ++postmasters;
    } else {
      backends += kill(interrupted.backend, SIGKILL) == 0;  // PostgreSQL ends all others, recovers
    }
    ASSERT_TRUE(load.WaitForOperations(50, kRecovery)) << "I11: it must serve again by itself";
    // Its commit record may have been written already; then nobody heard of it.
    ++outcomes[fleet_.Sql("SELECT pg_xact_status('" + interrupted.xid + "')")];
  }
  EXPECT_GE(postmasters, 1);
  EXPECT_GE(backends, 1);
  EXPECT_EQ(outcomes["aborted"] + outcomes["committed"], postmasters + backends);
  std::cout << postmasters << " postmasters and " << backends << " backends killed; of the "
            << "transactions interrupted " << outcomes["committed"] << " were committed unheard"
            << std::endl;
  ExpectNothingLost(load);
}

// The replica holds the locks of a transaction and does not go on: PostgreSQL ends its session
// after two seconds, and everybody else goes on.
TEST_F(DatabaseCrash, AReplicaStoppedBetweenLockAndWriteHoldsUpNobodyForLong) {
  // One more replica, which is slow there where builds have fail points, so that it can be caught.
  setenv("BURSAR_FAIL_POINT", "after_lock=delay:100@5", 1);
  fleet_.Add();
  unsetenv("BURSAR_FAIL_POINT");
  const int replica = static_cast<int>(fleet_.size()) - 1;
  addresses_.push_back(fleet_.server(replica).address());
  SteadyLoad load(addresses_, Seed());
  int caught = 0, tries = 0;
  const int wanted = Soaking() ? 20 : 1;
  for (; caught < wanted && tries < 400 * wanted; ++tries) {
    if (tries == 0) WarmUp(load);
    fleet_.server(replica).Signal(SIGSTOP);
    absl::SleepFor(absl::Milliseconds(50));
    const bool holds_locks =
        fleet_.Number(
            "SELECT count(*) FROM pg_stat_activity a WHERE datname = current_database() "
            "AND state = 'idle in transaction' AND backend_xid IS NOT NULL AND "
            "state_change < clock_timestamp() - interval '40 ms'") > 0;
    if (holds_locks) {
      ++caught;
      load.SetFaulty(replica);
      absl::SleepFor(absl::Seconds(3));
      EXPECT_LT(load.longest(), absl::Seconds(3)) << "of the other replicas";
      EXPECT_TRUE(load.WaitForOperations(50, absl::Seconds(3))) << "the others must go on";
    }
    fleet_.server(replica).Signal(SIGCONT);
    load.SetFaulty(-1);
    if (holds_locks) {
      EXPECT_TRUE(load.WaitForOperations(100, kRecovery)) << "I11";
    }
  }
  std::cout << "caught holding locks " << caught << " times in " << tries << " tries" << std::endl;
  EXPECT_EQ(caught, wanted) << "the fault must have fired";
  ExpectNothingLost(load);
}

}  // namespace
}  // namespace bursar::testing
