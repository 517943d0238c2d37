#include "bench/figures.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/load.h"
#include "bench/processes.h"
#include "support/test_database.h"

namespace bursar::bench {
namespace {

constexpr int64_t kDollar = 1'000'000'000;
constexpr int64_t kPlenty = 9'000'000 * kDollar;

struct Figure {
  std::string name, what;
  double value = 0;  // the ratio, or the figure itself where it is absolute
  double must = 0;
  bool at_most = false;  // else at least
  std::string detail;

  bool met() const { return at_most ? value <= must : value >= must; }
};

std::string Describe(const LoadResult& result) {
  return absl::StrFormat("%.0f/s p50 %d us p99 %d us%s", result.calls_per_second,
                         absl::ToInt64Microseconds(result.p50),
                         absl::ToInt64Microseconds(result.p99),
                         result.failed == 0 ? "" : absl::StrCat(" FAILED ", result.failed));
}

// One database with budgets by run, user and month, as DESIGN's P1 has them, and its servers.
class Stage {
 public:
  explicit Stage(int servers = 1) {
    auto session = database_.Connect();
    Must(session->Execute("DELETE FROM budget"));
    Add("run", "[\"root_run\"]", 1, kPlenty);
    Add("user-day", "[\"user\"]", 4, kPlenty);
    Add("month", "[]", 6, kPlenty);
    Must(session->Execute("UPDATE tenant SET budget_epoch = budget_epoch + 1"));
    for (int i = 0; i < servers; ++i) servers_.push_back(StartServer(database_.url()));
  }

  void Add(const std::string& id, const std::string& group_by, int window_kind, int64_t limit,
           const std::string& selector = "[]") {
    auto session = database_.Connect();
    postgres::Params params;
    params.Text(id).Text(group_by).Int(window_kind).Int(limit).Text(selector);
    Must(session->Execute(
        "INSERT INTO budget (uid, tenant_id, budget_id, display_name, selector, group_by, "
        "require_group, unit, limit_amount, window_kind, time_zone, mode, overrides, "
        "threshold_percents, frozen, etag, create_time, update_time) VALUES (gen_random_uuid(), "
        "'default', $1, '', $5, $2, false, 1, $4, $3, '', 1, '[]', '[75,90,100]', false, '', "
        "now(), now())",
        std::move(params)));
  }

  std::vector<std::string> addresses() const {
    std::vector<std::string> all;
    for (const auto& server : servers_) all.push_back(server.address);
    return all;
  }
  testing::TestDatabase& database() { return database_; }
  Server& server() { return servers_.front(); }

  static void Must(const absl::StatusOr<postgres::Rows>& rows) {
    if (rows.ok()) return;
    std::cerr << "bursar-bench: " << rows.status() << "\n";
    std::exit(1);
  }

