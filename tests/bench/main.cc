#include <CLI/CLI.hpp>
#include <iostream>

#include "bench/figures.h"
#include "bench/noop_server.h"

// bursar-bench: the figures of docs/architecture.md's table, and the loads for which others have
// published figures.
int main(int argc, char** argv) {
  CLI::App app(
      "Measures bursar-server: beside a no-op server with the same messages, and beside "
      "itself in another state.");
  bursar::bench::Request request;
  double seconds = 1;
  int noop_budgets = -1;
  app.add_option("--seconds", seconds, "of each load in each round, 0.1 to 600; default 1");
  app.add_option("--rounds", request.options.rounds, "of which medians are taken; default 5");
  app.add_option("--only", request.only, "measures to take, like p1,p7; default: all")
      ->delimiter(',');
  app.add_flag("--history", request.history,
               "measure history instead: makes millions of records first, which takes minutes");
  app.add_option("--records", request.options.records, "of --history; default 10000000")
      ->check(CLI::Range(int64_t{10'000}, int64_t{1'000'000'000}));
  app.add_option("--json", request.json_path, "also write the figures to this file");
  app.add_option("--noop-server", noop_budgets)->group("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    std::cerr << "bursar-bench: " << error.what() << "\n";
    return 2;
  }
  if (noop_budgets >= 0) return bursar::bench::RunNoopServer(noop_budgets);
  if (!(seconds >= 0.1 && seconds <= 600)) {
    std::cerr << "bursar-bench: --seconds is " << seconds << "; allowed are 0.1 to 600\n";
    return 2;
  }
  if (request.options.rounds < 1 || request.options.rounds > 1000) {
    std::cerr << "bursar-bench: --rounds is " << request.options.rounds
              << "; allowed are 1 to 1000\n";
    return 2;
  }
  request.options.duration = absl::Seconds(seconds);
  return bursar::bench::Take(request);
}
