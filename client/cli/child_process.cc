#include "cli/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "cli/command.h"

namespace bursar::cli {
namespace {

// The pointers of a list of texts, as exec takes them.
std::vector<char*> PointersOf(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentWith(const EnvironmentChanges& changes) {
  std::vector<std::string> all;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string entry = *at;
    if (changes.count(entry.substr(0, entry.find('='))) == 0) all.push_back(entry);
  }
  for (const auto& [name, value] : changes) {
    if (value) all.push_back(name + "=" + *value);
  }
  return all;
}

bool IsOurs(int terminal) { return terminal >= 0 && tcgetpgrp(terminal) == getpgrp(); }

// Who is in the background and does this would be stopped for it.
void SetForegroundGroup(int terminal, pid_t group) {
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGTTOU, &ignore, &before);
  tcsetpgrp(terminal, group);
  sigaction(SIGTTOU, &before, nullptr);
}

// posix_spawn's settings: a group of its own, in front of the terminal.
class Settings {
 public:
  explicit Settings(int terminal) {
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_init(&actions_);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);  // in case a library ignores it here
    posix_spawnattr_setsigdefault(&attributes_, &defaults);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    if (IsOurs(terminal)) posix_spawn_file_actions_addtcsetpgrp_np(&actions_, terminal);
  }
  ~Settings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  const posix_spawnattr_t* attributes() const { return &attributes_; }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }

 private:
  posix_spawnattr_t attributes_;
  posix_spawn_file_actions_t actions_;
};

}  // namespace

StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const std::vector<std::string>& words,
                                                            const EnvironmentChanges& changes) {
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  const std::vector<std::string> environment = EnvironmentWith(changes);
  const Settings settings(terminal);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, words[0].c_str(), settings.actions(), settings.attributes(),
                                 PointersOf(words).data(), PointersOf(environment).data());
  if (error == 0) return std::unique_ptr<ChildProcess>(new ChildProcess(pid, terminal));
  if (terminal >= 0) close(terminal);
  return Status(error == ENOENT ? StatusCode::kNotFound : StatusCode::kPermissionDenied,
                "cannot run " + words[0] + ": " + std::generic_category().message(error));
}

ChildProcess::~ChildProcess() {
  if (terminal_ < 0) return;
  GiveTerminal(getpgrp());
  close(terminal_);
}

std::optional<int> ChildProcess::Poll() {
  // The whole group first: process 1 of a container inherits what the command leaves behind.
  for (const pid_t whom : {-pid_, pid_}) {
    int status = 0;
    pid_t changed = 0;
    while ((changed = waitpid(whom, &status, WNOHANG | WUNTRACED)) > 0) {
      if (changed == pid_) Note(status);
    }
  }
  return exit_code_;
}

void ChildProcess::Note(int status) {
  if (WIFSTOPPED(status)) {
    StopToo();
  } else {
    exit_code_ = WIFSIGNALED(status) ? kExitSignal + WTERMSIG(status) : WEXITSTATUS(status);
  }
}

void ChildProcess::Signal(int signal) const {
  kill(-pid_, signal);
  // What is stopped would not notice that it is to end.
  const bool ends = signal != SIGUSR1 && signal != SIGUSR2;
  if (ends && signal != SIGKILL) kill(-pid_, SIGCONT);
}

bool ChildProcess::IsAnyLeft() const { return kill(-pid_, 0) == 0; }

void ChildProcess::GiveTerminal(pid_t group) const {
  // Only what is in front may say who is; a shell that put us in the background has it now.
  const pid_t front = tcgetpgrp(terminal_);
  if (front == pid_ || front == getpgrp()) SetForegroundGroup(terminal_, group);
}

void ChildProcess::StopToo() const {
  if (terminal_ < 0) return;  // whoever stopped it will let it go on
  GiveTerminal(getpgrp());
  kill(0, SIGTSTP);  // our whole group, as the terminal would have done; here we stand still
  if (IsOurs(terminal_)) SetForegroundGroup(terminal_, pid_);
  kill(-pid_, SIGCONT);
}

}  // namespace bursar::cli
