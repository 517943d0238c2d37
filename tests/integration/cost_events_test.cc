// What operators want to be told stands in cost_event, written with what it tells of.
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

class CostEvents : public ::testing::Test {
 protected:
  v1::CheckBudgetResponse Check(size_t replica, const std::string& id, int64_t cost_nanousd,
                                int64_t ttl_seconds = 300) {
    auto request = CheckOf(id, cost_nanousd);
    request.mutable_subject()->set_user("carol");
    request.mutable_ttl()->set_seconds(ttl_seconds);
    v1::CheckBudgetResponse response;
    EXPECT_TRUE(fleet_.client(replica).Check(request, response).ok());
    return response;
  }
  v1::RecordUsageResponse Record(size_t replica, const std::string& id, int64_t cost_nanousd,
                                 const std::string& reservation) {
    v1::RecordUsageResponse response;
    auto request = RecordOf(id, cost_nanousd, reservation);
    EXPECT_TRUE(fleet_.client(replica).Record(request, response).ok());
    return response;
  }
  // "what|what", oldest first.
  std::string Events(const std::string& what, const std::string& kind) {
    return fleet_.Sql(absl::StrCat("SELECT string_agg(", what,
                                   ", '|' ORDER BY event_time, threshold_percent) "
                                   "FROM cost_event WHERE kind = ",
                                   kind));
  }
  void WaitFor(const std::string& query, const std::string& wanted) {
    const absl::Time end = absl::Now() + absl::Seconds(10);
    while (fleet_.Sql(query) != wanted && absl::Now() < end) absl::SleepFor(absl::Milliseconds(50));
    EXPECT_EQ(fleet_.Sql(query), wanted);
  }

  Fleet fleet_{2};
};

constexpr char kThreshold[] = "1", kDenied[] = "2", kOverrun[] = "3", kExpired[] = "4",
               kLate[] = "5";

TEST_F(CostEvents, EachThresholdIsToldOfOnceAWindowWhicheverReplicaCrossesIt) {
  ASSERT_TRUE(fleet_.client(0).CreateBudget("user", LifetimeBudget(kUsd, {"user"})).ok());
  for (int i = 0; i < 10; ++i) {
    const std::string id = absl::StrCat("c-", i);
    EXPECT_EQ(Check(i, id, 10 * kCent).decision(), v1::DECISION_ALLOW);
    Record(i + 1, absl::StrCat("u-", i), 10 * kCent, id);
  }
  EXPECT_EQ(Events("threshold_percent::text", kThreshold), "75|90|100");
  EXPECT_EQ(Events("request_id", kThreshold), "c-7|c-8|c-9");
}

TEST_F(CostEvents, OneCallMayCrossSeveralThresholds) {
  ASSERT_TRUE(fleet_.client(0).CreateBudget("user", LifetimeBudget(kUsd, {"user"})).ok());
  Check(0, "all", 40 * kCent);
  Record(0, "all", 95 * kCent, "all");
  EXPECT_EQ(Events("concat_ws(' ', threshold_percent, request_id, usage_id, budget_id, "
                   "group_values, limit_amount, spent, reserved, subject)",
                   kThreshold),
            "75 all all user {\"user\":\"carol\"} 1000000000 950000000 0 {\"user\":\"carol\"}|"
            "90 all all user {\"user\":\"carol\"} 1000000000 950000000 0 {\"user\":\"carol\"}");
  EXPECT_EQ(
      Events("message", kThreshold).substr(0, 84),
      "The budget \"user\" for user carol has reached 75 % of its limit of $1.00: $0.95 spent");
  EXPECT_EQ(Events("concat_ws(' ', request_id, usage_id, amount)", kOverrun), "all all 550000000");
}

TEST_F(CostEvents, DenialsAreCountedAndSampled) {
  ASSERT_TRUE(fleet_.client(0).CreateBudget("user", LifetimeBudget(kCent, {"user"})).ok());
  EXPECT_EQ(Check(0, "first", kUsd).decision(), v1::DECISION_DENY);
  WaitFor("SELECT count(*) FROM cost_event WHERE kind = 2", "1");
  EXPECT_EQ(
      Events("concat_ws(' ', request_id, reason, budget_id, amount, count, spent, limit_amount)",
             kDenied),
      "first BUDGET_EXHAUSTED user 1000000000 1 0 10000000");
  EXPECT_NE(Events("message", kDenied).find("is exhausted"), std::string::npos);
  for (int i = 0; i < 300; ++i) Check(0, absl::StrCat("d-", i), kUsd);
  auto dry = CheckOf("dry", kUsd);
  dry.set_dry_run(true);
  v1::CheckBudgetResponse response;
  ASSERT_TRUE(fleet_.client(0).Check(dry, response).ok());
  fleet_.server(0).Signal(SIGTERM);  // it tells of what it has counted
  EXPECT_EQ(fleet_.server(0).Wait(), 0);
  EXPECT_EQ(fleet_.Sql("SELECT sum(count) FROM cost_event WHERE kind = 2"), "301");
  EXPECT_LE(fleet_.Number("SELECT count(*) FROM cost_event WHERE kind = 2"), 4);
}

TEST_F(CostEvents, DenialsThatNoBudgetMadeSayNone) {
  ASSERT_TRUE(fleet_.client(0).CreateBudget("user", LifetimeBudget(kUsd, {"user"})).ok());
  auto request = CheckOf("unpriced", 0);
  request.clear_cost_nanousd();
  request.mutable_tokens()->set_uncached_input_tokens(5);
  request.mutable_subject()->set_user("carol");
  request.mutable_model()->set_name("no-such-model");
  v1::CheckBudgetResponse response;
  ASSERT_TRUE(fleet_.client(0).Check(request, response).ok());
  EXPECT_EQ(response.reason(), "PRICE_UNKNOWN");
  WaitFor("SELECT reason FROM cost_event WHERE kind = 2", "PRICE_UNKNOWN");
  EXPECT_EQ(Events("model", kDenied), "{\"name\":\"no-such-model\"}");
}

TEST_F(CostEvents, ExpiriesAndWhatComesAfterThemAreToldOf) {
  ASSERT_TRUE(fleet_.client(0).CreateBudget("user", LifetimeBudget(kUsd, {"user"})).ok());
  Check(0, "slow", 10 * kCent, 1);
  WaitFor("SELECT state FROM reservation WHERE request_id = 'slow'", "4");
  EXPECT_EQ(Events("concat_ws(' ', request_id, amount)", kExpired), "slow 100000000");
  EXPECT_TRUE(Record(1, "slow", 7 * kCent, "slow").late());
  EXPECT_TRUE(Record(1, "lost", 2 * kCent, "never-held").late());
  EXPECT_EQ(Events("concat_ws(' ', request_id, usage_id, amount)", kLate),
            "slow slow 70000000|never-held lost 20000000");
  EXPECT_EQ(Record(1, "slow", 7 * kCent, "slow").replayed(), true);
  EXPECT_EQ(fleet_.Sql("SELECT count(*) FROM cost_event"), "3");
}

}  // namespace
}  // namespace bursar::testing
