#pragma once

#include <google/protobuf/message.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "cli/palette.h"
#include "cli/server.h"

namespace bursar::cli {

// What the command's exit code says.
enum ExitCode : int {
  kExitOk = 0,      // done; a check was allowed
  kExitFailed = 1,  // the server or the network failed, or what was asked for is not there
  kExitUsage = 2,   // an unknown command or flag, or a wrong value
  kExitDenied = 3,  // the check was denied; `run`: its cap ended the command
  kExitOver = 4,    // `costs --fail-over`: more was spent than that
  // `run` otherwise ends with the exit code of what it ran, and as shells do with:
  kExitCannotRun = 126,  // it is there and cannot be run
  kExitNoCommand = 127,  // it is not there
  kExitSignal = 128,     // and the number of the signal that it died by
};

// Where a command writes, and how. For one thread.
struct Output {
  std::ostream& out;
  std::ostream& err;
  Palette palette;
  bool json = false;
  bool live = false;      // `out` is a terminal that can be redrawn
  bool live_err = false;  // `err` is one
};

// One subcommand. Its constructor adds the flags to a CLI::App, which fill it while they are read;
// so it must stay where it is. Run sends the request and prints the answer.
class Command {
 public:
  Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  virtual ~Command() = default;

  virtual int Run(Server& server, Output& output) = 0;

  // Does what needs no server, and returns the exit code; nothing where Run has to.
  virtual std::optional<int> RunAlone(Output&) { return std::nullopt; }

  // Of --timeout, where it is not given.
  virtual std::chrono::nanoseconds default_timeout() const { return std::chrono::seconds(10); }

  CLI::App* app() const { return app_; }

 protected:
  CLI::App* app_ = nullptr;
};

// Writes "bursar: ..." for a request that could not be made, or that failed; returns the exit code.
int Fail(const Status& status, const Server& server, Output& output);
int FailUsage(const Status& status, Output& output);

// Of a document: over many lines, for people too; or one line, where others follow.
enum class JsonForm { kPage, kLine };

// `message` as JSON (protobuf's own names and int64 as text), every field present; ends with a line
// break.
StatusOr<std::string> JsonText(const google::protobuf::Message& message,
                               JsonForm form = JsonForm::kPage);
// Prints that; returns the exit code.
int PrintJson(const google::protobuf::Message& message, Output& output);

// "name   value" lines, values below each other; a pair with an empty value is left out.
void PrintPairs(const std::vector<std::pair<std::string, std::string>>& pairs, Output& output);

}  // namespace bursar::cli
