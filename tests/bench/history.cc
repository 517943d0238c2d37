#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/figures.h"
#include "bench/stage.h"
#include "bursar/v1/telemetry_service.grpc.pb.h"

// What history costs to write and to read: P3, P4 and P10 of docs/architecture.md's table.
namespace bursar::bench {
namespace {

// Records as the published loads have them: 10 models, 50 agents, 1,000 users, 12 dimensions;
// 10,000 of a batch share their receive_time, as a lane's do. `$1` is the first number, `$2` the
// last,
// `$3` over how many days they are spread.
constexpr char kFill[] =
    "WITH numbered AS (SELECT i, hashint8(i)::bigint + 2147483648 AS h, "
    "now() - make_interval(secs => $3::float8 * 86400 * (1 - (i / 10000)::float8 / "
    "(1 + $4::bigint / 10000))) AS at FROM generate_series($1::bigint, $2::bigint) i), "
    "r AS (INSERT INTO usage_record (receive_time, id, tenant_id, usage_id, charge_time, "
    "project, team, user_name, agent, workflow, tool, run, root_run, provider, model, region, "
    "event_type, step, outcome, calls, attempt, cost_nanousd, cost_basis, price_version, "
    "uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, "
    "visible_output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, "
    "input_image_tokens, output_image_tokens, latency_us, charged_counters, charged_amounts, "
    "released_nanousd, overrun_nanousd, late, unpriced) "
    "SELECT at, md5(i::text)::uuid, 'default', 'u' || i, at, 'project-' || h / 10 % 5, 'team-' || "
    "h / 10 % "
    "20, 'user-' || h % 1000, 'agent-' || h / 10 % 50, 'workflow-' || h / 10 % 25, "
    "CASE WHEN h % 4 = 0 THEN 'tool-' || h / 10 % 8 END, 'run-' || i / 20, 'run-' || i / 20, "
    "'openai', 'model-' || h / 1000 % 10, 'eu', 'model_call', 'step-' || h % 6, "
    "CASE WHEN h % 50 = 7 THEN 2 ELSE 1 END, 1, 1, 1000 + h % 1000000, 1, 'v', h % 4000, h % 900, "
    "0, 0, h % 700, 0, 0, 0, 0, 0, 200000 + h % 9000000, ARRAY[md5('a')::uuid, md5('b')::uuid], "
    "ARRAY[1000, 1000], 0, 0, false, 0 FROM numbered RETURNING id, receive_time) "
    "INSERT INTO usage_id SELECT id, 'default', receive_time, id FROM r";
constexpr char kTellRollups[] =
    "INSERT INTO unmerged_batch SELECT 'default', receive_time, count(*) FROM usage_record "
    "WHERE receive_time >= now() - make_interval(days => 400) GROUP BY 2 ON CONFLICT DO NOTHING";

// A stage with so many records over so many days, all of them in the rollups. Says how long it
// took.
struct Filled {
  Filled(int64_t records, int days) : stage({.budgets = {}}) {
    const absl::Time begin = absl::Now();
    auto session = stage.Connect();
    Must(session->Execute(
        "SELECT make_usage_partition(at) FROM generate_series(now() - interval '400 days', now() + "
        "interval '1 month', interval '10 days') AS at"));
    constexpr int64_t kChunk = 100'000;
    for (int64_t first = 0; first < records; first += kChunk) {
      Must(session->Execute(kFill, postgres::Params()
                                       .Int(first)
                                       .Int(std::min(first + kChunk, records) - 1)
                                       .Int(days)
                                       .Int(records)));
    }
    fill_time = absl::Now() - begin;
    Must(session->Execute(kTellRollups));
    while (stage.Number("SELECT count(*) FROM unmerged_batch") > 0) {
      absl::SleepFor(absl::Milliseconds(200));
    }
    merge_time = absl::Now() - begin - fill_time;
    Must(session->Execute("ANALYZE"));
  }

  void Describe(Outcome& outcome) const {
    outcome.values.emplace_back("filled_s", absl::ToDoubleSeconds(fill_time));
    outcome.values.emplace_back("merged_s", absl::ToDoubleSeconds(merge_time));
  }

