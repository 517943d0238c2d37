// bursar-demo: a fleet of agents under three budgets, on a server of its own. Exits with 0 when its
// sums equal QueryCosts' and SQL's, 1 when they don't or something failed, 2 for a wrong flag, 130
// when it was interrupted.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "demo/show.h"

int main(int argc, char** argv) {
  bursar::demo::ShowOptions options;
  CLI::App app("Plays a fleet of agents under budgets, on a server of its own.", "bursar-demo");
  app.add_option("--calls", options.calls, "model calls to play; default: 2000")
      ->check(CLI::Range(10, 1'000'000));
  app.add_option("--seed", options.seed, "of what is drawn at random; default: 1");
  app.add_option("--trace", options.trace,
                 "a CSV of request sizes: TIMESTAMP,ContextTokens,GeneratedTokens")
      ->type_name("FILE");
  app.add_flag("--keep", options.keep, "leave the server running, and say how to stop it");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    std::cerr << "bursar-demo: " << error.what() << "; `bursar-demo --help` shows all flags\n";
    return 2;
  }
  options.server_binary =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bursar-server";
  return bursar::demo::Show(options);
}
