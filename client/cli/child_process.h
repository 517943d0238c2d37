#pragma once

#include <bursar/status.h>
#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bursar::cli {

// Names to values; those of this process with what is given here instead. Nothing: not set at all.
using EnvironmentChanges = std::map<std::string, std::optional<std::string>>;

// A command that runs with our standard streams, in a process group of its own, so that it can be
// ended with all that it started. Where there is a terminal and we have it, the command gets it; a
// Ctrl-Z stops the command and us, and `fg` lets both go on.
//
// It goes on if this object ends first. For one thread, the main one.
class ChildProcess {
 public:
  // `words[0]` is looked for in PATH.
  // Errors: NOT_FOUND where it is not there; PERMISSION_DENIED where it cannot be run.
  static StatusOr<std::unique_ptr<ChildProcess>> Start(const std::vector<std::string>& words,
                                                       const EnvironmentChanges& changes);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Its exit code, or 128 and the signal that it died by; nothing while it runs. Never waits, but
  // for as long as both are stopped.
  std::optional<int> Poll();

  // To the command and all that it started, if any of it is left.
  void Signal(int signal) const;
  // Whether anything of it is left.
  bool IsAnyLeft() const;

 private:
  ChildProcess(pid_t pid, int terminal) : pid_(pid), terminal_(terminal) {}

  void Note(int status);  // what waitpid said of the command
  void GiveTerminal(pid_t group) const;
  void StopToo() const;

  const pid_t pid_;     // and its process group
  const int terminal_;  // -1: none
  std::optional<int> exit_code_;
};

}  // namespace bursar::cli