  Stage stage;
  absl::Duration fill_time, merge_time;
};

std::unique_ptr<v1::TelemetryService::Stub> Connect(const Stage& stage) {
  return v1::TelemetryService::NewStub(
      grpc::CreateChannel(stage.addresses().front(), grpc::InsecureChannelCredentials()));
}

// One question after the other.
LoadResult AskFor(const Stage& stage, const v1::QueryCostsRequest& request,
                  absl::Duration duration) {
  auto stub = Connect(stage);
  std::vector<absl::Duration> latencies;
  LoadResult failures;
  const absl::Time begin = absl::Now();
  while (absl::Now() < begin + duration || latencies.size() < 3) {
    grpc::ClientContext context;
    v1::QueryCostsResponse response;
    const absl::Time start = absl::Now();
    const grpc::Status status = stub->QueryCosts(&context, request, &response);
    latencies.push_back(absl::Now() - start);
    if (status.ok() && response.rows_size() > 0) continue;
    ++failures.failed;
    failures.failure = status.ok() ? "no rows" : status.error_message();
    if (failures.failed > 3) break;
  }
  LoadResult result = ResultOf(std::move(latencies), absl::Now() - begin);
  result.failed = failures.failed;
  result.failure = failures.failure;
  return result;
}

v1::QueryCostsRequest ByDayAndModel() {
  v1::QueryCostsRequest request;
  request.mutable_start_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) / 86400 * 86400 -
                                            30 * 86400);
  request.set_bucket(v1::QueryCostsRequest::BUCKET_DAY);
  request.add_group_by("model");
  request.set_page_size(1000);
  return request;
}

v1::QueryCostsRequest ByMonthAndUser() {
  v1::QueryCostsRequest request;
  request.mutable_start_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) / 86400 * 86400 -
                                            365 * 86400);
  request.set_bucket(v1::QueryCostsRequest::BUCKET_MONTH);
  request.add_group_by("user");
  request.set_order_by("cost desc");
  request.set_page_size(100);
  return request;
}

double Milliseconds(const LoadResult& result) { return absl::ToDoubleMilliseconds(result.p50); }

Outcome ThirtyDays(const Options& options) {
  const Filled full(options.records, 30), tenth(options.records / 10, 30);
  const auto ask = [&](const Stage& stage) {
    return [&] { return AskFor(stage, ByDayAndModel(), options.duration); };
  };
  Outcome outcome = Compare(
      options.rounds, {{"all records", ask(full.stage)}, {"a tenth of them", ask(tenth.stage)}},
      [](const std::vector<LoadResult>& of_round) { return Milliseconds(of_round[0]); });
  outcome.values.emplace_back("against_a_tenth", absl::FDivDuration(outcome.loads[0].second.p50,
                                                                    outcome.loads[1].second.p50));
  outcome.values.emplace_back(
      "bytes_per_record",
      static_cast<double>(full.stage.Number(
          "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE relkind = 'r' AND "
          "(relname LIKE 'usage_record%' OR relname = 'usage_id')")) /
          static_cast<double>(options.records));
  outcome.values.emplace_back(
      "rollup_bytes_per_record",
      static_cast<double>(full.stage.Number("SELECT pg_total_relation_size('rollup')")) /
          static_cast<double>(options.records));
  full.Describe(outcome);
  return outcome;
}

Outcome YearByUser(const Options& options) {
  const Filled year(options.records, 365);
  const auto ask = [&] { return AskFor(year.stage, ByMonthAndUser(), options.duration); };
  Outcome outcome =
      Compare(options.rounds, {{"by month and user", ask}},
              [](const std::vector<LoadResult>& of_round) { return Milliseconds(of_round[0]); });
  year.Describe(outcome);
  return outcome;
}

// ---- P3: BatchRecordUsage against COPY of the same rows into the same tables.

