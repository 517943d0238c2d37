// Races and mistakes by which others' budgets were passed or emptied, each as a test against real
// servers on one database.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

class LostRaces : public ::testing::Test {
 protected:
  void Create(const std::string& id, const v1::Budget& budget) {
    const grpc::Status status = fleet_.client(0).CreateBudget(id, budget);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  v1::CheckBudgetResponse Check(const v1::CheckBudgetRequest& request) {
    v1::CheckBudgetResponse response;
    const grpc::Status status = fleet_.client(calls_++).Check(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::RecordUsageResponse Record(const v1::RecordUsageRequest& request) {
    v1::RecordUsageResponse response;
    const grpc::Status status = fleet_.client(calls_++).Record(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  std::string Totals() {  // of the budget "all"
    return fleet_.Sql(
        "SELECT spent || ' ' || reserved FROM counter JOIN budget ON uid = budget_uid "
        "WHERE budget_id = 'all'");
  }

  Fleet fleet_{3};
  size_t calls_ = 0;
};

v1::CheckBudgetRequest OfUser(v1::CheckBudgetRequest request, const std::string& user) {
  request.mutable_subject()->set_user(user);
  return request;
}

// A user whom nobody has seen has no counter yet; the first calls of all must meet on one.
TEST_F(LostRaces, TheFirstCallsOfANewUserMeetItsBudget) {
  Create("user", LifetimeBudget(kUsd, {"user"}));
  for (int round = 0; round < 10; ++round) {
    const std::string user = absl::StrCat("new-", round);
    std::atomic<int> admitted = 0;
    std::vector<std::thread> replicas;
    for (size_t replica = 0; replica < fleet_.size(); ++replica) {
      replicas.emplace_back([&, replica] {
        std::vector<v1::CheckBudgetRequest> requests;
        for (int i = 0; i < 20; ++i) {
          requests.push_back(
              OfUser(CheckOf(absl::StrCat(user, "/", replica, "/", i), 10 * kCent), user));
        }
        for (const auto& response : fleet_.client(replica).CheckAll(requests)) {
          admitted += response.decision() == v1::DECISION_ALLOW;
        }
      });
    }
    for (auto& replica : replicas) replica.join();
    EXPECT_EQ(admitted, 10) << "ten cents each, of a dollar";
  }
  EXPECT_EQ(fleet_.Sql("SELECT count(*) || ' ' || max(reserved) FROM counter"),
            absl::StrCat("10 ", kUsd));
  fleet_.ExpectConserved();
}

// A call that says no max_tokens holds what its model can send at most, or the tenant's default;
// not all that is left, which would deny everybody else.
TEST_F(LostRaces, ACallWithoutMaxTokensLeavesRoomForOthers) {
  Create("all", LifetimeBudget(10 * kUsd));
  auto request = CheckOf("", 0);
  request.clear_cost_nanousd();
  request.mutable_model()->set_provider("openai");
  request.mutable_model()->set_name("gpt-4o");
  request.mutable_tokens()->set_uncached_input_tokens(1000);
  request.set_request_id("silent");
  const auto silent = Check(request);
  ASSERT_EQ(silent.decision(), v1::DECISION_ALLOW) << silent.message();
  request.set_request_id("the same");
  request.set_max_output_tokens(silent.reservation().max_output_tokens());
  const auto said = Check(request);
  ASSERT_EQ(said.decision(), v1::DECISION_ALLOW) << said.message();
  EXPECT_EQ(silent.reservation().max_output_tokens(), 4096);
  EXPECT_EQ(silent.reservation().reserved_nanousd(), said.reservation().reserved_nanousd());
  EXPECT_LT(silent.reservation().reserved_nanousd(), kUsd);
}

// However a call ends, its hold ends with it; afterwards the whole budget can be held again.
TEST_F(LostRaces, NoHoldOutlivesItsCall) {
  constexpr int64_t kLimit = 100 * kCent;
  Create("all", LifetimeBudget(kLimit));
  const v1::Outcome ends[] = {v1::OUTCOME_FAILED, v1::OUTCOME_NOT_EXECUTED, v1::OUTCOME_SUCCEEDED};
  for (int i = 0; i < 60; ++i) {
    auto request = CheckOf(absl::StrCat("call ", i), 30 * kCent);
    request.mutable_ttl()->set_seconds(1);
    const bool allowed = Check(request).decision() == v1::DECISION_ALLOW;
    auto other = request;
    other.set_cost_nanousd(1);
    v1::CheckBudgetResponse refused;
    if (allowed) {
      EXPECT_EQ(fleet_.client(i).Check(other, refused).error_code(),
                grpc::StatusCode::ALREADY_EXISTS);
    }
    EXPECT_EQ(Check(CheckOf(absl::StrCat("too much ", i), kLimit + 1)).decision(),
              v1::DECISION_DENY);
    auto dry = CheckOf("", 10 * kCent);
    dry.set_dry_run(true);
    Check(dry);
    if (i % 5 == 0) continue;  // forgotten
    if (i % 5 == 1) {
      v1::ReleaseReservationResponse released;
      EXPECT_EQ(fleet_.client(i).Release(request.request_id(), released).ok(), allowed);
      continue;
    }
    auto record = RecordOf(request.request_id() + "/used", 0, request.request_id());
    record.set_outcome(ends[i % 3]);
    Record(record);
  }
  absl::SleepFor(absl::Seconds(1));
  const auto all = Check(CheckOf("everything", kLimit));
  EXPECT_EQ(all.decision(), v1::DECISION_ALLOW) << all.message();
  EXPECT_EQ(Totals(), absl::StrCat("0 ", kLimit));
  fleet_.ExpectConserved();
}

// What a caller never heard of is not held for ever: its id still settles it, and its time ends it.
TEST_F(LostRaces, ACallWhoseAnswerWasLostHoldsNothingInTheEnd) {
  Create("all", LifetimeBudget(kUsd));
  RpcClient hasty(fleet_.server(0).address());
  hasty.set_deadline(std::chrono::milliseconds(1));
  int unheard = 0, recorded = 0;
  for (int i = 0; i < 3000 && unheard < 10; ++i) {
    auto request = CheckOf(absl::StrCat("unheard ", i), kCent);
    request.mutable_ttl()->set_seconds(1);
    v1::CheckBudgetResponse response;
    unheard += !hasty.Check(request, response).ok();
    if (i % 2 == 0) continue;
    Record(RecordOf(absl::StrCat("used ", i), 7, request.request_id()));
    ++recorded;
  }
  EXPECT_EQ(unheard, 10) << "otherwise all were heard";
  absl::SleepFor(absl::Seconds(1.2));
  EXPECT_EQ(Check(CheckOf("rest", kUsd - recorded * 7)).decision(), v1::DECISION_ALLOW);
  EXPECT_EQ(Totals(), absl::StrCat(recorded * 7, " ", kUsd - recorded * 7));
  fleet_.ExpectConserved();
}

// Whatever is done to a budget, what was spent stays spent.
TEST_F(LostRaces, NoChangeOfABudgetWipesWhatWasSpent) {
  Create("all", LifetimeBudget(kUsd));
  Check(CheckOf("held", 20 * kCent));
  Record(RecordOf("used", 50 * kCent));
  v1::UpdateBudgetRequest request;
  request.mutable_budget()->set_name("budgets/all");
  for (const int64_t limit : {10 * kUsd, int64_t{0}, kUsd}) {
    request.mutable_budget()->set_limit_nanousd(limit);
    request.mutable_update_mask()->clear_paths();
    request.mutable_update_mask()->add_paths("limit_nanousd");
    v1::UpdateBudgetResponse response;
    ASSERT_TRUE(fleet_.client(calls_++).Call(&Admin::UpdateBudget, request, response).ok());
    EXPECT_EQ(Check(CheckOf(absl::StrCat("above ", limit), limit)).decision(), v1::DECISION_DENY);
  }
  fleet_.server(0).Signal(SIGKILL);
  fleet_.server(0).Wait();
  fleet_.Restart(0);
  EXPECT_EQ(Totals(), absl::StrCat(50 * kCent, " ", 20 * kCent));
  EXPECT_EQ(Check(CheckOf("rest", 30 * kCent)).decision(), v1::DECISION_ALLOW);
  EXPECT_EQ(Check(CheckOf("more", 1)).decision(), v1::DECISION_DENY);
}

// A stream that breaks off has cost what was seen of it; one of which nothing was seen, its
// estimate.
TEST_F(LostRaces, AStreamThatWasCutOffIsCharged) {
  Create("all", LifetimeBudget(10 * kUsd));
  for (const char* id : {"seen", "unseen"}) {
    auto request = CheckOf(id, 0);
    request.clear_cost_nanousd();
    request.mutable_model()->set_provider("openai");
    request.mutable_model()->set_name("gpt-4o");
    request.mutable_tokens()->set_uncached_input_tokens(1000);
    request.set_max_output_tokens(1000);
    ASSERT_EQ(Check(request).decision(), v1::DECISION_ALLOW);
  }
  v1::ExtendReservationRequest extend;
  extend.set_reservation_id("seen");
  extend.mutable_observed()->set_uncached_input_tokens(1000);
  extend.mutable_observed()->set_visible_output_tokens(100);
  v1::ExtendReservationResponse extended;
  ASSERT_TRUE(fleet_.client(0).Call(&Telemetry::ExtendReservation, extend, extended).ok());
  const int64_t observed = extended.reservation().observed_nanousd();
  const int64_t estimate = extended.reservation().reserved_nanousd();
  EXPECT_GT(observed, 0);
  EXPECT_LT(observed, estimate);
  for (const char* id : {"seen", "unseen"}) {
    v1::RecordUsageRequest record;
    record.set_usage_id(absl::StrCat(id, "/cut off"));
    record.set_reservation_id(id);
    record.set_outcome(v1::OUTCOME_CANCELLED);
    EXPECT_EQ(Record(record).cost_nanousd(), id == std::string("seen") ? observed : estimate);
  }
  EXPECT_EQ(Totals(), absl::StrCat(observed + estimate, " 0"));
  fleet_.ExpectConserved();
}

// Another tenant's budgets bind nobody here, and its ids are not known here.
TEST_F(LostRaces, AnotherTenantsBudgetsAndIdsAreNobodyElses) {
  Create("all", LifetimeBudget(kUsd));
  fleet_.Sql("INSERT INTO tenant (tenant_id) VALUES ('other')");
  fleet_.Sql(
      "INSERT INTO budget SELECT gen_random_uuid(), 'other', budget_id, display_name, selector, "
      "group_by, require_group, unit, 0, window_kind, time_zone, mode, overrides, "
      "threshold_percents, frozen, expire_time, etag, create_time, update_time "
      "FROM budget WHERE budget_id = 'all'");
  fleet_.Sql("UPDATE tenant SET budget_epoch = budget_epoch + 1");
  const auto response = Check(CheckOf("mine", kUsd));
  EXPECT_EQ(response.decision(), v1::DECISION_ALLOW) << response.message();
  ASSERT_EQ(response.budgets_size(), 1);
  EXPECT_EQ(response.budgets(0).limit(), kUsd);
  fleet_.Sql("UPDATE reservation SET tenant_id = 'other'");
  v1::ReleaseReservationResponse released;
  EXPECT_EQ(fleet_.client(1).Release("mine", released).error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace bursar::testing
