// ListUsage on the real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "integration/pages.h"

namespace bursar::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

int64_t Now() { return absl::ToUnixSeconds(absl::Now()); }

v1::ListUsageRequest Since(int64_t seconds_ago, const std::vector<v1::Filter>& filters = {}) {
  v1::ListUsageRequest request;
  request.mutable_start_time()->set_seconds(Now() - seconds_ago);
  for (const auto& filter : filters) *request.add_filters() = filter;
  return request;
}

v1::ListUsageRequest OfTrace(const std::string& id) {
  v1::ListUsageRequest request;
  request.set_trace_id(id);
  return request;
}

std::vector<v1::UsageRecord> Records(
    RpcClient& client, const v1::ListUsageRequest& request, int page_size = 100,
    const std::function<void()>& between = [] {}) {
  std::vector<v1::UsageRecord> all;
  ReadAllPages<v1::ListUsageRequest, v1::ListUsageResponse>(
      client, &Telemetry::ListUsage, request, page_size,
      [&](const v1::ListUsageResponse& response) {
        EXPECT_LE(response.records_size(), page_size);
        all.insert(all.end(), response.records().begin(), response.records().end());
      },
      between);
  return all;
}

std::vector<std::string> Ids(RpcClient& client, const v1::ListUsageRequest& request,
                             int page_size = 100) {
  std::vector<std::string> ids;
  for (const auto& record : Records(client, request, page_size)) {
    ids.push_back(record.usage().usage_id());
  }
  return ids;
}

