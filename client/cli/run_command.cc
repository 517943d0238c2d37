#include "cli/run_command.h"

#include <bursar/money.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/flags.h"
#include "src/random_id.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kTick(100);
constexpr milliseconds kRetryPause(500);
constexpr size_t kRunIdMax = 59;  // with "run-" before it, it is a budget's id

Status Wrong(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

bool IsRunId(const std::string& id) {
  return !id.empty() && id.size() <= kRunIdMax &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos;
}

std::string EnvironmentText(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

bool IsOfTheMoment(const Status& status) {
  return status.code() == StatusCode::kUnavailable ||
         status.code() == StatusCode::kDeadlineExceeded || status.code() == StatusCode::kAborted;
}

// Who no longer reads what we say is no concern of the command's.
bool IsForTheCommand(int signal) { return signal != 0 && signal != SIGCHLD && signal != SIGPIPE; }

// Tries again while the server is away, for as long as --timeout; a signal ends that.
template <typename Attempt>
auto Insist(const Attempt& attempt, const Server& server, Signals& signals) -> decltype(attempt()) {
  const auto end = Clock::now() + server.timeout();
  while (true) {
    auto result = attempt();
    Status status;
    if constexpr (std::is_same_v<decltype(result), Status>) {
      status = result;
    } else {
      status = result.status();
    }
    if (!IsOfTheMoment(status) || Clock::now() + kRetryPause >= end) return result;
    if (IsForTheCommand(signals.Wait(kRetryPause))) return result;
  }
}

}  // namespace

RunCommand::RunCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("run", "Run a command under a cap of its own");
  app_->add_option("command", words_without_mark_, "what to run, and its arguments")
      ->option_text("-- COMMAND...");
  AddParsedFlag(*app_, "--budget", "USD", "what it may spend in all, like 0.50", ParseUsd,
                [this](int64_t nanousd) { limit_nanousd_ = nanousd; });
  AddTextFlag(*app_, "--run", "TEXT", "the run's id; default: a random UUID",
              [this](const std::string& text) { run_id_ = text; });
  AddParsedFlag(*app_, "--warn", "PERCENTS", "say so at these; default: 75,90", ParsePercents,
                [this](std::vector<int> percents) { warn_percents_ = std::move(percents); });
  app_->add_flag("--no-kill", no_kill_, "let it go on when the cap is spent; checks are denied");
  AddParsedFlag(*app_, "--grace", "TIME", "from SIGTERM to SIGKILL; default: 10s", ParseDuration,
                [this](std::chrono::nanoseconds time) { grace_ = time; });
  AddTextFlag(*app_, "--child-key-file", "FILE",
              "the key that the command gets, an agent's; default: this one's",
              [this](const std::string& text) { child_key_file_ = text; });
}

Status RunCommand::CheckWords() const {
  if (words_.empty()) {
    return Wrong("run what? `bursar run --budget 0.50 -- COMMAND ARGUMENTS` would be right");
  }
  if (!limit_nanousd_) {
    return Wrong("how much may it spend? `bursar run --budget 0.50 -- " + words_[0] +
                 "` would be right");
  }
  if (*limit_nanousd_ == 0) return Wrong("--budget: is 0; more, like 0.50, would be right");
  if (!run_id_.empty() && !IsRunId(run_id_)) {
    return Wrong("--run: \"" + run_id_ +
                 "\" cannot be part of a budget's id; 1 to 59 of a-z 0-9 - _ . would be right");
  }
  const bool over = std::any_of(warn_percents_.begin(), warn_percents_.end(),
                                [](int percent) { return percent >= 100; });
  if (over)
    return Wrong("--warn: at 100 % the cap itself speaks; less, like 75,90, would be right");
  return {};
}

std::optional<int> RunCommand::RunAlone(Output& output) {
  if (const Status status = CheckWords(); !status.ok()) return FailUsage(status, output);
  return std::nullopt;
}

CappedRun RunCommand::TheRun() const {
  CappedRun run;
  run.id = run_id_.empty() ? internal::RandomUuid() : run_id_;
  run.parent = EnvironmentText("BURSAR_RUN");
  run.root = EnvironmentText("BURSAR_ROOT_RUN");
  if (run.root.empty()) run.root = run.parent;
  if (run.root.empty()) run.root = run.id;
  if (run.parent.empty() && run.root != run.id) run.parent = run.root;
  return run;
}

EnvironmentChanges RunCommand::EnvironmentFor(const CappedRun& run, const Server& server) const {
  EnvironmentChanges changes = {{"BURSAR_RUN", run.id},
                                {"BURSAR_ROOT_RUN", run.root},
                                {"BURSAR_ENDPOINT", server.endpoint()}};
  if (!run.parent.empty()) changes["BURSAR_PARENT_RUN"] = run.parent;
  const auto absolute = [](const std::string& path) {
    std::error_code error;
    const auto whole = std::filesystem::absolute(path, error);
    return error ? path : whole.string();
  };
  // What was not given by a flag the command finds where we found it.
  const auto found = ClientOptionsFromEnvironment();
  const ClientOptions& used = server.options();
  if (!found.ok() || found->tls != used.tls) changes["BURSAR_TLS"] = used.tls ? "1" : "0";
  const auto tell = [&](const char* name, std::string ClientOptions::*field, bool is_path) {
    if (used.*field == (found.ok() ? (*found).*field : "")) return;
    changes[name] = is_path ? absolute(used.*field) : used.*field;
  };
  tell("BURSAR_TLS_CA_FILE", &ClientOptions::tls_ca_file, true);
  tell("BURSAR_TLS_CERTIFICATE_FILE", &ClientOptions::tls_certificate_file, true);
  tell("BURSAR_TLS_KEY_FILE", &ClientOptions::tls_key_file, true);
  tell("BURSAR_TLS_SERVER_NAME", &ClientOptions::tls_server_name, false);
  const bool flags =
      !found.ok() || found->api_key != used.api_key || found->api_key_file != used.api_key_file;
  if (!child_key_file_.empty()) {
    changes["BURSAR_API_KEY"] = std::nullopt;
    changes["BURSAR_API_KEY_FILE"] = absolute(child_key_file_);
  } else if (flags && !used.api_key.empty()) {
    changes["BURSAR_API_KEY"] = used.api_key;
    changes["BURSAR_API_KEY_FILE"] = std::nullopt;
  } else if (flags && !used.api_key_file.empty()) {
    changes["BURSAR_API_KEY"] = std::nullopt;
    changes["BURSAR_API_KEY_FILE"] = absolute(used.api_key_file);
  }
  return changes;
}

