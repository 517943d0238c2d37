// ListRuns on the real server.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <limits>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "integration/pages.h"

namespace bursar::testing {
namespace {

int64_t Now() { return absl::ToUnixSeconds(absl::Now()); }

std::vector<v1::Run> Runs(
    RpcClient& client, const v1::ListRunsRequest& request = {}, int page_size = 100,
    const std::function<void()>& between = [] {}) {
  std::vector<v1::Run> all;
  ReadAllPages<v1::ListRunsRequest, v1::ListRunsResponse>(
      client, &Telemetry::ListRuns, request, page_size,
      [&](const v1::ListRunsResponse& response) {
        EXPECT_LE(response.runs_size(), page_size);
        all.insert(all.end(), response.runs().begin(), response.runs().end());
      },
      between);
  return all;
}

v1::ListRunsRequest Having(const std::vector<v1::Filter>& filters, bool top_only = false) {
  v1::ListRunsRequest request;
  for (const auto& filter : filters) *request.add_filters() = filter;
  request.set_top_only(top_only);
  return request;
}

int64_t Micros(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1'000'000 + time.nanos() / 1000;
}

// "run first last calls failed cost tree_cost sub_runs", times in microseconds.
std::string TextOf(const v1::Run& run) {
  return absl::StrCat(run.run(), " ", Micros(run.first_time()), " ", Micros(run.last_time()), " ",
                      run.calls(), " ", run.failed_calls(), " ", run.cost_nanousd(), " ",
                      run.tree_cost_nanousd(), " ", run.sub_runs());
}
std::vector<std::string> TextsOf(const std::vector<v1::Run>& runs) {
  std::vector<std::string> texts;
  for (const auto& run : runs) texts.push_back(TextOf(run));
  return texts;
}
std::vector<std::string> NamesOf(const std::vector<v1::Run>& runs) {
  std::vector<std::string> names;
  for (const auto& run : runs) names.push_back(run.run());
  return names;
}

// The same said plainly: a run of all the records of `range`, by one look at all of them. A run is
// a top one if its latest record says so.
std::string PlainSql(const std::string& range, const std::string& having, bool top_only) {
  return absl::StrCat(
      "WITH r AS (SELECT * FROM usage_record WHERE ", range,
      "), own AS (SELECT run, min(charge_time) AS first, max(charge_time) AS last, "
      "sum(calls) AS calls, count(*) FILTER (WHERE outcome = 2 AND adjusts IS NULL) AS failed, "
      "sum(cost_nanousd) AS cost, (array_agg(parent_run IS NULL AND root_run = run "
      "ORDER BY charge_time DESC, receive_time DESC, id DESC))[1] AS top FROM r "
      "WHERE run IS NOT NULL GROUP BY run ",
      having,
      "), tree AS (SELECT root_run, sum(cost_nanousd) AS cost, count(DISTINCT run) AS runs "
      "FROM r WHERE root_run IS DISTINCT FROM coalesce(run, '') GROUP BY root_run) "
      "SELECT string_agg(concat_ws(' ', own.run, (extract(epoch FROM first) * 1000000)::bigint, "
      "(extract(epoch FROM last) * 1000000)::bigint, calls, failed, own.cost, "
      "own.cost + CASE WHEN top THEN coalesce(tree.cost, 0) ELSE 0 END, coalesce(tree.runs, 0)), "
      "'|' ORDER BY last DESC, own.run COLLATE \"C\") FROM own LEFT JOIN tree ON root_run = "
      "own.run ",
      top_only ? "WHERE top" : "");
}

class RunList : public ::testing::Test {
 protected:
  RpcClient& client(size_t replica = 0) { return fleet_.client(replica); }
  void Record(const v1::RecordUsageRequest& request) {
    v1::RecordUsageResponse response;
    const grpc::Status status = client().Record(request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  // A record of a run, `root` its root where it is not itself.
  void Use(const std::string& run, int64_t cost, const std::string& root = "",
           const std::function<void(v1::RecordUsageRequest&)>& with = nullptr) {
    auto record = RecordOf(absl::StrCat(run, "/", ++records_), cost);
    record.mutable_subject()->set_run(run);
    record.mutable_subject()->set_root_run(root);
    if (!root.empty() && root != run) record.mutable_subject()->set_parent_run(root);
    if (with) with(record);
    Record(record);
  }
  std::vector<std::string> Plainly(const std::string& range, const std::string& having = "",
                                   bool top_only = false) {
    return absl::StrSplit(fleet_.Sql(PlainSql(range, having, top_only)), '|', absl::SkipEmpty());
  }
  // Records by the thousand, hundreds of which count at the same moment: 100 trees of 6 runs, a few
  // long runs that are in all of it, and many of a single record.
  void Fill(int records, const std::string& tenant = "default") {
    const absl::Status filled = fleet_.database().Connect()->ExecuteScript(
        absl::StrCat(R"(
        SELECT setseed(0.5);
        INSERT INTO usage_record (receive_time, id, tenant_id, usage_id, charge_time, user_name,
          agent, run, parent_run, root_run, model, event_type, outcome, calls, attempt,
          cost_nanousd, cost_basis, price_version, unpriced, uncached_input_tokens,
          cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, visible_output_tokens,
          reasoning_tokens, input_audio_tokens, output_audio_tokens, input_image_tokens,
          output_image_tokens, charged_counters, charged_amounts, released_nanousd,
          overrun_nanousd, late)
        SELECT greatest(t, date_trunc('month', now(), 'UTC')), gen_random_uuid(), ')",
                     tenant, R"(',
          'u' || i, t, 'user' || tree % 7, 'agent' || part,
          coalesce(lonely, CASE WHEN i % 17 > 0 THEN 'run' || tree || '.' || part END),
          CASE WHEN lonely IS NULL AND part > 0 THEN 'run' || tree || '.0' END,
          coalesce(lonely, 'run' || tree || '.0'),
          'm' || i % 11, 'model_call', 1 + (i % 9 = 0)::int, 1, 1, i % 1000, 1, '1', 0,
          0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{}', '{}', 0, 0, false
        FROM (SELECT *, CASE WHEN i % 101 = 0 THEN 'single' || i
                             WHEN i % 49 = 0 THEN 'long' || i % 3 END AS lonely,
              date_bin('6 hours', now() - interval '6 days' + tree * interval '85 minutes'
                       + random() * interval '2 hours', to_timestamp(0)) AS t
              FROM (SELECT i, i * 7 % 100 AS tree, i / 100 % 6 AS part FROM generate_series(1, )",
                     records, ") AS i) numbered) placed"));
    ASSERT_TRUE(filled.ok()) << filled;
  }

  Fleet fleet_{2};
  int records_ = 0;
};

constexpr char kLastWeek[] = "charge_time >= now() - interval '7 days' AND charge_time < now()";

TEST_F(RunList, TellsOfARunWhatItsLatestRecordSays) {
  const int64_t now = Now();
  Use("r", 5, "", [&](auto& record) {
    record.mutable_occur_time()->set_seconds(now - 50);
    record.mutable_subject()->set_user("old");
  });
  Use("r", 7, "", [&](auto& record) {
    record.mutable_occur_time()->set_seconds(now - 20);
    record.mutable_subject()->set_user("carol");
    record.mutable_subject()->set_agent("writer");
    record.mutable_subject()->set_project("p");
    record.mutable_subject()->set_workflow("w");
    record.set_outcome(v1::OUTCOME_FAILED);
  });
  Use("child", 100, "r", [&](auto& record) { record.mutable_occur_time()->set_seconds(now - 30); });
  Use("child of child", 1000, "r", [&](auto& record) {
    record.mutable_occur_time()->set_seconds(now - 40);
    record.mutable_subject()->set_parent_run("child");
  });
  Record(RecordOf("of no run", 3));
  const auto runs = Runs(client(1));
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(TextsOf(runs), Plainly(kLastWeek));
  const v1::Run& r = runs[0];
  EXPECT_EQ(r.run(), "r");
  EXPECT_EQ(r.root_run(), "r");
  EXPECT_EQ(r.parent_run(), "");
  EXPECT_EQ(absl::StrJoin({r.user(), r.agent(), r.project(), r.workflow()}, " "),
            "carol writer p w");
  EXPECT_EQ(r.first_time().seconds(), now - 50);
  EXPECT_EQ(r.last_time().seconds(), now - 20);
  EXPECT_EQ(r.calls(), 2);
  EXPECT_EQ(r.failed_calls(), 1);
  EXPECT_EQ(r.cost_nanousd(), 12);
  EXPECT_EQ(r.tree_cost_nanousd(), 1112);
  EXPECT_EQ(r.sub_runs(), 2);
  EXPECT_EQ(runs[1].run(), "child");
  EXPECT_EQ(runs[1].parent_run(), "r");
  EXPECT_EQ(runs[1].tree_cost_nanousd(), 100) << "of a run that has a parent: its own";
  EXPECT_EQ(NamesOf(Runs(client(), Having({}, true))), std::vector<std::string>{"r"});
}

TEST_F(RunList, CountsACorrectionWhereItsRecordCounts) {
  Use("r", 5 * kCent);
  v1::AdjustUsageRequest request;
  request.set_adjustment_id("a");
  request.set_usage_id("r/1");
  request.set_cost_nanousd(2 * kCent);
  v1::AdjustUsageResponse response;
  ASSERT_TRUE(client().Call(&Admin::AdjustUsage, request, response).ok());
  const auto runs = Runs(client());
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].cost_nanousd(), 2 * kCent);
  EXPECT_EQ(runs[0].calls(), 1);
}

TEST_F(RunList, IsWhatPlainSqlSaysInPagesOfAnySize) {
  Fill(12'000);
  const auto all = Plainly(kLastWeek), top = Plainly(kLastWeek, "", true);
  EXPECT_GT(all.size(), 600u);
  EXPECT_LT(top.size(), 300u);
  for (const int page_size : {1000, 100, 13}) {
    EXPECT_EQ(TextsOf(Runs(client(), {}, page_size)), all) << page_size;
  }
  for (const int page_size : {1000, 150, 120, 90, 60, 13, 1}) {
    EXPECT_EQ(TextsOf(Runs(client(1), Having({}, true), page_size)), top) << page_size;
  }
}

TEST_F(RunList, FindsRunsARecordOfWhichHasWhatIsAsked) {
  Fill(6'000);
  const std::pair<std::vector<v1::Filter>, std::string> kCases[] = {
      {{FilterOf("user", {"user3"})}, "user_name = 'user3'"},
      {{FilterOf("model", {"m4"})}, "model = 'm4'"},
      {{FilterOf("agent", {"agent0", "agent1"}), FilterOf("model", {"m4"}, true)},
       "agent IN ('agent0', 'agent1') AND model <> 'm4'"},
      {{FilterOf("run", {"long1", "run50.2"})}, "run IN ('long1', 'run50.2')"},
      {{FilterOf("root_run", {"run50.0"})}, "root_run = 'run50.0'"},
      {{FilterOf("parent_run", {""})}, "parent_run IS NULL"},
      {{FilterOf("user", {"nobody"})}, "false"},
  };
  for (const auto& [filters, condition] : kCases) {
    const std::string having = absl::StrCat("HAVING bool_or(", condition, ")");
    EXPECT_EQ(TextsOf(Runs(client(), Having(filters))), Plainly(kLastWeek, having)) << condition;
    EXPECT_EQ(TextsOf(Runs(client(), Having(filters), 9)), Plainly(kLastWeek, having)) << condition;
  }
  v1::ListRunsRequest some;
  some.mutable_start_time()->set_seconds(Now() - 5 * 86400);
  some.mutable_end_time()->set_seconds(Now() - 4 * 86400);
  const std::string range =
      absl::StrCat("charge_time >= to_timestamp(", some.start_time().seconds(),
                   ") AND charge_time < to_timestamp(", some.end_time().seconds(), ")");
  EXPECT_EQ(TextsOf(Runs(client(), some)), Plainly(range));
  EXPECT_EQ(TextsOf(Runs(client(), some, 7)), Plainly(range));
}

// What GetBudgetStatus says of the same, by budget.
std::map<std::string, std::string> CapsOf(const v1::Run& run) {
  std::map<std::string, std::string> caps;
  for (const auto& cap : run.caps()) caps[cap.budget()] = cap.ShortDebugString();
  return caps;
}

TEST_F(RunList, ShowsItsCapsWithTheFiguresOfTheGate) {
  ASSERT_TRUE(client().CreateBudget("each", LifetimeBudget(3 * kCent, {"run"})).ok());
  v1::Budget daily = OfProject(LifetimeBudget(kUsd, {"run"}), "p");
  daily.mutable_window()->set_kind(v1::Window::KIND_DAY);
  ASSERT_TRUE(client().CreateBudget("day-of-p", daily).ok());
  ASSERT_TRUE(client().CreateBudget("other", LifetimeBudget(kUsd, {"run", "user"})).ok());
  ASSERT_TRUE(client().CreateBudget("users", LifetimeBudget(kUsd, {"user"})).ok());
  Use("r", 2 * kCent);
  Use("child", 1 * kCent, "r");
  auto check = CheckOf("held", kCent);
  check.mutable_subject()->set_run("r");
  v1::CheckBudgetResponse held;
  ASSERT_TRUE(client().Check(check, held).ok());
  Use("in p", 1, "", [](auto& record) {
    record.mutable_subject()->set_project("p");
    record.mutable_occur_time()->set_seconds(Now() - 2 * 86400);
  });
  for (const auto& run : Runs(client())) {
    v1::GetBudgetStatusRequest request;
    request.mutable_subject()->set_run(run.run());
    request.mutable_subject()->set_root_run(run.root_run());
    request.mutable_subject()->set_project(run.project());
    v1::GetBudgetStatusResponse gate;
    ASSERT_TRUE(client(1).Call(&Telemetry::GetBudgetStatus, request, gate).ok());
    std::map<std::string, std::string> wanted;
    for (const auto& status : gate.budgets()) {
      wanted[status.budget()] = status.ShortDebugString();
    }
    EXPECT_EQ(CapsOf(run), wanted) << run.run();
    EXPECT_EQ(run.caps_size(), run.run() == "in p" ? 3 : 2) << run.run();
    if (run.run() != "r") continue;
    EXPECT_EQ(run.caps(0).budget(), "budgets/each");
    EXPECT_EQ(run.caps(0).used_fraction(), 1) << "2 cents spent, 1 held, of 3";
    EXPECT_EQ(run.caps(1).budget(), "budgets/run-cap");
    EXPECT_EQ(run.caps(1).spent(), 3 * kCent) << "with its sub-run";
  }
}

TEST_F(RunList, ShowsACapThatCountedOnlyEarlierCalls) {
  v1::Budget opus = LifetimeBudget(kUsd, {"run"});
  *opus.add_selector() = FilterOf("model", {"opus"});
  ASSERT_TRUE(client().CreateBudget("opus", opus).ok());
  Use("both", 5, "", [](auto& record) { record.mutable_model()->set_name("opus"); });
  Use("both", 7, "", [](auto& record) { record.mutable_model()->set_name("haiku"); });
  Use("haiku", 7, "", [](auto& record) { record.mutable_model()->set_name("haiku"); });
  for (const auto& run : Runs(client())) {
    const auto caps = CapsOf(run);
    EXPECT_EQ(caps.contains("budgets/opus"), run.run() == "both") << run.run();
  }
}

// Runs that become active again between the pages stay where the first page saw them.
TEST_F(RunList, HasEachRunOnceWhileRecordsArrive) {
  constexpr int kRuns = 120;
  std::atomic<bool> stop = false;
  std::atomic<int> recorded = 0;
  std::mutex mutex;
  std::set<std::string> acknowledged;
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937 random(w);
      for (int i = 0; !stop; ++i) {
        auto record = RecordOf(absl::StrCat(w, "/", i), 1);
        const std::string run = absl::StrCat("r", random() % kRuns);
        record.mutable_subject()->set_run(run);
        if (random() % 2 == 0) {
          record.mutable_occur_time()->set_seconds(Now() - random() % 3000);
        }
        v1::RecordUsageResponse response;
        EXPECT_TRUE(client(w).Record(record, response).ok());
        const std::lock_guard lock(mutex);
        acknowledged.insert(run);
        ++recorded;
      }
    });
  }
  while (recorded < 400) absl::SleepFor(absl::Milliseconds(10));
  const int before = recorded;
  for (int round = 0; round < 8; ++round) {
    std::set<std::string> must;
    {
      const std::lock_guard lock(mutex);
      must = acknowledged;
    }
    const int64_t calls_before = recorded;
    int64_t calls = 0, calls_after = 0;
    std::set<std::string> listed;
    int64_t last = std::numeric_limits<int64_t>::max();
    for (const auto& run : Runs(client(round), {}, 11, [&] {
           if (calls_after == 0) calls_after = recorded + 4;  // those under way
         })) {
      EXPECT_TRUE(listed.insert(run.run()).second) << run.run() << " twice";
      calls += run.calls();
      EXPECT_LE(Micros(run.last_time()), last);
      last = Micros(run.last_time());
    }
    EXPECT_TRUE(std::includes(listed.begin(), listed.end(), must.begin(), must.end()));
    EXPECT_GE(calls, calls_before);
    EXPECT_LE(calls, calls_after) << "records that came after the first page";
  }
  EXPECT_GT(recorded, before + 50) << "otherwise nothing arrived between the pages";
  std::cout << recorded - before << " records arrived between the pages\n";
  stop = true;
  for (auto& writer : writers) writer.join();
}

TEST_F(RunList, ShowsNothingOfAnotherTenant) {
  Fill(3'000, "other");
  EXPECT_TRUE(Runs(client()).empty());
  Use("run5.0", 7);
  const auto runs = Runs(client());
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].cost_nanousd(), 7);
  EXPECT_EQ(runs[0].tree_cost_nanousd(), 7);
  EXPECT_EQ(runs[0].sub_runs(), 0);
  EXPECT_EQ(runs[0].calls(), 1);
}

TEST_F(RunList, NamesTheFieldThatIsWrong) {
  for (int i = 0; i < 3; ++i) Use(absl::StrCat("a run with blanks ", i), 1);
  auto right = Having({FilterOf("user", {"x"}, true)});
  right.set_page_size(1);
  v1::ListRunsResponse page;
  ASSERT_TRUE(client().Call(&Telemetry::ListRuns, right, page).ok());
  const std::string token = page.next_page_token();
  ASSERT_FALSE(token.empty());
  using R = v1::ListRunsRequest;
  const std::tuple<const char*, std::function<void(R&)>> kCases[] = {
      {"start_time", [](R& r) { r.mutable_start_time()->set_nanos(-1); }},
      {"start_time", [](R& r) { r.mutable_start_time()->set_seconds(Now() - 100LL * 31557600); }},
      {"end_time", [](R& r) { r.mutable_end_time()->set_seconds(Now() - 8 * 86400); }},
      {"end_time", [](R& r) { *r.mutable_start_time() = *r.mutable_end_time(); }},
      {"filters[0].dimension", [](R& r) { r.mutable_filters(0)->set_dimension("label:env"); }},
      {"filters[0].dimension", [](R& r) { r.mutable_filters(0)->set_dimension("outcome"); }},
      {"filters[0].values", [](R& r) { r.mutable_filters(0)->clear_values(); }},
      {"page_size", [](R& r) { r.set_page_size(-1); }},
      {"page_size", [](R& r) { r.set_page_size(1001); }},
      {"page_token", [](R& r) { r.set_page_token("?"); }},
      {"page_token", [&](R& r) { r.set_page_token(token), r.set_top_only(true); }},
      {"page_token", [&](R& r) { r.set_page_token(token), r.clear_filters(); }},
      {"page_token",
       [&](R& r) { r.set_page_token(token), r.mutable_start_time()->set_seconds(Now() - 3000); }},
  };
  for (const auto& [field, spoil] : kCases) {
    R request = right;
    spoil(request);
    const grpc::Status status = client().Call(&Telemetry::ListRuns, request, page);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(DetailsOf(status).fields, std::vector<std::string>{field}) << status.error_message();
  }
  right.set_page_token(token);
  right.set_page_size(9);
  ASSERT_TRUE(client(1).Call(&Telemetry::ListRuns, right, page).ok());
  EXPECT_EQ(page.runs_size(), 2) << "another page size is the same question";
}

}  // namespace
}  // namespace bursar::testing
