#include <httplib.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "bench/figures.h"
#include "bench/noop_server.h"
#include "bench/pricing.h"
#include "bench/stage.h"

namespace bursar::bench {
namespace {

Side Checks(const std::string& name, Load& load, const Options& options,
            Expect expect = Expect::kAdmitted) {
  return {name, [&load, &options] { return load.RunFor(options.duration); }, expect};
}

// A load on a stage against the same load on the no-op server.
Outcome AgainstNoop(const Options& options, const Stage& stage, int clients, Expect expect) {
  const NoopServer noop(3);
  Load real(stage.addresses(), {.clients = clients}, TypicalChecks("c"));
  Load bare({noop.address()}, {.clients = clients}, TypicalChecks("c"));
  return Compare(options.rounds,
                 {Checks("checks", real, options, expect), Checks("no-op", bare, options)},
                 Throughput);
}

Outcome Hot(const Options& options) {
  return AgainstNoop(options, Stage(), 256, Expect::kAdmitted);
}

absl::Duration TimeOf(const std::function<void()>& work) {
  const absl::Time begin = absl::Now();
  work();
  return absl::Now() - begin;
}

// Of calls made one by one; their rate is that of the time spent in them.
LoadResult ResultOfLonely(const std::vector<LoadResult>& calls) {
  std::vector<absl::Duration> latencies;
  LoadResult counts;
  for (const LoadResult& call : calls) {
    latencies.push_back(call.p50);
    counts.took += call.p50;
    counts.failed += call.failed;
    counts.denied += call.denied;
    if (call.failed > 0) counts.failure = call.failure;
  }
  LoadResult result = ResultOf(std::move(latencies), counts.took);
  result.failed = counts.failed;
  result.denied = counts.denied;
  result.failure = counts.failure;
  return result;
}

// A check, a no-op call and a durable update of one row in turn, call by call: a disk whose fsync
// takes 0.1 ms in one second and 4 ms in the next would decide any comparison of longer stretches.
Outcome Lonely(const Options& options) {
  const NoopServer noop(3);
  const Stage stage;
  Load real(stage.addresses(), {.clients = 1}, TypicalChecks("c"));
  Load bare({noop.address()}, {.clients = 1}, TypicalChecks("c"));
  auto session = stage.Connect();
  Must(session->Execute("CREATE TABLE one_row (id int PRIMARY KEY, value bigint)"));
  Must(session->Execute("INSERT INTO one_row VALUES (1, 0)"));
  auto update = [&] { Must(session->Execute("UPDATE one_row SET value = value + 1")); };
  std::vector<std::vector<LoadResult>> rounds(3);
  for (int round = 0; round < options.rounds; ++round) {
    std::vector<LoadResult> checks, nothings, updates;
    const absl::Time end = absl::Now() + options.duration;
    do {
      checks.push_back(real.RunCalls(1));
      nothings.push_back(bare.RunCalls(1));
      const absl::Duration took = TimeOf(update);
      updates.push_back(ResultOf({took}, took));
    } while (absl::Now() < end);
    rounds[0].push_back(ResultOfLonely(checks));
    rounds[1].push_back(ResultOfLonely(nothings));
    rounds[2].push_back(ResultOfLonely(updates));
  }
  return OutcomeOf({{"check", nullptr}, {"no-op", nullptr}, {"UPDATE", nullptr}}, rounds,
                   [](const std::vector<LoadResult>& of_round) {
                     return absl::FDivDuration(of_round[0].p50, of_round[1].p50 + of_round[2].p50);
                   });
}

// A million records that are in the window, with their ids. The counters say nothing of them, and
// need not: what is measured is whether a check's time grows with history.
constexpr char kFillHistory[] =
    "WITH r AS (INSERT INTO usage_record (receive_time, id, tenant_id, usage_id, charge_time, "
    "run, user_name, provider, model, event_type, outcome, calls, attempt, cost_nanousd, "
    "cost_basis, price_version, uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, "
    "cache_write_1h_tokens, visible_output_tokens, reasoning_tokens, input_audio_tokens, "
    "output_audio_tokens, input_image_tokens, output_image_tokens, charged_counters, "
    "charged_amounts, released_nanousd, overrun_nanousd, late, unpriced) "
    "SELECT now(), gen_random_uuid(), 'default', 'u' || i, now(), 'run-' || i / 20, 'user-' || i "
    "% 1000, 'openai', 'gpt-4o', 'model_call', 1, 1, 1, 1000, 1, 'v', 1, 0, 0, 0, 1, 0, 0, 0, 0, "
    "0, '{}', '{}', 0, 0, false, 0 FROM generate_series(1, 1000000) i RETURNING id, receive_time) "
    "INSERT INTO usage_id SELECT id, 'default', receive_time, id FROM r";

Outcome WithHistory(const Options& options) {
  const Stage young, old;
  const absl::Time begin = absl::Now();
  Must(old.Connect()->Execute(kFillHistory));
  const absl::Duration filling = absl::Now() - begin;
  Load without(young.addresses(), {.clients = 64}, TypicalChecks("c"));
  Load with(old.addresses(), {.clients = 64}, TypicalChecks("c"));
  // The time of a check is the inverse of its rate.
  Outcome outcome = Compare(
      options.rounds,
      {Checks("no records", without, options), Checks("1 M records", with, options)}, Throughput);
  outcome.values.emplace_back("filled_s", absl::ToDoubleSeconds(filling));
  return outcome;
}

Outcome Exhausted(const Options& options) {
  auto budgets = ThreeBudgets();
  budgets.push_back({.id = "empty", .window = Window::kMonth, .limit_nanousd = 0});
  const Stage stage({.budgets = budgets});
  Outcome outcome = AgainstNoop(options, stage, 256, Expect::kDenied);
  outcome.values = {
      {"rows_written",
       static_cast<double>(stage.Number("SELECT (SELECT count(*) FROM reservation) + "
                                        "(SELECT count(*) FROM counter)"))},
      {"sampled_events", static_cast<double>(stage.Number("SELECT count(*) FROM cost_event"))}};
  if (outcome.values[0].second > 0) outcome.problem = "denials wrote reservations or counters";
  return outcome;
}

// What the server says of its ledger's transactions: tries that ran again are counted too.
double Transactions(const testing::ServerProcess& server) {
  httplib::Client client("http://" + server.http());
  const auto answer = client.Get("/metrics");
  double sum = 0;
  if (!answer) return sum;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(answer->body, '\n'))) {
    if (line.rfind("bursar_lane_batches_total{", 0) != 0) continue;
    double count = 0;
    if (absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &count)) sum += count;
  }
  return sum;
}