int RunCommand::FailCreate(const Status& status, const RunCap& cap, const Server& server,
                           Output& output) const {
  const std::string budget = cap.run().budget_id();
  if (status.code() == StatusCode::kPermissionDenied) {
    return FailUsage(Wrong("this key may not create budgets, and the cap of a run is one; an "
                           "admin's key would be right"),
                     output);
  }
  if (status.code() == StatusCode::kAlreadyExists) {
    output.err << "bursar: there is a budget " << budget
               << " already: the run is under way, or was killed before it could be tidied up; "
                  "another --run, or `bursar budgets delete "
               << budget << "`, would be right\n";
    return kExitFailed;
  }
  return Fail(status, server, output);
}

int RunCommand::Run(Server& server, Output& output) {
  RunCap cap(server, TheRun());
  if (const Status status = cap.Create(*limit_nanousd_, warn_percents_); !status.ok()) {
    return FailCreate(status, cap, server, output);
  }
  Signals signals({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD, SIGPIPE});
  Ended ended;
  {
    const auto child = ChildProcess::Start(words_, EnvironmentFor(cap.run(), server));
    if (child.ok()) {
      ended = Attend(cap, server, **child, signals, output);
    } else {
      output.err << "bursar: " << child.status().message() << "\n";
      ended.exit_code =
          child.status().code() == StatusCode::kNotFound ? kExitNoCommand : kExitCannotRun;
    }
  }  // which gives the terminal back
  Finish(cap, server, ended, signals, output);
  return ended.by_cap ? kExitDenied : ended.exit_code;
}

RunCommand::Ended RunCommand::Attend(const RunCap& cap, Server& server, ChildProcess& child,
                                     Signals& signals, Output& output) const {
  CapWatch watch(cap, server, warn_percents_);
  std::optional<Clock::time_point> kill_time;
  bool told = false;
  while (true) {
    const int signal = signals.Wait(kTick);
    if (IsForTheCommand(signal)) child.Signal(signal);
    const auto exit_code = child.Poll();
    for (const std::string& sentence : watch.TakeSentences()) {
      output.err << "bursar: " << sentence << std::endl;
    }
    const bool too_long = kill_time && Clock::now() >= *kill_time;
    if (too_long) child.Signal(SIGKILL);
    // What it started may go on spending, and the cap goes with us.
    if (exit_code && (!kill_time || too_long || !child.IsAnyLeft())) {
      return {*exit_code, kill_time.has_value()};
    }
    const auto exhausted = watch.exhausted();
    if (!exhausted || told) continue;
    told = true;
    output.err << "bursar: the run " << cap.run().id << " has spent " << FormatUsd(exhausted->spent)
               << " of its " << FormatUsd(exhausted->limit)
               << (no_kill_ ? "; --no-kill lets it go on" : " and is ended") << std::endl;
    if (no_kill_) continue;
    child.Signal(SIGTERM);
    kill_time = Clock::now() + grace_;
  }
}

void RunCommand::Finish(RunCap& cap, const Server& server, const Ended& ended, Signals& signals,
                        Output& output) const {
  const auto standing = Insist([&] { return cap.Look(server.timeout()); }, server, signals);
  const auto calls = standing.ok() ? cap.CountCalls() : StatusOr<int64_t>(standing.status());
  const Status deleted = standing.ok() || standing.status().code() == StatusCode::kNotFound
                             ? Insist([&] { return cap.Delete(); }, server, signals)
                             : standing.status();
  if (output.json) {
    const nlohmann::ordered_json document = {
        {"run", cap.run().id},
        {"budget", cap.run().budget_id()},
        {"costNanousd", standing.ok() ? nlohmann::json(std::to_string(standing->spent)) : nullptr},
        {"calls", calls.ok() ? nlohmann::json(*calls) : nullptr},
        {"endedByCap", ended.by_cap},
        {"exitCode", ended.by_cap ? kExitDenied : ended.exit_code}};
    output.err << document.dump() << std::endl;
  } else if (standing.ok()) {
    output.err << "bursar: the run " << cap.run().id << " cost " << FormatUsd(standing->spent);
    if (calls.ok()) {
      output.err << " (" << internal::FormatCount(*calls) << (*calls == 1 ? " call)" : " calls)");
    }
    output.err << std::endl;
  } else {
    output.err << "bursar: what the run " << cap.run().id
               << " cost is not known: " << standing.status().message() << std::endl;
  }
  if (deleted.ok() || deleted.code() == StatusCode::kNotFound) return;
  output.err << "bursar: its cap is still there (" << deleted.message() << "); `bursar budgets "
             << "delete " << cap.run().budget_id() << "` would delete it" << std::endl;
}

}  // namespace bursar::cli
