// AdjustUsage on two replicas: what a record says is corrected by a record of its own, and gate and
// history stay the same numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

v1::AdjustUsageRequest ToCost(const std::string& id, const std::string& usage_id,
                              int64_t cost_nanousd) {
  v1::AdjustUsageRequest request;
  request.set_usage_id(usage_id);
  request.set_adjustment_id(id);
  request.set_cost_nanousd(cost_nanousd);
  request.set_reason("the provider's bill");
  return request;
}

v1::AdjustUsageRequest ToTokens(const std::string& id, const std::string& usage_id, int64_t in,
                                int64_t out) {
  v1::AdjustUsageRequest request;
  request.set_usage_id(usage_id);
  request.set_adjustment_id(id);
  request.mutable_tokens()->set_uncached_input_tokens(in);
  request.mutable_tokens()->set_visible_output_tokens(out);
  return request;
}

v1::RecordUsageRequest InProject(v1::RecordUsageRequest request) {
  request.mutable_subject()->set_project("p");
  request.mutable_model()->set_provider("openai");
  request.mutable_model()->set_name("gpt-4o");
  return request;
}

v1::Budget InUnit(v1::Unit unit, int64_t limit) {
  v1::Budget budget = LifetimeBudget(0);
  if (unit == v1::UNIT_COST) budget.set_limit_nanousd(limit);
  if (unit == v1::UNIT_TOKENS) budget.set_limit_tokens(limit);
  if (unit == v1::UNIT_CALLS) budget.set_limit_calls(limit);
  return OfProject(budget, "p");
}