 private:
  testing::TestDatabase database_;
  std::vector<Server> servers_;
};

// Each call its own id; 20 calls a run, 1,000 users; everybody shares the month.
MakeCheck Checks(const std::string& prefix) {
  return [prefix](int64_t number, v1::CheckBudgetRequest& request) {
    request.set_request_id(absl::StrCat(prefix, number));
    auto* subject = request.mutable_subject();
    subject->set_run(absl::StrCat(prefix, "run-", number / 20));
    subject->set_user(absl::StrCat("user-", number % 1000));
    subject->set_agent("agent");
    request.mutable_model()->set_provider("openai");
    request.mutable_model()->set_name("gpt-4o");
    request.mutable_tokens()->set_uncached_input_tokens(1200);
    request.set_max_output_tokens(200);
  };
}

LoadResult Load(const std::vector<std::string>& addresses, const Options& options, int in_flight,
                const MakeCheck& make) {
  LoadOptions load{.in_flight = in_flight, .duration = options.duration};
  return RunChecks(addresses, load, make);
}

Figure MeasureP1(const Options& options) {
  const Server noop = StartNoopServer(3);
  Stage stage;
  const LoadResult bare = Load({noop.address}, options, 256, Checks("n"));
  const LoadResult real = Load(stage.addresses(), options, 256, Checks("p1-"));
  return {"p1",
          "checks/s, 256 in flight, against a no-op RPC",
          real.calls_per_second / bare.calls_per_second,
          0.5,
          false,
          absl::StrCat(Describe(real), "; no-op ", Describe(bare))};
}

// The median of one durable update of one row, in a transaction of its own.
absl::Duration UpdateP50(testing::TestDatabase& database, absl::Duration duration) {
  auto session = database.Connect();
  (void)session->Execute("CREATE TABLE one_row (id int PRIMARY KEY, value bigint)");
  (void)session->Execute("INSERT INTO one_row VALUES (1, 0)");
  std::vector<absl::Duration> latencies;
  const absl::Time end = absl::Now() + duration;
  while (absl::Now() < end) {
    const absl::Time begin = absl::Now();
    (void)session->Execute("UPDATE one_row SET value = value + 1 WHERE id = 1");
    latencies.push_back(absl::Now() - begin);
  }
  std::sort(latencies.begin(), latencies.end());
  return latencies[latencies.size() / 2];
}

Figure MeasureP2(const Options& options) {
  const Server noop = StartNoopServer(3);
  Stage stage;
  const LoadResult bare = Load({noop.address}, options, 1, Checks("n"));
  const absl::Duration update = UpdateP50(stage.database(), options.duration);
  const LoadResult real = Load(stage.addresses(), options, 1, Checks("p2-"));
  return {"p2",
          "p50 of a lonely check, against a no-op RPC and an UPDATE",
          absl::FDivDuration(real.p50, bare.p50 + update),
          1.7,
          true,
          absl::StrCat(Describe(real), "; no-op p50 ", absl::ToInt64Microseconds(bare.p50),
                       " us, UPDATE p50 ", absl::ToInt64Microseconds(update), " us")};
}

Figure MeasureP5(const Options& options) {
  Stage stage;
  const LoadResult before = Load(stage.addresses(), options, 64, Checks("p5a-"));
  auto session = stage.database().Connect({.statement_timeout = absl::Minutes(10)});
  const absl::Time begin = absl::Now();
  // A million records that are in the window, with their ids; the counters say nothing of them, and
  // need not: what is measured is whether a check's time grows with history.
  auto filled = session->Execute(
      "WITH r AS (INSERT INTO usage_record (receive_time, id, tenant_id, usage_id, charge_time, "
      "run, user_name, provider, model, event_type, outcome, calls, attempt, cost_nanousd, "
      "cost_basis, "
      "price_version, uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, "
      "cache_write_1h_tokens, visible_output_tokens, reasoning_tokens, input_audio_tokens, "
      "output_audio_tokens, input_image_tokens, output_image_tokens, charged_counters, "
      "charged_amounts, released_nanousd, overrun_nanousd, late) "
      "SELECT now(), gen_random_uuid(), 'default', 'u' || i, now(), 'run-' || i / 20, 'user-' || i "
      "% 1000, 'openai', 'gpt-4o', 'model_call', 1, 1, 1, 1000, 1, 'v', 1, 0, 0, 0, 1, 0, 0, 0, 0, "
      "0, "
      "'{}', '{}', 0, 0, false FROM generate_series(1, 1000000) i RETURNING id, receive_time) "
      "INSERT INTO usage_id SELECT id, 'default', receive_time, id FROM r");
  Stage::Must(filled);
  const absl::Duration filling = absl::Now() - begin;
  const LoadResult after = Load(stage.addresses(), options, 64, Checks("p5b-"));
  return {"p5",
          "time of a check with 1 M records in the window, against none",
          before.calls_per_second / after.calls_per_second,
          1.2,
          true,
          absl::StrCat(Describe(after), "; before ", Describe(before), "; filled in ",
                       absl::FormatDuration(filling))};
}

Figure MeasureP6(const Options& options) {
  const Server noop = StartNoopServer(3);
  Stage stage;
  stage.Add("empty", "[]", 6, 0, R"([{"dimension":"agent","values":["agent"],"exclude":false}])");
  const LoadResult bare = Load({noop.address}, options, 256, Checks("n"));
  const LoadResult real = Load(stage.addresses(), options, 256, Checks("p6-"));
  return {"p6",
          "checks/s on an exhausted budget, against a no-op RPC",
          real.calls_per_second / bare.calls_per_second,
          0.7,
          false,
          absl::StrCat(Describe(real), ", denied ", real.denied, " of ", real.calls, "; no-op ",
                       Describe(bare))};
}

Figure MeasureP8InFlight(const Options& options) {
  Stage stage;
  const LoadResult few = Load(stage.addresses(), options, 16, Checks("p8a-"));
  const LoadResult many = Load(stage.addresses(), options, 256, Checks("p8b-"));
  return {"p8",
          "one hot budget: 256 in flight against 16",
          many.calls_per_second / few.calls_per_second,
          1.0,
          false,
          absl::StrCat(Describe(many), "; 16 in flight ", Describe(few))};
}

Figure MeasureP8Replicas(const Options& options) {
  LoadResult one, three;
  {
    Stage stage;
    one = Load(stage.addresses(), options, 256, Checks("p8c-"));
  }
  Stage stage(3);
  three = Load(stage.addresses(), options, 256, Checks("p8d-"));
  return {"p8_replicas",
          "one hot budget: 3 replicas against 1",
          three.calls_per_second / one.calls_per_second,
          0.7,
          false,
          absl::StrCat(Describe(three), "; one ", Describe(one))};
}

Figure MeasureP9Memory(const Options&) {
  Stage stage;
  absl::SleepFor(absl::Seconds(1));
  const double megabytes = static_cast<double>(stage.server().process->MemoryBytes()) / 1e6;
  return {"p9_memory", "idle memory of the server process, MB", megabytes, 40, true, ""};
}

Figure MeasureP9Start(const Options&) {
  testing::TestDatabase database;
  const absl::Time begin = absl::Now();
  const Server server = StartServer(database.url());
  return {"p9_start",
          "start to serving with the database up, s",
          absl::ToDoubleSeconds(absl::Now() - begin),
          1.0,
          true,
          ""};
}

void Print(const Figure& figure) {
  std::cout << absl::StreamFormat("%-12s %8.2f  %s %-5.2f %s  %s\n", figure.name, figure.value,
                                  figure.at_most ? "<=" : ">=", figure.must,
                                  figure.met() ? "met   " : "MISSED", figure.what);
  if (!figure.detail.empty()) std::cout << "             " << figure.detail << "\n";
  std::cout.flush();
}

}  // namespace

int MeasureAll(const Options& options) {
  const std::pair<const char*, Figure (*)(const Options&)> measures[] = {
      {"p1", MeasureP1},
      {"p2", MeasureP2},
      {"p5", MeasureP5},
      {"p6", MeasureP6},
      {"p8", MeasureP8InFlight},
      {"p8_replicas", MeasureP8Replicas},
      {"p9_memory", MeasureP9Memory},
      {"p9_start", MeasureP9Start}};
  std::cout << "figure          value      must          what\n";
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, measure] : measures) {
    const auto& only = options.only;
    if (!only.empty() && std::find(only.begin(), only.end(), name) == only.end()) continue;
    const Figure figure = measure(options);
    Print(figure);
    json[figure.name] = {{"ratio", figure.value},     {"must", figure.must},
                         {"at_most", figure.at_most}, {"met", figure.met()},
                         {"what", figure.what},       {"detail", figure.detail}};
  }
  if (options.json_path.empty()) return 0;
  std::ofstream file(options.json_path);
  file << json.dump(2) << "\n";
  return file.good() ? 0 : 1;
}

}  // namespace bursar::bench
