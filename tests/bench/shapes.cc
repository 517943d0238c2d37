#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/figures.h"
#include "bench/stage.h"
#include "support/rpc_client.h"

// Loads for which other systems have published figures, in their own shape: so that a figure of
// ours can stand beside one of theirs. Which machine they had is theirs to say.
namespace bursar::bench {
namespace {

Outcome Alone(const Options& options, const Side& side) {
  Outcome outcome = Compare(options.rounds, {side}, [](const std::vector<LoadResult>& of_round) {
    return of_round[0].calls_per_second;
  });
  const LoadResult load = outcome.loads[0].second;
  outcome.loads.clear();
  outcome.values = {{"per_second", std::round(load.calls_per_second)},
                    {"p50_us", absl::ToDoubleMicroseconds(load.p50)},
                    {"p99_us", absl::ToDoubleMicroseconds(load.p99)}};
  return outcome;
}

// Clients with a connection each that reserve as fast as they are answered, in one budget that all
// share or in one that each has for itself.
Outcome FanOut(const Options& options, int clients, const std::string& group_by) {
  const Stage stage({.budgets = {{.id = "fan-out", .group_by = group_by}}});
  Load load(stage.addresses(), {.clients = clients, .connections = clients},
            PlainChecks("c", kDollar / 1000));
  return Alone(options, {"checks", [&] { return load.RunFor(options.duration); }});
}

// Clients that together make 1,000 calls a second on one budget.
Outcome OneKey(const Options& options, int clients) {
  const Stage stage({.budgets = {{.id = "one-key"}}});
  Load load(stage.addresses(), {.clients = clients, .connections = clients},
            PlainChecks("c", kDollar / 1000));
  return Alone(options, {"checks", [&] { return load.RunAtRate(1000, options.duration); }});
}

// 1,000 at once ask for $0.10 of $5.00.
Outcome Crowd(const Options& options) {
  std::vector<double> seconds;
  Outcome outcome;
  LoadResult last;
  for (int round = 0; round < options.rounds; ++round) {
    const Stage stage({.budgets = {{.id = "crowd", .limit_nanousd = 5 * kDollar}}});
    Load load(stage.addresses(), {.clients = 1000}, PlainChecks("c", kDollar / 10));
    last = load.RunCalls(1000);
    seconds.push_back(absl::ToDoubleSeconds(last.took));
    const int64_t held = stage.Number("SELECT sum(reserved)::bigint FROM counter");
    if (last.failed > 0 || last.admitted() != 50 || held != 5 * kDollar) {
      outcome.problem =
          absl::StrCat(last.admitted(), " of 1,000 were admitted (", last.failed, " failed ",
                       last.failure, ") and ", held, " nano-USD held; right are 50 and $5.00");
    }
  }
  outcome.value = Median(seconds);
  outcome.values = {{"admitted", static_cast<double>(last.admitted())},
                    {"seconds_max", *std::max_element(seconds.begin(), seconds.end())}};
  return outcome;
}

struct Loop {
  int passed = 0, asked = 0;
  absl::Duration slowest_check;
  std::string problem;
};

// An agent in a loop: asks, calls (which costs what it asked for), says so, and asks again, until
// it is told no or has made `calls_max`.
Loop RunLoop(const std::string& address, int64_t cost_nanousd, int calls_max) {
  testing::RpcClient client(address);
  Loop loop;
  while (loop.asked < calls_max) {
    const std::string id = absl::StrCat("loop/", ++loop.asked);
    v1::CheckBudgetResponse answer;
    const absl::Time begin = absl::Now();
    grpc::Status status = client.Check(testing::CheckOf(id, cost_nanousd), answer);
    loop.slowest_check = std::max(loop.slowest_check, absl::Now() - begin);
    if (status.ok() && answer.decision() == v1::DECISION_DENY) return loop;
    v1::RecordUsageResponse recorded;
    if (status.ok()) status = client.Record(testing::RecordOf(id, cost_nanousd, id), recorded);
    if (!status.ok()) {
      loop.problem = absl::StrCat("call ", loop.asked, " failed: ", status.error_message());
      return loop;
    }
    ++loop.passed;
  }
  return loop;
}

Outcome RunawayLoop(const Options& options) {
  Outcome outcome;
  Loop loop;
  std::vector<double> seconds, slowest_ms;
  for (int round = 0; round < options.rounds; ++round) {
    const Stage stage({.budgets = {{.id = "loop", .limit_nanousd = kDollar}}});
    const absl::Time begin = absl::Now();
    loop = RunLoop(stage.server().address(), 18 * kDollar / 100, 100);
    seconds.push_back(absl::ToDoubleSeconds(absl::Now() - begin));
    slowest_ms.push_back(absl::ToDoubleMilliseconds(loop.slowest_check));
    if (!loop.problem.empty()) outcome.problem = loop.problem;
    if (loop.passed != 5 || loop.asked != 6) {
      outcome.problem = absl::StrCat(loop.passed, " calls passed and ", loop.asked,
                                     " were asked for; right are 5 and 6. ", loop.problem);
    }
  }
  outcome.value = Median(seconds);
  outcome.values = {{"passed", static_cast<double>(loop.passed)},
                    {"denied_at", static_cast<double>(loop.asked)},
                    {"slowest_check_ms", Median(slowest_ms)}};
  return outcome;
}

}  // namespace

std::vector<Measure> Shapes() {
  std::vector<Measure> shapes;
  auto show = [&](std::string name, std::string what, const char* unit, auto take) {
    shapes.push_back({std::move(name), std::move(what), unit, Goal::kNone, 0, take});
  };
  for (int clients : {1, 10, 50, 200}) {
    show(absl::StrCat("fan_out_shared_", clients),
         absl::StrCat(clients, " clients reserve in one budget"), "/s",
         [clients](const Options& options) { return FanOut(options, clients, ""); });
    show(absl::StrCat("fan_out_separate_", clients),
         absl::StrCat(clients, " clients reserve, each in its own budget"), "/s",
         [clients](const Options& options) { return FanOut(options, clients, "user"); });
  }
  for (int clients : {20, 50}) {
    show(absl::StrCat("one_key_", clients),
         absl::StrCat(clients, " clients, 1,000 calls/s together, one budget"), "/s",
         [clients](const Options& options) { return OneKey(options, clients); });
  }
  show("crowd_1000", "1,000 at once ask for $0.10 of $5.00; exactly 50 get it", "s", Crowd);
  show("runaway_loop", "100 calls of $0.18 against $1.00; the 6th is denied", "s", RunawayLoop);
  return shapes;
}

}  // namespace bursar::bench
