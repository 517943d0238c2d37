#include "demo/show.h"

#include <bursar/client.h>

#include <iostream>
#include <memory>

#include "cli/budget_text.h"
#include "demo/budgets.h"
#include "demo/fleet.h"
#include "demo/report.h"
#include "demo/screen.h"
#include "demo/server_process.h"
#include "demo/stop_signal.h"
#include "demo/tally.h"
#include "demo/trace.h"
#include "src/text.h"

namespace bursar::demo {
namespace {

using namespace std::chrono_literals;

constexpr char kAzureTrace[] = "../shared/data/azure_llm_2023_code.csv";
constexpr int kDrawnSizes = 5000;
constexpr int kInterrupted = 130;

// The sizes to play, and in `origin` where they come from.
StatusOr<std::vector<RequestSize>> Sizes(const ShowOptions& options, std::string* origin) {
  const std::string path = options.trace.empty() ? kAzureTrace : options.trace;
  auto sizes = LoadTrace(path);
  if (sizes.ok()) {
    *origin = internal::FormatCount(static_cast<int64_t>(sizes->size())) + " real ones of " + path;
    return sizes;
  }
  const bool optional = options.trace.empty() && sizes.status().code() == StatusCode::kNotFound;
  if (!optional) return sizes;
  *origin = "drawn at random, shaped like a real trace";
  return DrawTrace(options.seed, kDrawnSizes);
}

ClientOptions OptionsFor(const ServerProcess& server) {
  ClientOptions options;
  options.endpoint = server.facts().listen;
  options.api_key_file = server.facts().admin_key_file;
  // The play shares its machine with the server, its database and perhaps a build.
  options.check_timeout = 5s;
  options.record_timeout = 10s;
  return options;
}

std::string BudgetLine(const v1::Budget& budget) {
  std::string line;
  for (const auto& [name, value] : cli::BudgetPairs(budget)) {
    if (value.empty()) continue;
    if (name == "budget") line = value + ":";
    if (name == "limit") line += " " + value;
    if (name == "window") line += " a " + value;
    if (name == "group by") line += " for each " + value;
  }
  return line;
}

void SayHowToConnect(const ServerProcess& server, bool keep, Screen* screen) {
  const cli::Palette& palette = screen->palette();
  if (keep) {
    const std::string pid = std::to_string(server.pid());
    screen->Print("\n" + palette.Bold("The server stays") + " at " + server.facts().listen +
                  " (http " + server.facts().http + "), data and log in " + server.folder() +
                  "\n  stop it: kill " + pid + " && rm -rf " + server.folder());
  }
  const std::string endpoint = keep ? server.facts().listen : "127.0.0.1:50051";
  const std::string key_file = keep ? server.facts().admin_key_file : "bursar-data/admin.key";
  screen->Print("\n" + palette.Bold("An agent of your own") + "\n" +
                (keep ? "" : "  build/release/bin/bursar-server &\n") +
                "  export BURSAR_ENDPOINT=" + endpoint + " BURSAR_API_KEY_FILE=" + key_file +
                "\n  build/release/bin/bursar-quickstart      # its source: "
                "client/quickstart/quickstart.cc");
}

Status PlayAndProve(const ShowOptions& options, const ServerProcess& server,
                    std::vector<RequestSize> sizes, StopSignal* stop, Screen* screen) {
  const ClientOptions client_options = OptionsFor(server);
  const auto admin = cli::Server::Open(client_options, 10s);
  if (!admin.ok()) return admin.status();
  const auto budgets = EnsureBudgets(**admin, LimitsFor(options.calls));
  if (!budgets.ok()) return budgets.status();
  for (const v1::Budget& budget : *budgets) screen->Print("budget  " + BudgetLine(budget));
  const auto client = Client::Connect(client_options);
  if (!client.ok()) return client.status();

  // Sums are kept by the hour; the database is new, so an early start takes in nothing else.
  const Timestamp start =
      std::chrono::floor<std::chrono::hours>(std::chrono::system_clock::now()) - 1h;
  Tally tally;
  FleetPlay(*client, std::move(sizes), {options.calls, options.seed}, screen, &tally).Play(stop);
  if (stop->come()) return {StatusCode::kCancelled, "interrupted"};
  if (Status status = PrintReport(*client, tally, start, screen); !status.ok()) return status;
  return ProveSums(*client, tally, start, server.facts().database_url, screen);
}

int Fail(const Status& status) {
  if (status.code() == StatusCode::kCancelled) {
    std::cerr << "bursar-demo: " << status.message() << "; everything was stopped\n";
    return kInterrupted;
  }
  std::cerr << "bursar-demo: " << status.message() << "\n";
  return 1;
}

}  // namespace

int Show(const ShowOptions& options) {
  StopSignal stop;
  Screen screen;
  std::string origin;
  auto sizes = Sizes(options, &origin);
  if (!sizes.ok()) return Fail(sizes.status());
  screen.Print("server  starting " + options.server_binary + " on its own PostgreSQL ...");
  auto server = ServerProcess::Start(options.server_binary, options.keep, &stop);
  if (!server.ok()) return Fail(server.status());
  screen.Print("server  at " + (*server)->facts().listen + ", in " + (*server)->folder());
  screen.Print("sizes   " + origin);

  const Status played = PlayAndProve(options, **server, *std::move(sizes), &stop, &screen);
  if (played.ok()) SayHowToConnect(**server, options.keep, &screen);
  if (played.ok() && options.keep) {
    (*server)->Keep();
    return 0;
  }
  const Status stopped = (*server)->Stop();
  if (!played.ok()) return Fail(played);
  if (!stopped.ok()) return Fail(stopped);
  screen.Print("\nserver  stopped, its folder removed");
  return 0;
}

}  // namespace bursar::demo