constexpr int kHolds = 10'000;
constexpr int kExpireMax = 256;  // holds that one operation of the ledger ends
constexpr int64_t kHold = kDollar / 10;
constexpr absl::Duration kHoldsLast = absl::Seconds(5);

// Holds that fill the budget and end at one moment, which has just gone by.
std::string HoldAll(const Stage& stage) {
  const absl::Time expiry = absl::Now() + kHoldsLast;
  auto make = [expiry](int64_t number, int, v1::CheckBudgetRequest& request) {
    request.set_request_id(absl::StrCat("hold", number));
    request.set_cost_nanousd(kHold);
    const absl::Duration ttl = expiry - absl::Now();
    request.mutable_ttl()->set_seconds(absl::ToInt64Seconds(ttl));
    request.mutable_ttl()->set_nanos(
        static_cast<int32_t>(absl::ToInt64Nanoseconds(ttl % absl::Seconds(1))));
  };
  Load holds(stage.addresses(), {.clients = 256}, make);
  const LoadResult held = holds.RunCalls(kHolds);
  absl::SleepFor(expiry + absl::Milliseconds(100) - absl::Now());
  return ProblemOf({"holds", nullptr}, held);
}

Outcome ExpiredTogether(const Options& options) {
  const Stage stage({.budgets = {{.id = "pool", .limit_nanousd = kHolds * kHold}}});
  Outcome outcome{.problem = HoldAll(stage)};
  Load load(stage.addresses(), {.clients = 1}, PlainChecks("c", kExpireMax * kHold));
  std::vector<double> more, milliseconds;
  const size_t wanted = std::min(20, 3 * options.rounds);
  // A check that finds room, because the sweeper was there before it, had nothing to wait for.
  for (int i = 0; i < kHolds / kExpireMax && more.size() < wanted; ++i) {
    const double before = Transactions(stage.server());
    const LoadResult check = load.RunCalls(1);
    const double transactions = Transactions(stage.server()) - before;
    if (outcome.problem.empty()) outcome.problem = ProblemOf({"checks", nullptr}, check);
    if (transactions < 2) continue;
    more.push_back(transactions - 1);
    milliseconds.push_back(absl::ToDoubleMilliseconds(check.p50));
  }
  if (more.empty()) {
    if (outcome.problem.empty()) outcome.problem = "no check had to wait for expired holds";
    return outcome;
  }
  outcome.value = Median(more);
  outcome.values = {{"checks", static_cast<double>(more.size())},
                    {"more_transactions_max", *std::max_element(more.begin(), more.end())},
                    {"check_p50_ms", Median(milliseconds)},
                    {"check_max_ms", *std::max_element(milliseconds.begin(), milliseconds.end())}};
  return outcome;
}

