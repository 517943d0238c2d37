#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/child_process.h"
#include "cli/command.h"
#include "cli/run_cap.h"
#include "cli/signals.h"

namespace bursar::cli {

// bursar run: runs a command under a cap of its own. Exits with the command's exit code; with 3
// where the cap ended it.
class RunCommand final : public Command {
 public:
  explicit RunCommand(CLI::App& parent);

  // The words behind `--`, as they were typed.
  void SetCommandLine(std::vector<std::string> words) { words_ = std::move(words); }

  std::optional<int> RunAlone(Output& output) override;
  int Run(Server& server, Output& output) override;

 private:
  struct Ended {
    int exit_code = kExitOk;
    bool by_cap = false;
  };

  Status CheckWords() const;
  CappedRun TheRun() const;
  EnvironmentChanges EnvironmentFor(const CappedRun& run, const Server& server) const;
  int FailCreate(const Status& status, const RunCap& cap, const Server& server,
                 Output& output) const;
  Ended Attend(const RunCap& cap, Server& server, ChildProcess& child, Signals& signals,
               Output& output) const;
  // Looks at the cost, and deletes the cap.
  void Finish(RunCap& cap, const Server& server, const Ended& ended, Signals& signals,
              Output& output) const;

  std::string run_id_;
  std::optional<int64_t> limit_nanousd_;
  std::vector<int> warn_percents_ = {75, 90};
  bool no_kill_ = false;
  std::chrono::nanoseconds grace_ = std::chrono::seconds(10);
  std::string child_key_file_;
  std::vector<std::string> words_;
  std::vector<std::string> words_without_mark_;
};

}  // namespace bursar::cli