v1::RecordUsageRequest RecordOfNumber(const std::string& name, int64_t i) {
  v1::RecordUsageRequest used;
  used.set_usage_id(absl::StrCat(name, i));
  auto* subject = used.mutable_subject();
  subject->set_project(absl::StrCat("project-", i % 5));
  subject->set_team(absl::StrCat("team-", i % 20));
  subject->set_user(absl::StrCat("user-", i % 1000));
  subject->set_agent(absl::StrCat("agent-", i % 50));
  subject->set_workflow(absl::StrCat("workflow-", i % 10));
  subject->set_tool(absl::StrCat("tool-", i % 8));
  subject->set_run(absl::StrCat("run-", i / 20));
  used.mutable_model()->set_provider("openai");
  used.mutable_model()->set_name("gpt-4o");
  used.mutable_model()->set_region("eu");
  used.set_step(absl::StrCat("step-", i % 6));
  used.mutable_tokens()->set_uncached_input_tokens(i % 4000);
  used.mutable_tokens()->set_visible_output_tokens(i % 700);
  used.mutable_latency()->set_seconds(1 + i % 9);
  return used;
}

LoadResult RecordFor(const Stage& stage, const std::string& name, absl::Duration duration) {
  static std::atomic<int64_t> next{0};
  std::atomic<int64_t> records{0}, failed{0};
  std::vector<std::thread> clients;
  const absl::Time begin = absl::Now(), end = begin + duration;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      auto stub = Connect(stage);
      while (absl::Now() < end) {
        v1::BatchRecordUsageRequest request;
        for (int i = 0; i < 1000; ++i) *request.add_records() = RecordOfNumber(name, next++);
        grpc::ClientContext context;
        v1::BatchRecordUsageResponse response;
        if (!stub->BatchRecordUsage(&context, request, &response).ok()) ++failed;
        for (const auto& result : response.results()) {
          result.code() == 0 ? ++records : ++failed;
        }
      }
    });
  }
  for (auto& client : clients) client.join();
  LoadResult result;
  result.calls = records;
  result.failed = failed;
  result.took = absl::Now() - begin;
  result.calls_per_second = static_cast<double>(records) / absl::ToDoubleSeconds(result.took);
  return result;
}

// Runs psql, which has PostgreSQL's own COPY.
void Copy(const Stage& stage, const std::string& what) {
  const std::string command =
      absl::StrCat("psql -q '", stage.url(), "' -c \"\\copy ", what, "\" >&2");
  if (std::system(command.c_str()) == 0) return;
  std::cerr << "bursar-bench: psql did not do: " << what << "\n";
  std::exit(1);
}

// The rows that the records above became, copied out once and in again each round.
LoadResult CopyFor(const Stage& stage, const std::string& folder) {
  auto session = stage.Connect();
  const absl::Time begin = absl::Now();
  Copy(stage, absl::StrCat("usage_record FROM '", folder, "/records'"));
  Copy(stage, absl::StrCat("usage_id FROM '", folder, "/ids'"));
  LoadResult result;
  result.took = absl::Now() - begin;
  result.calls = stage.Number("SELECT count(*) FROM usage_id");
  result.calls_per_second = static_cast<double>(result.calls) / absl::ToDoubleSeconds(result.took);
  Must(session->Execute("TRUNCATE usage_record, usage_id"));
  return result;
}

Outcome BatchAgainstCopy(const Options& options) {
  const Stage recorded, copied({.budgets = {}});
  RecordFor(recorded, "first", options.duration * 2);
  std::string folder = std::filesystem::temp_directory_path() / "bursar-bench-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return {.problem = "there is no folder for COPY's files"};
  Copy(recorded, absl::StrCat("(SELECT * FROM usage_record) TO '", folder, "/records'"));
  Copy(recorded, absl::StrCat("usage_id TO '", folder, "/ids'"));
  int round = 0;
  Outcome outcome = Compare(
      options.rounds,
      {{"BatchRecordUsage",
        [&] { return RecordFor(recorded, absl::StrCat("r", round++, "-"), options.duration); }},
       {"COPY", [&] { return CopyFor(copied, folder); }}},
      Throughput);
  std::filesystem::remove_all(folder);
  return outcome;
}

}  // namespace

std::vector<Measure> HistoryMeasures() {
  return {
      {"p3", "BatchRecordUsage, 12 dimensions / COPY into the same tables", "x", Goal::kAtLeast,
       0.3, BatchAgainstCopy},
      {"p4", "QueryCosts, 30 days by day and model (p10: bytes_per_record)", "ms", Goal::kAtMost,
       10, ThirtyDays},
      {"year_by_user", "QueryCosts, a year by month and user", "ms", Goal::kAtMost, 100,
       YearByUser},
  };
}

}  // namespace bursar::bench