Outcome ManyInFlight(const Options& options) {
  const Stage stage;
  Load many(stage.addresses(), {.clients = 256}, TypicalChecks("m"));
  Load few(stage.addresses(), {.clients = 16}, TypicalChecks("f"));
  return Compare(options.rounds,
                 {Checks("256 in flight", many, options), Checks("16 in flight", few, options)},
                 Throughput);
}

Outcome ThreeReplicas(const Options& options) {
  const Stage three_servers({.servers = 3}), one_server;
  Load three(three_servers.addresses(), {.clients = 256}, TypicalChecks("c"));
  Load one(one_server.addresses(), {.clients = 256}, TypicalChecks("c"));
  return Compare(options.rounds,
                 {Checks("3 replicas", three, options), Checks("1 replica", one, options)},
                 Throughput);
}

Outcome IdleMemory(const Options&) {
  const Stage stage;
  absl::SleepFor(absl::Seconds(1));
  std::ifstream statm(absl::StrCat("/proc/", stage.server().pid(), "/statm"));
  int64_t total = 0, resident = 0;
  statm >> total >> resident;
  return {.value = static_cast<double>(resident * sysconf(_SC_PAGESIZE)) / 1e6};
}

Outcome StartToServing(const Options& options) {
  const testing::TestDatabase database;
  std::vector<double> seconds;
  for (int round = 0; round < options.rounds; ++round) {
    const absl::Time begin = absl::Now();
    const auto server = testing::ServerProcess::On(database.url());
    seconds.push_back(absl::ToDoubleSeconds(absl::Now() - begin));
  }
  return {.value = Median(seconds)};
}

// Both sides with keys and on one server, so that nothing but the number of tenants differs. Ten
// users each: their counters are there when it begins, as those of one tenant's 1,000 users are
// after its first moment.
Outcome ThousandTenants(const Options& options) {
  constexpr int kTenants = 1000, kUsers = 10;
  const Stage stage({.tenants = kTenants});
  Load many(stage.addresses(), {.clients = 256, .keys = stage.keys()}, TypicalChecks("m", kUsers));
  Load one(stage.addresses(), {.clients = 256, .keys = {stage.keys()[0]}}, TypicalChecks("o"));
  const Side warm_up{"warm-up", [&] { return many.RunCalls(kTenants * kUsers); }};
  const std::string problem = ProblemOf(warm_up, warm_up.run());
  Outcome outcome = Compare(
      options.rounds, {Checks("1,000 tenants", many, options), Checks("1 tenant", one, options)},
      Throughput);
  if (outcome.problem.empty()) outcome.problem = problem;
  return outcome;
}

}  // namespace

std::vector<Measure> Ratios() {
  using enum Goal;
  return {
      {"p1", "checks/s, 256 in flight, against a no-op RPC", "x", kAtLeast, 0.5, Hot},
      {"p2", "p50 of a lonely check, against a no-op RPC and an UPDATE", "x", kAtMost, 1.7, Lonely},
      {"p5", "time of a check with 1 M records in the window, against none", "x", kAtMost, 1.2,
       WithHistory},
      {"p6", "checks/s on an exhausted budget, against a no-op RPC", "x", kAtLeast, 0.7, Exhausted},
      {"p7", "of a check that 256 of 10,000 expired holds would cover", "more tx", kAtMost, 2,
       ExpiredTogether},
      {"p8", "one hot budget: 256 in flight against 16", "x", kAtLeast, 1.0, ManyInFlight},
      {"p8_replicas", "one hot budget: 3 replicas against 1", "x", kAtLeast, 0.7, ThreeReplicas},
      {"p9_memory", "idle memory of the server process", "MB", kAtMost, 40, IdleMemory},
      {"p9_start", "start to serving with the database up", "s", kAtMost, 1, StartToServing},
      {"price_record_ns", "to price a record, a whole feed loaded, half of the names by pattern",
       "ns", kAtMost, 1000, PriceRecord},
      {"p11", "1,000 tenants against one, 256 in flight", "x", kAtLeast, 0.3, ThousandTenants},
  };
}

}  // namespace bursar::bench
