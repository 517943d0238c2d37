// R6: PostgreSQL commits and its answer never arrives. A proxy between replicas and PostgreSQL
// loses it, by a reset or by silence; whoever does not know asks again, and nothing counts twice.
#include <gtest/gtest.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "support/fault_proxy.h"
#include "support/ledger_checker.h"
#include "support/soak.h"
#include "support/steady_load.h"

namespace bursar::testing {
namespace {

using Fault = FaultProxy::Fault;

constexpr double kRateMin = 100;
// A silent database is given up 2 s after the statement's own 5 s.
constexpr absl::Duration kSilence = absl::Seconds(7);

// Of "host='FOLDER' port=5432 ...".
std::string SocketPath() {
  const std::string& url = TestCluster().url();
  const size_t begin = url.find('\'') + 1;
  return url.substr(begin, url.find('\'', begin) - begin) + "/.s.PGSQL.5432";
}

// One replica that reaches PostgreSQL directly, and two through the proxy.
class LostCommit : public ::testing::Test {
 protected:
  LostCommit() {
    EXPECT_TRUE(fleet_.client(0).CreateBudget("all", LifetimeBudget(1'000'000 * kUsd)).ok());
    EXPECT_TRUE(
        fleet_.client(0).CreateBudget("user", LifetimeBudget(1'000'000 * kUsd, {"user"})).ok());
    addresses_.push_back(fleet_.server(0).address());
    const std::string url =
        absl::StrCat("host=127.0.0.1 port=", proxy_.port(), " dbname=", fleet_.database().name(),
                     " user=bursar sslmode=disable gssencmode=disable");
    for (auto& server : proxied_) {
      server = ServerProcess::On(url);
      addresses_.push_back(server->address());
    }
  }

  // Waits until so many answers more were lost.
  bool WaitForFaults(int count, absl::Duration longest_wait) {
    const int target = proxy_.fired() + count;
    const absl::Time until = absl::Now() + longest_wait;
    while (proxy_.fired() < target && absl::Now() < until) absl::SleepFor(absl::Milliseconds(5));
    return proxy_.fired() >= target;
  }

  void WarmUp(SteadyLoad& load) {
    const int64_t commits = proxy_.commits();
    EXPECT_GE(load.WarmUp(kRateMin), kRateMin);
    EXPECT_GT(proxy_.commits(), commits) << "otherwise nobody commits through the proxy";
  }

  void ExpectNothingLost(SteadyLoad& load) {
    load.Stop();
    for (const std::string& what : load.unexpected()) ADD_FAILURE() << what;
    const Verdict verdict = CompareWithTables(load.acknowledged(), fleet_.database());
    std::cout << proxy_.fired() << " of " << proxy_.commits() << " answers lost; "
              << load.operations() << " operations, " << load.retries() << " retries, "
              << load.replayed() << " repeats recognised, " << verdict.records << " records, lost "
              << verdict.lost << ", doubled " << verdict.doubled << std::endl;
    EXPECT_GT(load.replayed(), 0) << "what was committed unheard must be recognised";
    EXPECT_EQ(verdict.lost, 0);
    EXPECT_EQ(verdict.doubled, 0);
    EXPECT_EQ(verdict.unasked, 0) << "every caller repeated until it knew";
    fleet_.ExpectConserved();
  }

  Fleet fleet_{1};
  FaultProxy proxy_{SocketPath()};
  std::array<std::unique_ptr<ServerProcess>, 2> proxied_;
  std::vector<std::string> addresses_;
};

TEST_F(LostCommit, AResetInsteadOfTheAnswerLosesAndDoublesNothing) {
  SteadyLoad load(addresses_, Seed());
  WarmUp(load);
  proxy_.Set(Fault::kReset, 10);
  EXPECT_TRUE(WaitForFaults(Soaking() ? 5000 : 40, HowLong(absl::Seconds(30))));
  proxy_.Set(Fault::kNone);
  EXPECT_TRUE(load.WaitForOperations(200, absl::Seconds(10))) << "I11: it must recover by itself";
  EXPECT_GE(proxy_.fired(), 40) << "the fault must have fired";
  ExpectNothingLost(load);
}

TEST_F(LostCommit, SilenceInsteadOfTheAnswerLosesAndDoublesNothing) {
  SteadyLoad load(addresses_, Seed());
  const absl::Time until = absl::Now() + HowLong(absl::ZeroDuration());
  do {
    WarmUp(load);
    proxy_.Set(Fault::kBlackHole, 20, 2);
    EXPECT_TRUE(WaitForFaults(2, absl::Seconds(30))) << "the fault must have fired";
    absl::SleepFor(kSilence + absl::Seconds(1));
    proxy_.Set(Fault::kNone);
    const int64_t commits = proxy_.commits();
    EXPECT_TRUE(load.WaitForOperations(200, absl::Seconds(10)));
    EXPECT_GT(proxy_.commits(), commits) << "I11: those behind the proxy must serve again";
  } while (absl::Now() < until);
  ExpectNothingLost(load);
}

}  // namespace
}  // namespace bursar::testing