class UsageList : public ::testing::Test {
 protected:
  RpcClient& client(size_t replica = 0) { return fleet_.client(replica); }
  void Record(const v1::RecordUsageRequest& request) {
    v1::RecordUsageResponse response;
    const grpc::Status status = client().Record(request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  void Adjust(const std::string& id, const std::string& usage_id, int64_t cost_nanousd) {
    v1::AdjustUsageRequest request;
    request.set_adjustment_id(id);
    request.set_usage_id(usage_id);
    request.set_cost_nanousd(cost_nanousd);
    request.set_reason("the provider's bill");
    v1::AdjustUsageResponse response;
    const grpc::Status status = client().Call(&Admin::AdjustUsage, request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  // The usage ids of the records that a condition in SQL holds for, in their order.
  std::vector<std::string> SqlIds(const std::string& condition) {
    const std::string text = fleet_.Sql(
        "SELECT string_agg(usage_id, '|' ORDER BY charge_time, id) FROM usage_record "
        "WHERE " +
        condition);
    return absl::StrSplit(text, '|', absl::SkipEmpty());
  }

  Fleet fleet_{2};
};

v1::RecordUsageRequest FullRecord(const std::string& id, const std::string& reservation) {
  v1::RecordUsageRequest record;
  record.set_usage_id(id);
  record.set_reservation_id(reservation);
  v1::Subject& subject = *record.mutable_subject();
  subject.set_project("p");
  subject.set_team("t");
  subject.set_user("carol");
  subject.set_agent("writer");
  subject.set_workflow("w");
  subject.set_tool("x");
  subject.set_run("r");
  subject.set_parent_run("q");
  subject.set_root_run("o");
  (*subject.mutable_labels())["env"] = "prod";
  v1::Model& model = *record.mutable_model();
  model.set_provider("openai");
  model.set_name("gpt-4o");
  model.set_service_tier("batch");
  model.set_region("eu");
  model.set_requested_name("gpt-4o-latest");
  model.set_account("acct");
  record.mutable_tokens()->set_uncached_input_tokens(1200);
  record.mutable_tokens()->set_reasoning_tokens(7);
  (*record.mutable_tokens()->mutable_billed_units())["web_search"] = 2;
  record.set_cost_nanousd(3 * kCent);
  record.set_outcome(v1::OUTCOME_FAILED);
  record.mutable_occur_time()->set_seconds(Now() - 60);
  record.set_event_type("model_call");
  record.set_step("plan");
  record.mutable_latency()->set_nanos(850'000'000);
  record.mutable_time_to_first_token()->set_nanos(120'000'000);
  record.set_attempt(3);
  record.mutable_error()->set_type("RateLimit");
  record.mutable_error()->set_category(v1::CallError::CATEGORY_RATE_LIMIT);
  record.mutable_error()->set_severity(v1::CallError::SEVERITY_WARNING);
  v1::GuardrailHit& hit = *record.add_guardrail_hits();
  hit.set_name("pii");
  hit.set_action("flagged");
  hit.set_stage("input");
  record.mutable_trace()->set_trace_id("0af7");
  record.mutable_trace()->set_span_id("b7ad");
  record.mutable_trace()->set_parent_span_id("00f0");
  record.set_provider_request_id("req_1");
  return record;
}

TEST_F(UsageList, ShowsARecordAsItWasSaidWithWhatItCharged) {
  v1::Budget daily = LifetimeBudget(kUsd, {"user"});
  daily.mutable_window()->set_kind(v1::Window::KIND_DAY);
  daily.set_display_name("A day of a user");
  v1::Budget calls = LifetimeBudget(0);
  calls.set_limit_calls(100);
  ASSERT_TRUE(client().CreateBudget("user-day", daily).ok());
  ASSERT_TRUE(client().CreateBudget("calls", calls).ok());
  const auto said = FullRecord("u", "");
  Record(said);
  for (const char* deleted : {"", "user-day"}) {
    if (*deleted != '\0') {
      v1::DeleteBudgetRequest request;
      request.set_name(absl::StrCat("budgets/", deleted));
      v1::DeleteBudgetResponse response;
      ASSERT_TRUE(client().Call(&Admin::DeleteBudget, request, response).ok());
    }
    const auto records = Records(client(1), Since(3600));
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(records[0].usage().DebugString(), said.DebugString());
    EXPECT_EQ(records[0].cost_nanousd(), 3 * kCent);
    EXPECT_EQ(records[0].cost_basis(), v1::COST_BASIS_DECLARED);
    EXPECT_EQ(records[0].charge_time().seconds(), said.occur_time().seconds());
    EXPECT_GE(records[0].receive_time().seconds(), said.occur_time().seconds() + 59);
    EXPECT_EQ(records[0].adjusts(), "");
    std::vector<std::string> charged;
    for (const auto& one : records[0].charged()) {
      std::string group;
      for (const auto& [dimension, value] : one.group()) group += dimension + "=" + value;
      charged.push_back(absl::StrCat(one.budget(), "|", one.display_name(), "|", group, "|",
                                     one.unit(), "|", one.spent()));
      EXPECT_EQ(one.limit(), 0) << "it does not say where the budget stands";
      EXPECT_EQ(one.remaining(), 0);
      if (one.budget() != "budgets/user-day") continue;
      EXPECT_LE(one.window_start_time().seconds(), said.occur_time().seconds());
      EXPECT_GT(one.window_end_time().seconds(), said.occur_time().seconds());
    }
    EXPECT_THAT(charged,
                UnorderedElementsAre(
                    "budgets/user-day|A day of a user|user=carol|1|30000000", "budgets/calls|||3|1",
                    ::testing::MatchesRegex("budgets/run-cap.*root_run=o.1.30000000")))
        << "deleted: " << deleted;
  }
}

TEST_F(UsageList, CountsARecordWhenItsReservationWasMade) {
  v1::CheckBudgetResponse held;
  ASSERT_TRUE(client().Check(CheckOf("first", kCent), held).ok());
  Record(RecordOf("between", 1));
  Record(RecordOf("settled", kCent, "first"));
  EXPECT_THAT(Ids(client(), Since(60)), ElementsAre("settled", "between"));
  const auto records = Records(client(), Since(60));
  EXPECT_EQ(records[0].usage().reservation_id(), "first");
}

TEST_F(UsageList, FindsByTimeAndByEveryDimension) {
  std::mt19937 random(7);
  v1::BatchRecordUsageRequest batch;
  const int64_t now = Now();
  for (int i = 0; i < 400; ++i) {
    auto record = RecordOf(absl::StrCat("u", i), i);
    record.mutable_occur_time()->set_seconds(now - random() % 7200);
    record.mutable_subject()->set_user(absl::StrCat("user", random() % 5));
    if (random() % 3 > 0) record.mutable_subject()->set_run(absl::StrCat("run", random() % 9));
    if (random() % 2 > 0) {
      (*record.mutable_subject()->mutable_labels())["env"] = random() % 2 > 0 ? "prod" : "test";
    }
    record.mutable_model()->set_name(random() % 4 > 0 ? "gpt-4o" : "haiku");
    if (random() % 6 == 0) record.set_outcome(v1::OUTCOME_FAILED);
    *batch.add_records() = record;
  }
  v1::BatchRecordUsageResponse recorded;
  ASSERT_TRUE(client().Call(&Telemetry::BatchRecordUsage, batch, recorded).ok());
  const std::pair<std::vector<v1::Filter>, std::string> kCases[] = {
      {{}, "true"},
      {{FilterOf("user", {"user1", "user2"})}, "user_name IN ('user1', 'user2')"},
      {{FilterOf("user", {"user1"}, true)}, "user_name <> 'user1'"},
      {{FilterOf("run", {"run3"})}, "run = 'run3'"},
      {{FilterOf("run", {"run3", "run4", "no"})}, "run IN ('run3', 'run4')"},
      {{FilterOf("run", {""})}, "run IS NULL"},
      {{FilterOf("run", {"", "run3"})}, "run IS NULL OR run = 'run3'"},
      {{FilterOf("run", {"run3"}, true)}, "run IS DISTINCT FROM 'run3'"},
      {{FilterOf("run", {"run3", "run4"}), FilterOf("run", {"run4"}, true)}, "run = 'run3'"},
      {{FilterOf("label:env", {"prod"})}, "labels->>'env' = 'prod'"},
      {{FilterOf("outcome", {"FAILED"}), FilterOf("model", {"haiku"})},
       "outcome = 2 AND model = 'haiku'"},
      {{FilterOf("user", {"nobody"})}, "false"},
  };
  for (const auto& [filters, condition] : kCases) {
    EXPECT_EQ(Ids(client(1), Since(7300, filters)), SqlIds(condition)) << condition;
    EXPECT_EQ(Ids(client(), Since(7300, filters), 7), SqlIds(condition)) << condition;
  }
  auto middle = Since(0);
  middle.mutable_start_time()->set_seconds(now - 3600);
  middle.mutable_end_time()->set_seconds(now - 1800);
  const auto in_range = SqlIds(absl::StrCat("charge_time >= to_timestamp(", now - 3600,
                                            ") AND charge_time < to_timestamp(", now - 1800, ")"));
  EXPECT_GT(in_range.size(), 50u);
  EXPECT_EQ(Ids(client(), middle), in_range);
  EXPECT_EQ(Ids(client(), middle, 1), in_range);
}

TEST_F(UsageList, FindsATraceWithoutATime) {
  for (int i = 0; i < 30; ++i) {
    auto record = RecordOf(absl::StrCat("u", i), i);
    record.mutable_trace()->set_trace_id(absl::StrCat("trace", i % 3));
    record.mutable_occur_time()->set_seconds(Now() - (i % 7) * 86400);
    Record(record);
  }
  Record(RecordOf("of none", 1));
  EXPECT_EQ(Ids(client(), OfTrace("trace1")), SqlIds("trace_id = 'trace1'"));
  EXPECT_EQ(Ids(client(), OfTrace("trace1"), 3), SqlIds("trace_id = 'trace1'"));
  EXPECT_EQ(Ids(client(), OfTrace("trace1")).size(), 10u);
  EXPECT_TRUE(Ids(client(), OfTrace("trace")).empty());
  auto lately = Since(3600);
  lately.set_trace_id("trace1");
  EXPECT_EQ(Ids(client(), lately),
            SqlIds("trace_id = 'trace1' AND charge_time > now() - interval '1 hour'"));
}

TEST_F(UsageList, ACorrectionIsARecordOfItsOwnThatSaysWhatItCorrects) {
  ASSERT_TRUE(client().CreateBudget("all", LifetimeBudget(100 * kUsd)).ok());
  auto record = FullRecord("u", "");
  Record(record);
  Adjust("a", "u", 10 * kCent);
  Adjust("b", "u", 1 * kCent);
  auto trace = Since(3600, {FilterOf("user", {"carol"})});
  const auto records = Records(client(), trace, 1);
  ASSERT_EQ(records.size(), 3u);
  std::set<std::string> seen;
  int64_t cost = 0, charged = 0;
  for (const auto& one : records) {
    cost += one.cost_nanousd();
    for (const auto& status : one.charged()) {
      if (status.budget() == "budgets/all") charged += status.spent();
    }
    EXPECT_EQ(one.charge_time().seconds(), record.occur_time().seconds());
    if (one.usage().usage_id() == "u") continue;
    seen.insert(one.usage().usage_id());
    EXPECT_EQ(one.adjusts(), "u");
    EXPECT_EQ(one.adjust_reason(), "the provider's bill");
    EXPECT_EQ(one.cost_basis(), v1::COST_BASIS_ADJUSTED);
    EXPECT_EQ(one.usage().subject().run(), "r");
    EXPECT_EQ(one.cost_nanousd(),
              one.usage().usage_id() == "adjustment:a" ? 7 * kCent : -9 * kCent);
    EXPECT_FALSE(one.usage().has_cost_nanousd()) << "nobody declared it";
  }
  EXPECT_EQ(seen, (std::set<std::string>{"adjustment:a", "adjustment:b"}));
  EXPECT_EQ(cost, 1 * kCent);
  EXPECT_EQ(charged, 1 * kCent) << "what the counter says";
  EXPECT_EQ(fleet_.Number("SELECT spent FROM counter JOIN budget ON uid = budget_uid "
                          "WHERE budget_id = 'all'"),
            charged);
}

TEST_F(UsageList, SaysWhatIsEstimated) {
  auto record = RecordOf("guess", 0);
  record.clear_cost_nanousd();
  record.mutable_model()->set_provider("openai");
  record.mutable_model()->set_name("gpt-4o");
  record.mutable_tokens()->set_uncached_input_tokens(1000);
  record.set_estimated(true);
  Record(record);
  const auto records = Records(client(), Since(60));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_TRUE(records[0].usage().estimated());
  EXPECT_EQ(records[0].cost_basis(), v1::COST_BASIS_ESTIMATED);
  EXPECT_GT(records[0].cost_nanousd(), 0);
  EXPECT_FALSE(records[0].usage().has_cost_nanousd());
  EXPECT_FALSE(records[0].price_version().empty());
}

// Records arrive all over the range, before the place where the reader is and behind it. The pages
// have each one that was acknowledged before the first page was asked for, once, and none that was
// sent after it was answered.
TEST_F(UsageList, HasEachRecordOnceWhileOthersArrive) {
  std::atomic<bool> stop = false;
  std::atomic<int> recorded = 0;
  std::mutex mutex;
  std::set<std::string> sent, acknowledged;
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937 random(w);
      for (int i = 0; !stop; ++i) {
        auto record = RecordOf(absl::StrCat(w, "/", i), 1);
        record.mutable_occur_time()->set_seconds(Now() - 5 - random() % 3000);
        {
          const std::lock_guard lock(mutex);
          sent.insert(record.usage_id());
        }
        v1::RecordUsageResponse response;
        EXPECT_TRUE(client(w).Record(record, response).ok());
        const std::lock_guard lock(mutex);
        acknowledged.insert(record.usage_id());
        ++recorded;
      }
    });
  }
  while (recorded < 300) absl::SleepFor(absl::Milliseconds(10));
  const int before = recorded;
  for (int round = 0; round < 8; ++round) {
    std::set<std::string> must, may;
    {
      const std::lock_guard lock(mutex);
      must = acknowledged;
    }
    int pages = 0;
    const auto records = Records(client(round), Since(3600), 40, [&] {
      const std::lock_guard lock(mutex);
      if (pages++ == 0) may = sent;
    });
    EXPECT_GT(pages, 5);
    std::set<std::string> listed;
    for (const auto& record : records) {
      EXPECT_TRUE(listed.insert(record.usage().usage_id()).second) << "twice";
    }
    EXPECT_TRUE(std::includes(listed.begin(), listed.end(), must.begin(), must.end()));
    EXPECT_TRUE(std::includes(may.begin(), may.end(), listed.begin(), listed.end()))
        << "something that came later";
  }
  EXPECT_GT(recorded, before + 50) << "otherwise nothing arrived between the pages";
  std::cout << recorded - before << " records arrived between the pages\n";
  stop = true;
  for (auto& writer : writers) writer.join();
}

// An absent end is when the first page was asked for.
TEST_F(UsageList, EndsNowWhereNoEndIsGiven) {
  for (int i = 0; i < 4; ++i) {
    auto record = RecordOf(absl::StrCat(i), 1);
    record.mutable_occur_time()->set_seconds(Now() + (i % 2 == 1 ? 2 : -10));
    Record(record);
  }
  EXPECT_EQ(Ids(client(), Since(60)).size(), 2u);
  const auto slowly = Records(client(), Since(60), 1, [] { absl::SleepFor(absl::Seconds(2)); });
  EXPECT_EQ(slowly.size(), 2u) << "what counts from a later moment on is not in it";
}

TEST_F(UsageList, ShowsNothingOfAnotherTenant) {
  auto record = FullRecord("u", "");
  Record(record);
  Adjust("a", "u", kCent);
  const auto copied = fleet_.database().Connect()->ExecuteScript(
      "UPDATE usage_record SET tenant_id = 'other' WHERE adjusts IS NULL;"
      "UPDATE counter SET tenant_id = 'other'");
  ASSERT_TRUE(copied.ok()) << copied;
  for (const auto& request :
       {Since(3600), OfTrace("0af7"), Since(3600, {FilterOf("run", {"r"})})}) {
    for (const auto& one : Records(client(), request)) {
      EXPECT_EQ(one.usage().usage_id(), "adjustment:a");
      EXPECT_EQ(one.adjusts(), "") << "what it corrects is theirs now";
      EXPECT_EQ(one.charged_size(), 0);
    }
  }
  EXPECT_EQ(Ids(client(), Since(3600)).size(), 1u);
  EXPECT_TRUE(Ids(client(), OfTrace("0af7")).empty());
}

TEST_F(UsageList, NamesTheFieldThatIsWrong) {
  for (int i = 0; i < 3; ++i) Record(RecordOf(absl::StrCat(i), 1));
  auto right = Since(3600, {FilterOf("user", {"x"}, true)});
  right.set_page_size(1);
  v1::ListUsageResponse page;
  ASSERT_TRUE(client().Call(&Telemetry::ListUsage, right, page).ok());
  const std::string token = page.next_page_token();
  ASSERT_FALSE(token.empty());
  using R = v1::ListUsageRequest;
  const std::tuple<const char*, std::function<void(R&)>> kCases[] = {
      {"start_time", [](R& r) { r.clear_start_time(); }},
      {"start_time", [](R& r) { r.mutable_start_time()->set_nanos(-1); }},
      {"start_time", [](R& r) { r.mutable_start_time()->set_seconds(Now() - 100LL * 31557600); }},
      {"end_time", [](R& r) { *r.mutable_end_time() = r.start_time(); }},
      {"end_time", [](R& r) { r.mutable_end_time()->set_seconds(1); }},
      {"filters[0].dimension", [](R& r) { r.mutable_filters(0)->set_dimension("usr"); }},
      {"filters[0].dimension", [](R& r) { r.mutable_filters(0)->set_dimension("label:"); }},
      {"filters[0].values", [](R& r) { r.mutable_filters(0)->clear_values(); }},
      {"filters[0].values",
       [](R& r) { r.mutable_filters(0)->set_values(0, std::string(257, 'x')); }},
      {"filters",
       [](R& r) {
         for (int i = 0; i < 20; ++i) *r.add_filters() = r.filters(0);
       }},
      {"trace_id", [](R& r) { r.set_trace_id(std::string(65, 'a')); }},
      {"trace_id", [](R& r) { r.set_trace_id(std::string("a\0b", 3)); }},
      {"trace_id", [](R& r) { r.set_trace_id("\xc3\x28"); }},
      {"page_size", [](R& r) { r.set_page_size(-1); }},
      {"page_size", [](R& r) { r.set_page_size(1001); }},
      {"page_token", [](R& r) { r.set_page_token("?"); }},
      {"page_token", [](R& r) { r.set_page_token("bm9uZQ"); }},
      {"page_token", [&](R& r) { r.set_page_token(token), r.set_trace_id("t"); }},
      {"page_token", [&](R& r) { r.set_page_token(token), r.clear_filters(); }},
      {"page_token",
       [&](R& r) { r.set_page_token(token), r.mutable_start_time()->set_seconds(Now() - 3000); }},
  };
  for (const auto& [field, spoil] : kCases) {
    R request = right;
    spoil(request);
    const grpc::Status status = client().Call(&Telemetry::ListUsage, request, page);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(DetailsOf(status).fields, std::vector<std::string>{field}) << status.error_message();
  }
  right.set_page_token(token);
  right.set_page_size(2);
  ASSERT_TRUE(client(1).Call(&Telemetry::ListUsage, right, page).ok());
  EXPECT_EQ(page.records_size(), 2) << "another page size is the same question";
  v1::ListRunsRequest runs;
  runs.set_page_token(token);
  v1::ListRunsResponse none;
  EXPECT_EQ(DetailsOf(client().Call(&Telemetry::ListRuns, runs, none)).fields,
            std::vector<std::string>{"page_token"});
}

}  // namespace
}  // namespace bursar::testing
