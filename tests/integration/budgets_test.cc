// Budgets as operators keep them, and how a change of one binds every replica.
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

using grpc::StatusCode;

class Budgets : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { fleet_ = new Fleet(2); }
  static void TearDownTestSuite() { delete fleet_; }
  static Fleet& fleet() { return *fleet_; }
  static RpcClient& a() { return fleet_->client(0); }
  static RpcClient& b() { return fleet_->client(1); }

  static grpc::Status Update(const v1::Budget& budget, const std::vector<std::string>& paths,
                             v1::Budget* changed = nullptr) {
    v1::UpdateBudgetRequest request;
    *request.mutable_budget() = budget;
    for (const auto& path : paths) request.mutable_update_mask()->add_paths(path);
    v1::UpdateBudgetResponse response;
    const grpc::Status status = a().Call(&Admin::UpdateBudget, request, response);
    if (changed != nullptr) *changed = response.budget();
    return status;
  }
  static grpc::Status Get(const std::string& id, v1::Budget* budget, RpcClient& client = b()) {
    v1::GetBudgetRequest request;
    request.set_name("budgets/" + id);
    v1::GetBudgetResponse response;
    const grpc::Status status = client.Call(&Admin::GetBudget, request, response);
    *budget = response.budget();
    return status;
  }
  static grpc::Status Delete(const std::string& id, const std::string& etag = "") {
    v1::DeleteBudgetRequest request;
    request.set_name("budgets/" + id);
    request.set_etag(etag);
    v1::DeleteBudgetResponse response;
    return a().Call(&Admin::DeleteBudget, request, response);
  }
  // A dry run for a project: what a replica decides now.
  static v1::CheckBudgetResponse Try(RpcClient& client, const std::string& project,
                                     int64_t cost_nanousd) {
    auto request = CheckOf("", cost_nanousd);
    request.set_dry_run(true);
    request.mutable_subject()->set_project(project);
    v1::CheckBudgetResponse response;
    const grpc::Status status = client.Check(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

 private:
  static inline Fleet* fleet_ = nullptr;
};

TEST_F(Budgets, TheDefaultBudgetHoldsFiftyCentsForEachRunAndItsSubAgents) {
  auto request = CheckOf("parent", 40 * kCent);
  request.mutable_subject()->set_run("r1");
  v1::CheckBudgetResponse response;
  ASSERT_TRUE(a().Check(request, response).ok());
  EXPECT_EQ(response.decision(), v1::DECISION_ALLOW);
  ASSERT_EQ(response.budgets_size(), 1);
  EXPECT_EQ(response.budgets(0).budget(), "budgets/run-cap");
  EXPECT_EQ(response.budgets(0).limit(), 50 * kCent);
  auto child = CheckOf("child", 20 * kCent);
  child.mutable_subject()->set_run("r1/child");
  child.mutable_subject()->set_parent_run("r1");
  child.mutable_subject()->set_root_run("r1");
  ASSERT_TRUE(b().Check(child, response).ok());
  EXPECT_EQ(response.decision(), v1::DECISION_DENY);
  EXPECT_EQ(response.binding_budget(), "budgets/run-cap");
  EXPECT_EQ(response.reason(), "BUDGET_HELD");
  child.mutable_subject()->set_root_run("r2");  // another tree
  ASSERT_TRUE(b().Check(child, response).ok());
  EXPECT_EQ(response.decision(), v1::DECISION_ALLOW);
}

TEST_F(Budgets, WhatIsCreatedIsWhatIsReadOnEveryReplica) {
  v1::Budget budget = OfProject(LifetimeBudget(kUsd, {"user", "label:env"}), "crud");
  budget.set_display_name("Für alle \xf0\x9f\x92\xb0");
  budget.mutable_window()->set_kind(v1::Window::KIND_MONTH);
  budget.mutable_window()->set_time_zone("Asia/Kolkata");
  budget.set_mode(v1::ENFORCEMENT_MODE_SOFT);
  budget.add_threshold_percents(50);
  auto* entry = budget.add_overrides();
  (*entry->mutable_group())["user"] = "u";
  (*entry->mutable_group())["label:env"] = "prod";
  entry->set_limit(5 * kUsd);
  entry->mutable_expire_time()->set_seconds(2'000'000'000);
  entry->set_reason("a raise");
  ASSERT_TRUE(a().CreateBudget("crud", budget).ok());
  v1::Budget made;
  ASSERT_TRUE(Get("crud", &made).ok());
  EXPECT_FALSE(made.etag().empty());
  EXPECT_EQ(made.name(), "budgets/crud");
  EXPECT_EQ(made.state(), v1::Budget::STATE_ACTIVE);
  v1::Budget same = made;  // but for what the server fills in
  same.clear_name(), same.clear_etag(), same.clear_state();
  same.clear_create_time(), same.clear_update_time();
  EXPECT_EQ(same.DebugString(), budget.DebugString());
  const grpc::Status again = b().CreateBudget("crud", budget);
  EXPECT_EQ(again.error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(DetailsOf(again).reason, "BUDGET_EXISTS");
}

TEST_F(Budgets, AnUpdateChangesWhatItsMaskNamesAndItsEtagCountsOnce) {
  ASSERT_TRUE(a().CreateBudget("update", OfProject(LifetimeBudget(kUsd), "update")).ok());
  v1::Budget budget, changed;
  ASSERT_TRUE(Get("update", &budget).ok());
  budget.set_limit_nanousd(2 * kUsd);
  budget.set_display_name("not in the mask");
  ASSERT_TRUE(Update(budget, {"limit_nanousd"}, &changed).ok());
  EXPECT_EQ(changed.limit_nanousd(), 2 * kUsd);
  EXPECT_EQ(changed.display_name(), "");
  EXPECT_NE(changed.etag(), budget.etag());
  const grpc::Status stale = Update(budget, {"display_name"});
  EXPECT_EQ(stale.error_code(), StatusCode::ABORTED);
  EXPECT_EQ(DetailsOf(stale).reason, "ETAG_MISMATCH");
  EXPECT_EQ(Delete("update", budget.etag()).error_code(), StatusCode::ABORTED);
  changed.set_state(v1::Budget::STATE_FROZEN);
  ASSERT_TRUE(Update(changed, {"state"}, &changed).ok());
  EXPECT_EQ(Try(b(), "update", 1).reason(), "BUDGET_FROZEN");
  EXPECT_TRUE(Delete("update", changed.etag()).ok());
  EXPECT_EQ(Get("update", &budget).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Delete("update").error_code(), StatusCode::NOT_FOUND);
}

TEST_F(Budgets, AListIsCompleteInPagesOfAnySize) {
  std::set<std::string> expected = {"budgets/run-cap"};
  for (int i = 0; i < 7; ++i) {
    const std::string id = absl::StrCat("list-", i);
    ASSERT_TRUE(a().CreateBudget(id, OfProject(LifetimeBudget(kUsd), "list")).ok());
    expected.insert("budgets/" + id);
  }
  for (int page_size : {1, 2, 3, 100}) {
    std::vector<std::string> names;
    v1::ListBudgetsRequest request;
    request.set_page_size(page_size);
    do {
      v1::ListBudgetsResponse response;
      ASSERT_TRUE(b().Call(&Admin::ListBudgets, request, response).ok());
      EXPECT_LE(response.budgets_size(), page_size);
      for (const auto& budget : response.budgets()) names.push_back(budget.name());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty() && names.size() < 1000);
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
    const std::set<std::string> found(names.begin(), names.end());
    EXPECT_EQ(found.size(), names.size()) << "no budget twice";
    EXPECT_TRUE(std::includes(found.begin(), found.end(), expected.begin(), expected.end()));
  }
}

// The answer of UpdateBudget came before the check began, so the check must know it.
TEST_F(Budgets, AChangedLimitBindsOnAnotherReplicaAtOnce) {
  ASSERT_TRUE(a().CreateBudget("now", OfProject(LifetimeBudget(0), "now")).ok());
  v1::Budget budget;
  budget.set_name("budgets/now");
  for (int round = 0; round < 60; ++round) {
    const int64_t limit = round % 2 == 0 ? kUsd : 10;
    budget.set_limit_nanousd(limit);
    ASSERT_TRUE(Update(budget, {"limit_nanousd"}).ok());
    EXPECT_EQ(Try(b(), "now", limit).decision(), v1::DECISION_ALLOW) << "round " << round;
    const auto denied = Try(b(), "now", limit + 1);
    EXPECT_EQ(denied.decision(), v1::DECISION_DENY) << "round " << round;
    ASSERT_EQ(denied.budgets_size(), 1);
    EXPECT_EQ(denied.budgets(0).limit(), limit);
  }
}

TEST_F(Budgets, ADeletedBudgetBindsNobodyAndOneMadeAnewCountsAfresh) {
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(a().CreateBudget("again", OfProject(LifetimeBudget(100), "again")).ok());
    auto record = RecordOf(absl::StrCat("again ", round), 100);
    record.mutable_subject()->set_project("again");
    v1::RecordUsageResponse response;
    ASSERT_TRUE(b().Record(record, response).ok());
    ASSERT_EQ(response.budgets_size(), 1);
    EXPECT_EQ(response.budgets(0).spent(), 100);
    EXPECT_EQ(Try(b(), "again", 1).decision(), v1::DECISION_DENY);
    ASSERT_TRUE(Delete("again").ok());
    const auto free = Try(b(), "again", 1'000'000);
    EXPECT_EQ(free.decision(), v1::DECISION_ALLOW);
    EXPECT_EQ(free.budgets_size(), 0);
  }
  fleet().ExpectConserved();
}

TEST_F(Budgets, AHoldInADeletedBudgetCanStillBeSettled) {
  ASSERT_TRUE(a().CreateBudget("gone", OfProject(LifetimeBudget(kUsd), "gone")).ok());
  auto check = CheckOf("gone", 10);
  check.mutable_subject()->set_project("gone");
  v1::CheckBudgetResponse checked;
  ASSERT_TRUE(a().Check(check, checked).ok());
  ASSERT_TRUE(Delete("gone").ok());
  v1::RecordUsageResponse recorded;
  ASSERT_TRUE(b().Record(RecordOf("gone", 12, "gone"), recorded).ok());
  EXPECT_EQ(recorded.overrun_nanousd(), 2);
  EXPECT_EQ(recorded.budgets_size(), 0);
  fleet().ExpectConserved();
}

TEST_F(Budgets, TokensAndCallsAreCountedInTheirOwnUnit) {
  v1::Budget tokens = OfProject(LifetimeBudget(0), "units"), calls = tokens;
  tokens.set_limit_tokens(1000);
  calls.set_limit_calls(3);
  ASSERT_TRUE(a().CreateBudget("unit-tokens", tokens).ok());
  ASSERT_TRUE(a().CreateBudget("unit-calls", calls).ok());
  auto record = RecordOf("units", 7);
  record.mutable_subject()->set_project("units");
  record.mutable_tokens()->set_uncached_input_tokens(300);
  record.mutable_tokens()->set_reasoning_tokens(200);
  v1::RecordUsageResponse response;
  ASSERT_TRUE(a().Record(record, response).ok());
  std::map<std::string, int64_t> spent;
  for (const auto& status : response.budgets()) spent[status.budget()] = status.spent();
  EXPECT_EQ(spent["budgets/unit-tokens"], 500);
  EXPECT_EQ(spent["budgets/unit-calls"], 1);
  record.set_usage_id("a tool's");
  record.set_event_type("tool_call");  // a budget in calls counts model calls
  ASSERT_TRUE(a().Record(record, response).ok());
  EXPECT_EQ(Try(b(), "units", 1).reason(), "TOKENS_UNKNOWN");
  EXPECT_EQ(fleet().Number("SELECT spent FROM counter JOIN budget ON uid = budget_uid "
                           "WHERE budget_id = 'unit-calls'"),
            1);
}

TEST_F(Budgets, OneBadRecordAmongAThousandIsNamedAndTheOthersAreStored) {
  ASSERT_TRUE(a().CreateBudget("batch", OfProject(LifetimeBudget(kUsd), "batch")).ok());
  v1::BatchRecordUsageRequest request;
  for (int i = 0; i < 1000; ++i) {
    *request.add_records() = RecordOf(absl::StrCat("batch ", i), 1 + i);
    request.mutable_records(i)->mutable_subject()->set_project("batch");
  }
  request.mutable_records(617)->mutable_tokens()->set_cache_read_tokens(-1);
  for (bool again : {false, true}) {
    v1::BatchRecordUsageResponse response;
    RpcClient& client = again ? b() : a();
    ASSERT_TRUE(client.Call(&Telemetry::BatchRecordUsage, request, response).ok());
    ASSERT_EQ(response.results_size(), 1000);
    for (int i = 0; i < 1000; ++i) {
      const auto& result = response.results(i);
      if (i == 617) {
        EXPECT_EQ(result.code(), static_cast<int>(StatusCode::INVALID_ARGUMENT));
        EXPECT_TRUE(result.message().starts_with("records[617].tokens.cache_read_tokens: "))
            << result.message();
        continue;
      }
      EXPECT_EQ(result.code(), 0) << result.message();
      EXPECT_EQ(result.response().cost_nanousd(), 1 + i) << "in the order of the request";
      EXPECT_EQ(result.response().replayed(), again);
    }
    EXPECT_EQ(fleet().Number("SELECT count(*) FROM usage_record WHERE project = 'batch'"), 999);
  }
  EXPECT_EQ(fleet().Number("SELECT spent FROM counter JOIN budget ON uid = budget_uid "
                           "WHERE budget_id = 'batch'"),
            500500 - 618);
}

}  // namespace
}  // namespace bursar::testing
