#include <CLI/CLI.hpp>
#include <iostream>

#include "bench/figures.h"
#include "bench/noop_server.h"

// bursar-bench: the figures of docs/architecture.md's table, as ratios in one run.
int main(int argc, char** argv) {
  CLI::App app("Measures bursar-server beside a no-op server with the same messages.");
  bursar::bench::Options options;
  int noop_budgets = -1;
  double seconds = 5;
  app.add_option("--seconds", seconds, "of each load")->check(CLI::Range(0.5, 600.0));
  app.add_option("--only", options.only, "figures to measure, like p1 p2; default: all");
  app.add_option("--json", options.json_path, "also write the figures to this file");
  app.add_option("--noop-server", noop_budgets)->group("");
  CLI11_PARSE(app, argc, argv);
  if (noop_budgets >= 0) return bursar::bench::RunNoopServer(noop_budgets);
  options.duration = absl::Seconds(seconds);
  return bursar::bench::MeasureAll(options);
}