class AdjustTest : public ::testing::Test {
 protected:
  void SetUp() override {
    MakeBudget("1-money", InUnit(v1::UNIT_COST, 100 * kUsd));
    MakeBudget("2-tokens", InUnit(v1::UNIT_TOKENS, 1'000'000'000));
    MakeBudget("3-calls", InUnit(v1::UNIT_CALLS, 100'000));
  }
  void MakeBudget(const std::string& id, const v1::Budget& budget) {
    const grpc::Status status = fleet_.client(0).CreateBudget(id, budget);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  v1::RecordUsageResponse Record(size_t replica, const v1::RecordUsageRequest& request) {
    v1::RecordUsageResponse response;
    const grpc::Status status = fleet_.client(replica).Record(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::AdjustUsageResponse Adjust(size_t replica, const v1::AdjustUsageRequest& request) {
    v1::AdjustUsageResponse response;
    const grpc::Status status = fleet_.client(replica).Call(&Admin::AdjustUsage, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  grpc::Status Refused(const v1::AdjustUsageRequest& request) {
    v1::AdjustUsageResponse response;
    return fleet_.client(0).Call(&Admin::AdjustUsage, request, response);
  }
  // "money tokens calls", as spent.
  std::string Spent() {
    return fleet_.Sql(
        "SELECT string_agg(coalesce(spent, 0)::text, ' ' ORDER BY budget_id) "
        "FROM budget LEFT JOIN counter ON budget_uid = uid WHERE budget_id LIKE '_-%'");
  }
  // "cost tokens calls" of a record with its adjustments.
  std::string Says(const std::string& usage_id) {
    return fleet_.Sql(
        absl::StrCat("SELECT concat_ws(' ', sum(r.cost_nanousd), "
                     "sum(r.uncached_input_tokens + r.visible_output_tokens), sum(r.calls)) "
                     "FROM usage_record r, usage_record u WHERE u.usage_id = '",
                     usage_id, "' AND (r.id = u.id OR r.adjusts = u.id)"));
  }
  void ExpectProven() {
    fleet_.ExpectConserved();
    v1::VerifyLedgerRequest request;
    v1::VerifyLedgerResponse page;
    do {
      const auto status = fleet_.client(0).Call(&Admin::VerifyLedger, request, page);
      ASSERT_TRUE(status.ok()) << status.error_message();
      for (const auto& breach : page.breaches()) ADD_FAILURE() << breach.message();
      request.set_page_token(page.next_page_token());
    } while (!page.next_page_token().empty());
  }
  v1::QueryCostsResponse Costs(const std::vector<std::string>& group_by) {
    v1::QueryCostsRequest request;
    request.mutable_start_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) - 3600);
    for (const auto& dimension : group_by) request.add_group_by(dimension);
    v1::QueryCostsResponse response;
    const grpc::Status status = fleet_.client(1).Query(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  Fleet fleet_{2};
};

TEST_F(AdjustTest, MovesWhatWasSpentUpAndDownAndOnceForEachId) {
  Record(0, InProject(RecordOf("u", 10 * kCent)));
  const auto up = Adjust(1, ToCost("up", "u", 25 * kCent));
  EXPECT_EQ(up.delta_nanousd(), 15 * kCent);
  ASSERT_EQ(up.budgets_size(), 3) << "those that the record charged";
  int64_t said = 0;
  for (const auto& status : up.budgets()) {
    if (status.budget() == "budgets/1-money") said = status.spent();
  }
  EXPECT_EQ(said, 25 * kCent) << "as it stands afterwards";
  EXPECT_EQ(Adjust(0, ToCost("down", "u", 4 * kCent)).delta_nanousd(), -21 * kCent);
  EXPECT_EQ(Spent(), "40000000 0 1");
  EXPECT_EQ(Adjust(0, ToCost("up", "u", 25 * kCent)).delta_nanousd(), 15 * kCent) << "a repeat";
  EXPECT_EQ(Adjust(1, ToCost("up", "u", 25 * kCent)).delta_nanousd(), 15 * kCent);
  for (const auto& other : {ToCost("up", "u", 26 * kCent), ToTokens("up", "u", 1, 1)}) {
    const grpc::Status status = Refused(other);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS) << status.error_message();
  }
  EXPECT_EQ(Adjust(1, ToTokens("tokens", "u", 1000, 100)).delta_nanousd(),
            Record(0,
                   [] {
                     auto twin = InProject(RecordOf("twin", 0));
                     twin.clear_cost_nanousd();
                     twin.mutable_tokens()->set_uncached_input_tokens(1000);
                     twin.mutable_tokens()->set_visible_output_tokens(100);
                     return twin;
                   }())
                    .cost_nanousd() -
                4 * kCent)
      << "priced as a record of them is";
  EXPECT_EQ(Says("u"), Says("twin"));
  EXPECT_EQ(fleet_.Sql("SELECT string_agg(concat_ws(' ', usage_id, calls, cost_nanousd, "
                       "cost_basis, adjust_reason), '|' ORDER BY receive_time) FROM usage_record "
                       "WHERE adjusts IS NOT NULL AND usage_id NOT LIKE '%tokens'"),
            "adjustment:up 0 150000000 5 the provider's bill|"
            "adjustment:down 0 -210000000 5 the provider's bill");
  ExpectProven();
}

TEST_F(AdjustTest, MakesTheEstimateOfAnUnknownCallTrueInEveryUnit) {
  v1::CheckBudgetRequest check;
  check.set_request_id("c");
  check.mutable_subject()->set_project("p");
  check.mutable_model()->set_provider("openai");
  check.mutable_model()->set_name("gpt-4o");
  check.mutable_tokens()->set_uncached_input_tokens(5000);
  check.set_max_output_tokens(2000);
  v1::CheckBudgetResponse checked;
  ASSERT_TRUE(fleet_.client(0).Check(check, checked).ok());
  ASSERT_EQ(checked.decision(), v1::DECISION_ALLOW) << checked.message();
  auto unknown = RecordOf("u", 0, "c");
  unknown.clear_cost_nanousd();
  unknown.set_outcome(v1::OUTCOME_UNKNOWN);
  const int64_t estimate = Record(1, unknown).cost_nanousd();
  EXPECT_EQ(Spent(), absl::StrCat(estimate, " 7000 1"));
  auto alone = InProject(RecordOf("alone", 0));
  alone.clear_cost_nanousd();
  alone.set_outcome(v1::OUTCOME_UNKNOWN);
  EXPECT_EQ(Record(1, alone).cost_basis(), v1::COST_BASIS_UNPRICED);
  const int64_t cost = Adjust(0, ToTokens("1", "alone", 5000, 30)).delta_nanousd();
  EXPECT_GT(cost, 0);
  EXPECT_EQ(Adjust(0, ToTokens("2", "u", 5000, 30)).delta_nanousd(), cost - estimate);
  EXPECT_EQ(Says("u"), absl::StrCat(cost, " 5030 1"));
  EXPECT_EQ(Spent(), absl::StrCat(2 * cost, " 10060 2"));
  ExpectProven();
}

TEST_F(AdjustTest, ALateSettlementOfAHoldThatExpired) {
  fleet_.Sql(
      "UPDATE tenant SET charge_on_expiry = true, budget_epoch = budget_epoch + 1 "
      "RETURNING 1");
  auto check = CheckOf("c", 50 * kCent);
  check.mutable_subject()->set_project("p");
  check.mutable_ttl()->set_seconds(1);
  v1::CheckBudgetResponse checked;
  ASSERT_TRUE(fleet_.client(0).Check(check, checked).ok());
  EXPECT_EQ(checked.reason(), "TOKENS_UNKNOWN") << "a token budget asks for tokens";
  v1::DeleteBudgetRequest remove;
  remove.set_name("budgets/2-tokens");
  v1::DeleteBudgetResponse removed;
  ASSERT_TRUE(fleet_.client(0).Call(&Admin::DeleteBudget, remove, removed).ok());
  ASSERT_TRUE(fleet_.client(0).Check(check, checked).ok());
  ASSERT_EQ(checked.decision(), v1::DECISION_ALLOW) << checked.message();
  const absl::Time end = absl::Now() + absl::Seconds(10);
  while (fleet_.Sql("SELECT state FROM reservation") != "4" && absl::Now() < end) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  ASSERT_EQ(Says("expiry:c"), "500000000 0 1");
  const grpc::Status refused = Refused(ToCost("1", "expiry:c", 1));
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << refused.error_message();
  EXPECT_TRUE(Record(1, RecordOf("u", 20 * kCent, "c")).late());
  EXPECT_EQ(Adjust(0, ToCost("1", "u", 90 * kCent)).delta_nanousd(), 70 * kCent);
  EXPECT_EQ(fleet_.Sql("SELECT sum(cost_nanousd) || ' ' || sum(calls) FROM usage_record"),
            "900000000 1");
  EXPECT_EQ(Spent(), "900000000 0 1");
  ExpectProven();
}

// Each starts from what exactly one other made true, or from the record itself: two that start from
// the same sum would be mended by the next one, so that the last sum alone would not show it.
TEST_F(AdjustTest, OfManyAtOnceOnTwoReplicasEachStartsFromAnotherAndTheLastIsTheTruth) {
  constexpr int kThreads = 8, kEach = 12;
  Record(0, InProject(RecordOf("counted", 50 * kCent)));
  Record(0, RecordOf("uncounted", 50 * kCent));
  EXPECT_EQ(fleet_.Sql("SELECT cardinality(charged_counters) FROM usage_record "
                       "WHERE usage_id = 'uncounted'"),
            "0");
  // One after the other: the uncounted one has no counter whose lock would keep two apart.
  for (const std::string record : {"counted", "uncounted"}) {
    std::set<int64_t> made = {50 * kCent}, started_from;
    std::mutex mutex;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          const int64_t cost = 1 + t * 1000 + i;
          const auto answer = Adjust(t, ToCost(absl::StrCat(record, cost), record, cost));
          const std::lock_guard lock(mutex);
          made.insert(cost);
          EXPECT_TRUE(started_from.insert(cost - answer.delta_nanousd()).second)
              << "two started from " << cost - answer.delta_nanousd();
        }
      });
    }
    for (auto& thread : threads) thread.join();
    const int64_t last = std::stoll(Says(record));
    EXPECT_EQ(made.erase(last), 1u) << record << " says " << last << ", which nobody said";
    EXPECT_EQ(started_from, made);
    EXPECT_EQ(Says(record), absl::StrCat(last, " 0 1"));
    if (record == "counted") {
      EXPECT_EQ(Spent(), absl::StrCat(last, " 0 1"));
    }
  }
  EXPECT_EQ(fleet_.Number("SELECT count(*) FROM usage_record WHERE adjusts IS NOT NULL"),
            2 * kThreads * kEach);
  ExpectProven();
}

TEST_F(AdjustTest, OneIdFromManyAtOnceCountsOnce) {
  for (int round = 0; round < 5; ++round) {
    const std::string usage_id = absl::StrCat("u-", round);
    Record(0, InProject(RecordOf(usage_id, kCent)));
    const auto request = ToCost(absl::StrCat("a-", round), usage_id, 3 * kCent);
    std::vector<std::thread> threads;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back(
          [&, t] { EXPECT_EQ(Adjust(t, request).delta_nanousd(), 2 * kCent) << usage_id; });
    }
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(Spent(), "150000000 0 5");
  EXPECT_EQ(fleet_.Sql("SELECT count(*) FROM usage_record WHERE adjusts IS NOT NULL"), "5");
  ExpectProven();
}

// Checks, settlements and adjustments of what others are settling, all at once: nobody waits for
// ever, nothing counts twice.
TEST_F(AdjustTest, AmongEverythingElse) {
  std::atomic<int64_t> operations = 0, adjusted = 0;
  const absl::Time until = absl::Now() + absl::Seconds(3);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int i = 0; absl::Now() < until; ++i) {
        const std::string id = absl::StrCat(t, "/", i);
        auto check = CheckOf(id, 2000);
        check.mutable_subject()->set_project("p");
        check.mutable_tokens()->set_uncached_input_tokens(10);
        v1::CheckBudgetResponse checked;
        EXPECT_TRUE(fleet_.client(random()).Check(check, checked).ok());
        Record(random(), RecordOf(id, 1500, id));
        const std::string other = absl::StrCat(random() % 8, "/", i - 1);
        v1::AdjustUsageResponse response;
        const auto status = fleet_.client(random()).Call(
            &Admin::AdjustUsage, ToCost("a" + id, other, random() % 3000), response);
        EXPECT_TRUE(status.ok() || status.error_code() == grpc::StatusCode::NOT_FOUND)
            << status.error_message();
        adjusted += status.ok() ? 1 : 0;
        operations += 3;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_GT(operations, 300);
  EXPECT_GT(adjusted, 50) << "otherwise this tries nothing";
  EXPECT_EQ(fleet_.Number("SELECT spent FROM counter JOIN budget ON uid = budget_uid "
                          "WHERE budget_id = '1-money'"),
            fleet_.Number("SELECT sum(cost_nanousd) FROM usage_record"));
  ExpectProven();
}

TEST_F(AdjustTest, RefusesWhatCannotBe) {
  Record(0, InProject(RecordOf("u", kCent)));
  auto without = ToCost("1", "u", 1);
  without.clear_correction();
  auto too_many = ToTokens("1", "u", 1, 1);
  too_many.mutable_tokens()->set_reasoning_tokens(1'000'000'000'001);
  auto babble = ToCost("1", "u", 1);
  babble.set_reason(std::string(1025, 'x'));
  auto nul = ToCost("1", "u", 1);
  nul.set_reason(std::string("a\0b", 3));
  const struct {
    v1::AdjustUsageRequest request;
    std::string field;
  } wrong[] = {
      {without, "correction"},
      {too_many, "tokens.reasoning_tokens"},
      {babble, "reason"},
      {nul, "reason"},
      {ToCost("", "u", 1), "adjustment_id"},
      {ToCost(std::string(129, 'x'), "u", 1), "adjustment_id"},
      {ToCost("1", "", 1), "usage_id"},
      {ToCost("1", "u", -1), "cost_nanousd"},
      {ToCost("1", "u", 1'000'000'000'000'001), "cost_nanousd"},
      {ToCost("1", "expiry:c", 1), "usage_id"},
      {ToCost("1", "correction:c", 1), "usage_id"},
      {ToCost("1", "adjustment:1", 1), "usage_id"},
  };
  for (const auto& one : wrong) {
    const grpc::Status status = Refused(one.request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << one.field;
    EXPECT_EQ(DetailsOf(status).fields, std::vector<std::string>{one.field})
        << status.error_message();
  }
  v1::RecordUsageResponse response;
  const auto taken = fleet_.client(0).Record(RecordOf("adjustment:1", 1), response);
  EXPECT_EQ(taken.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << taken.error_message();
  const grpc::Status unknown = Refused(ToCost("1", "nobody", 1));
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(DetailsOf(unknown).reason, "USAGE_NOT_FOUND");
  auto nameless = InProject(RecordOf("nameless", kCent));
  nameless.mutable_model()->set_name("no-such-model");
  Record(0, nameless);
  const grpc::Status no_price = Refused(ToTokens("1", "nameless", 1, 1));
  EXPECT_EQ(no_price.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(no_price.error_message().find("give cost_nanousd"), std::string::npos);
  EXPECT_EQ(fleet_.Sql("SELECT count(*) FROM usage_record"), "2");
  EXPECT_EQ(Adjust(1, ToCost("1", "nameless", 3 * kCent)).delta_nanousd(), 2 * kCent);
  ExpectProven();
  // Now beyond what a counter can say.
  fleet_.Sql("UPDATE counter SET spent = 9223372036854775800, version = version + 1 RETURNING 1");
  const std::string before = Spent();
  const grpc::Status no_room = Refused(ToCost("2", "u", kUsd));
  EXPECT_EQ(no_room.error_code(), grpc::StatusCode::OUT_OF_RANGE) << no_room.error_message();
  EXPECT_EQ(Spent(), before);
}

TEST_F(AdjustTest, ADeletedBudgetFollowsAndACounterThatIsGoneIsLeftOut) {
  Record(0, InProject(RecordOf("u", 10 * kCent)));
  v1::DeleteBudgetRequest remove;
  remove.set_name("budgets/1-money");
  v1::DeleteBudgetResponse removed;
  ASSERT_TRUE(fleet_.client(1).Call(&Admin::DeleteBudget, remove, removed).ok());
  const auto answer = Adjust(0, ToTokens("1", "u", 70, 7));
  EXPECT_EQ(answer.budgets_size(), 2) << "a deleted budget has no status";
  EXPECT_EQ(Spent(), absl::StrCat(10 * kCent + answer.delta_nanousd(), " 77 1"));
  ExpectProven();
  // As retention would: its counter is gone, and the record that charged it is not.
  fleet_.Sql(
      "DELETE FROM counter USING budget WHERE uid = budget_uid AND budget_id = '2-tokens' "
      "RETURNING 1");
  EXPECT_EQ(Adjust(1, ToCost("2", "u", 5 * kCent)).budgets_size(), 1);
  EXPECT_EQ(Spent(), absl::StrCat(5 * kCent, " 0 1"));
  EXPECT_EQ(fleet_.Sql("SELECT cardinality(charged_counters) FROM usage_record "
                       "WHERE usage_id = 'adjustment:2'"),
            "2");
}

TEST_F(AdjustTest, ACrossedThresholdIsToldOfWithTheRecordsOwnCall) {
  MakeBudget("small", OfProject(LifetimeBudget(kUsd, {"user"}), "p"));
  auto record = InProject(RecordOf("u", 10 * kCent));
  record.mutable_subject()->set_user("carol");
  Record(0, record);
  Adjust(1, ToCost("1", "u", 80 * kCent));
  EXPECT_EQ(fleet_.Sql("SELECT string_agg(concat_ws(' ', kind, threshold_percent, usage_id, "
                       "budget_id, subject), '|') FROM cost_event"),
            "1 75 u small {\"project\":\"p\",\"user\":\"carol\"}");
}

std::string DimensionOf(const v1::RecordUsageRequest& used, const std::string& dimension) {
  if (dimension == "user") return used.subject().user();
  if (dimension == "project") return used.subject().project();
  if (dimension == "label:env") return used.subject().labels().at("env");
  if (dimension == "model") return used.model().name();
  if (dimension == "event_type") return "model_call";
  if (dimension == "step") return used.step();
  if (dimension == "outcome") return v1::Outcome_Name(used.outcome()).substr(8);
  if (dimension == "error_type") return used.error().type();
  if (dimension == "error_category") return used.has_error() ? "TIMEOUT" : "";
  return used.guardrail_hits_size() > 0 ? used.guardrail_hits(0).name() : "";  // "guardrail"
}

// Calls of every kind, told apart by their number.
v1::RecordUsageRequest Varied(int i) {
  const v1::Outcome outcomes[] = {v1::OUTCOME_SUCCEEDED, v1::OUTCOME_FAILED, v1::OUTCOME_CANCELLED};
  auto request = InProject(RecordOf(absl::StrCat("u-", i), 1000 + i));
  request.mutable_subject()->set_user(absl::StrCat("user", i % 4));
  (*request.mutable_subject()->mutable_labels())["env"] = i % 2 == 0 ? "prod" : "test";
  request.set_step(absl::StrCat("step", i % 3));
  request.set_outcome(outcomes[i % 3]);
  request.set_attempt(1 + i % 2);
  request.mutable_latency()->set_nanos(1'000'000 * (i + 1));
  if (request.outcome() == v1::OUTCOME_FAILED) {
    request.mutable_error()->set_type(absl::StrCat("Error", i % 2));
    request.mutable_error()->set_category(v1::CallError::CATEGORY_TIMEOUT);
  }
  if (i % 5 == 0) request.add_guardrail_hits()->set_name("pii");
  return request;
}

// What a row is of, and all that an adjustment must leave as it was.
std::string KeyOf(const v1::CostRow& row) {
  const std::map<std::string, std::string> group(row.group().begin(), row.group().end());
  return absl::StrJoin(group, " ", absl::PairFormatter("="));
}
std::string CountsOf(v1::CostRow row) {
  row.clear_group();
  row.clear_cost_nanousd();
  row.clear_estimated_nanousd();
  return row.ShortDebugString();
}

TEST_F(AdjustTest, QueryCostsSaysTheTruthByEveryDimensionAndCountsNoCallTwice) {
  constexpr int kRecords = 30;
  const std::vector<std::vector<std::string>> groupings = {{},
                                                           {"user"},
                                                           {"label:env"},
                                                           {"step"},
                                                           {"outcome"},
                                                           {"model", "user"},
                                                           {"project"},
                                                           {"error_type"},
                                                           {"error_category"},
                                                           {"guardrail"},
                                                           {"event_type"}};
  for (int i = 0; i < kRecords; ++i) Record(i, Varied(i));
  std::vector<std::map<std::string, std::string>> before(groupings.size());
  for (size_t g = 0; g < groupings.size(); ++g) {
    const v1::QueryCostsResponse costs = Costs(groupings[g]);
    for (const auto& row : costs.rows()) before[g][KeyOf(row)] = CountsOf(row);
  }
  std::vector<int64_t> truth;
  for (int i = 0; i < kRecords; ++i) {
    truth.push_back(i % 2 == 0 ? 5000 + 3 * i : 1000 + i);
    if (i % 2 != 0) continue;
    Adjust(i / 2, ToCost(absl::StrCat("a-", i), absl::StrCat("u-", i), 7'000'000 - i));
    Adjust(i, ToCost(absl::StrCat("b-", i), absl::StrCat("u-", i), truth[i]));
  }
  for (size_t g = 0; g < groupings.size(); ++g) {
    std::map<std::string, int64_t> costs;
    for (int i = 0; i < kRecords; ++i) {
      std::map<std::string, std::string> group;
      for (const auto& dimension : groupings[g]) {
        group[dimension] = DimensionOf(Varied(i), dimension);
      }
      costs[absl::StrJoin(group, " ", absl::PairFormatter("="))] += truth[i];
    }
    const v1::QueryCostsResponse after = Costs(groupings[g]);
    ASSERT_EQ(static_cast<size_t>(after.rows_size()), costs.size());
    for (const auto& row : after.rows()) {
      EXPECT_EQ(row.cost_nanousd(), costs[KeyOf(row)]) << KeyOf(row);
      EXPECT_EQ(CountsOf(row), before[g][KeyOf(row)]) << KeyOf(row);
    }
    EXPECT_EQ(after.total().cost_nanousd(),
              fleet_.Number("SELECT sum(cost_nanousd) FROM usage_record"));
    EXPECT_EQ(after.total().calls(), kRecords);
  }
  const auto by_basis = Costs({"cost_basis"});
  EXPECT_EQ(by_basis.rows_size(), 2) << "here alone they stand apart";
  ExpectProven();
}

TEST_F(AdjustTest, QueryCostsSaysTheTrueTokens) {
  auto record = InProject(RecordOf("u", 0));
  record.clear_cost_nanousd();
  record.mutable_tokens()->set_uncached_input_tokens(1000);
  record.mutable_tokens()->set_cache_read_tokens(400);
  Record(0, record);
  Adjust(1, ToTokens("1", "u", 600, 50));
  const v1::CostRow total = Costs({}).total();
  EXPECT_EQ(total.tokens().uncached_input_tokens(), 600);
  EXPECT_EQ(total.tokens().visible_output_tokens(), 50);
  EXPECT_EQ(total.tokens().cache_read_tokens(), 0);
  EXPECT_EQ(Spent(), absl::StrCat(total.cost_nanousd(), " 650 1"));
}

std::string FirstLineOf(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Who asks with keys of two tenants: the other one's key has the same secret, in a row of its own.
TEST(AdjustAccess, NeitherAnotherTenantNorAnAgentCan) {
  TestDatabase database;
  TemporaryFolder folder;
  const std::string key_file = folder.path() + "/admin.key";
  ServerProcess server({"--database-url", database.url(), "--admin-key-file", key_file});
  const std::string key = FirstLineOf(key_file);
  auto sql = [&](const std::string& query) {
    const auto rows = database.Connect()->Execute(query.c_str());
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.ok() && rows->size() > 0 ? std::string(rows->Text(0, 0)) : "";
  };
  sql("INSERT INTO tenant (tenant_id) VALUES ('other') RETURNING 1");
  for (const std::string row : {"'keyofothers1', 'other', display_name, role",
                                "'keyofagents1', 'default', display_name, 1"}) {
    sql(
        absl::StrCat("INSERT INTO api_key (key_id, tenant_id, display_name, role, secret_sha256, "
                     "create_time) SELECT ",
                     row, ", secret_sha256, create_time FROM api_key LIMIT 1 RETURNING 1"));
  }
  const std::string secret = key.substr(key.rfind('_') + 1);
  RpcClient own(server.address(), key);
  RpcClient other(server.address(), "bursar_other_keyofothers1_" + secret);
  RpcClient agent(server.address(), "bursar_default_keyofagents1_" + secret);
  v1::RecordUsageResponse recorded;
  ASSERT_TRUE(own.Record(RecordOf("u", kCent), recorded).ok());
  v1::AdjustUsageResponse response;
  const absl::Time end = absl::Now() + absl::Seconds(10);
  grpc::Status status;
  do {  // until the key ring has read the new keys
    absl::SleepFor(absl::Milliseconds(50));
    status = other.Call(&Admin::AdjustUsage, ToCost("1", "u", 1), response);
  } while (status.error_code() == grpc::StatusCode::UNAUTHENTICATED && absl::Now() < end);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND) << status.error_message();
  EXPECT_EQ(agent.Call(&Admin::AdjustUsage, ToCost("1", "u", 1), response).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(sql("SELECT count(*) FROM usage_record"), "1");
  // Both tenants have a record of this id, and an adjustment: each gets its own.
  ASSERT_TRUE(other.Record(RecordOf("u", 5 * kCent), recorded).ok());
  ASSERT_TRUE(other.Call(&Admin::AdjustUsage, ToCost("1", "u", 4 * kCent), response).ok());
  EXPECT_EQ(response.delta_nanousd(), -kCent);
  ASSERT_TRUE(own.Call(&Admin::AdjustUsage, ToCost("1", "u", 3 * kCent), response).ok());
  EXPECT_EQ(response.delta_nanousd(), 2 * kCent);
  EXPECT_EQ(sql("SELECT string_agg(tenant_id || ' ' || cost_nanousd, '|' ORDER BY tenant_id) "
                "FROM (SELECT tenant_id, sum(cost_nanousd) AS cost_nanousd FROM usage_record "
                "GROUP BY tenant_id) sums"),
            "default 30000000|other 40000000");
}

}  // namespace
}  // namespace bursar::testing
