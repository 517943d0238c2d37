// R2: many ask for the last dollar at once, through three replicas of the real server on one
// database.
#include <gtest/gtest.h>

#include <iostream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "support/rpc_client.h"
#include "support/server_process.h"
#include "support/test_database.h"

namespace bursar::testing {
namespace {

constexpr int64_t kDollar = 1'000'000'000;

// Three replicas; requests go to them in turn.
class Replicas {
 public:
  Replicas() {
    for (int i = 0; i < 3; ++i) {
      servers_.push_back(ServerProcess::On(database_.url()));
      clients_.push_back(std::make_unique<RpcClient>(servers_.back()->address()));
    }
  }

  RpcClient& client(int index) { return *clients_[index % clients_.size()]; }

  // Everybody at once; how many were admitted.
  int Race(const std::vector<v1::CheckBudgetRequest>& requests) {
    std::vector<std::vector<v1::CheckBudgetRequest>> parts(clients_.size());
    for (size_t i = 0; i < requests.size(); ++i) parts[i % parts.size()].push_back(requests[i]);
    std::vector<int> admitted(parts.size()), failed(parts.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < parts.size(); ++i) {
      threads.emplace_back([&, i] {
        for (const auto& answer : clients_[i]->CheckAll(parts[i], &failed[i])) {
          admitted[i] += answer.decision() == v1::DECISION_ALLOW;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(failed[0] + failed[1] + failed[2], 0) << "calls that failed";
    return admitted[0] + admitted[1] + admitted[2];
  }

  int64_t Sql(const std::string& query) {
    auto session = database_.Connect();
    return session->Execute(query.c_str()).value().Int(0, 0);
  }

 private:
  TestDatabase database_;
  std::vector<std::unique_ptr<ServerProcess>> servers_;
  std::vector<std::unique_ptr<RpcClient>> clients_;
};

std::string ReservedOf(const std::string& budget) {
  return absl::StrCat(
      "SELECT coalesce(sum(reserved + spent), 0)::bigint FROM counter "
      "JOIN budget ON uid = budget_uid WHERE budget_id = '",
      budget, "'");
}

std::vector<v1::CheckBudgetRequest> Checks(const std::string& prefix, int count,
                                           int64_t cost_nanousd, const std::string& project) {
  std::vector<v1::CheckBudgetRequest> requests;
  for (int i = 0; i < count; ++i) {
    requests.push_back(CheckOf(absl::StrCat(prefix, "/", i), cost_nanousd));
    requests.back().mutable_subject()->set_project(project);
  }
  return requests;
}

v1::Budget ForProject(v1::Budget budget, const std::string& project) {
  auto* filter = budget.add_selector();
  filter->set_dimension("project");
  filter->add_values(project);
  return budget;
}

TEST(Race, AThousandAskForFiveDollarsAndExactlyFiftyGetTenCents) {
  Replicas replicas;
  for (int round = 0; round < 20; ++round) {
    const std::string name = absl::StrCat("race-", round);
    ASSERT_TRUE(
        replicas.client(0).CreateBudget(name, ForProject(LifetimeBudget(5 * kDollar), name)).ok());
    const absl::Time begin = absl::Now();
    EXPECT_EQ(replicas.Race(Checks(name, 1000, kDollar / 10, name)), 50) << "round " << round;
    std::cout << "round " << round << ": 1000 checks in " << absl::Now() - begin << "\n";
    EXPECT_EQ(replicas.Sql(ReservedOf(name)), 5 * kDollar);
  }
}

TEST(Race, OtherCrowdsAreAdmittedExactlyToo) {
  Replicas replicas;
  for (int count : {100, 5000}) {
    const std::string name = absl::StrCat("crowd-", count);
    ASSERT_TRUE(
        replicas.client(0).CreateBudget(name, ForProject(LifetimeBudget(5 * kDollar), name)).ok());
    EXPECT_EQ(replicas.Race(Checks(name, count, kDollar / 10, name)), 50) << count;
    EXPECT_EQ(replicas.Sql(ReservedOf(name)), 5 * kDollar);
  }
}

// All three levels must fit: the middle one is the tightest, and the others hold no more than it.
TEST(Race, AThreeLevelHierarchyHoldsAllOrNothing) {
  Replicas replicas;
  RpcClient& client = replicas.client(0);
  ASSERT_TRUE(client.CreateBudget("project", LifetimeBudget(9 * kDollar, {"project"})).ok());
  ASSERT_TRUE(client.CreateBudget("team", LifetimeBudget(5 * kDollar, {"project", "team"})).ok());
  ASSERT_TRUE(client.CreateBudget("user", LifetimeBudget(2 * kDollar, {"user"})).ok());
  auto requests = Checks("h", 1000, kDollar / 10, "p");
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].mutable_subject()->set_team("t");
    requests[i].mutable_subject()->set_user(absl::StrCat("user-", i % 10));
  }
  EXPECT_EQ(replicas.Race(requests), 50);
  for (const char* budget : {"project", "team", "user"}) {
    EXPECT_EQ(replicas.Sql(ReservedOf(budget)), 5 * kDollar) << budget;
  }
  EXPECT_LE(replicas.Sql("SELECT max(reserved) FROM counter JOIN budget ON uid = budget_uid "
                         "WHERE budget_id = 'user'"),
            2 * kDollar);
}

}  // namespace
}  // namespace bursar::testing
