#include "postgres/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace bursar::postgres {
namespace {

bool MayEnter(const Account& account, const struct stat& folder) {
  if (folder.st_uid == account.uid) return (folder.st_mode & S_IXUSR) != 0;
  const bool in_group = std::find(account.groups.begin(), account.groups.end(), folder.st_gid) !=
                        account.groups.end();
  return (folder.st_mode & (in_group ? S_IXGRP : S_IXOTH)) != 0;
}

[[noreturn]] void Die(const char* what) {
  const char* reason = strerrordesc_np(errno);
  for (const char* text : {what, ": ", reason == nullptr ? "unknown" : reason, "\n"}) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) break;
  }
  _exit(127);
}

void DropPrivileges(const Account& account) {
  if (account.name.empty()) return;
  if (setgroups(account.groups.size(), account.groups.data()) != 0) Die("setgroups");
  if (setgid(account.gid) != 0) Die("setgid");
  if (setuid(account.uid) != 0) Die("setuid");
}

// Signals as a program expects them: nothing blocked, nothing ignored.
void ResetSignals() {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Runs in the child between fork and exec, where only async-signal-safe calls are allowed.
[[noreturn]] void RunChild(const Account& account, char* const* argv, int log, pid_t parent) {
  setsid();
  ResetSignals();
  const int nothing = open("/dev/null", O_RDONLY);
  if (dup2(nothing, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
      dup2(log, STDERR_FILENO) < 0) {
    Die("dup2");
  }
  close_range(STDERR_FILENO + 1, ~0U, 0);
  DropPrivileges(account);
  // After setuid, which clears it. Had the parent died before this line, no signal would come.
  if (prctl(PR_SET_PDEATHSIG, SIGINT) != 0) Die("prctl");
  if (getppid() != parent) _exit(0);
  if (chdir("/") != 0) Die("chdir");
  static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
  static char locale[] = "LC_ALL=C";
  static char zone[] = "TZ=UTC";
  static char* environment[] = {path, locale, zone, nullptr};
  execve(argv[0], argv, environment);
  Die(argv[0]);
}

}  // namespace

absl::StatusOr<Account> UnprivilegedAccount() {
  Account account;
  if (geteuid() != 0) {
    account.uid = geteuid();
    account.gid = getegid();
    return account;
  }
  for (const char* name : {"postgres", "nobody"}) {
    passwd entry;
    passwd* found = nullptr;
    char buffer[4096];
    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || found == nullptr) continue;
    account.name = name;
    account.uid = entry.pw_uid;
    account.gid = entry.pw_gid;
    account.groups.resize(64);
    int count = static_cast<int>(account.groups.size());
    if (getgrouplist(name, entry.pw_gid, account.groups.data(), &count) < 0) count = 0;
    account.groups.resize(count);
    if (count == 0) account.groups.push_back(entry.pw_gid);
    return account;
  }
  return absl::FailedPreconditionError(
      "PostgreSQL does not run as root, and there is no user \"postgres\" or \"nobody\" to run it "
      "as: run this server as an ordinary user");
}

absl::Status CheckEnterable(const Account& account, const std::string& folder) {
  if (account.name.empty()) return absl::OkStatus();
  std::filesystem::path path;
  for (const std::filesystem::path& part : std::filesystem::path(folder)) {
    path /= part;
    struct stat entry;
    if (stat(path.c_str(), &entry) != 0 || !S_ISDIR(entry.st_mode) || MayEnter(account, entry))
      continue;
    return absl::FailedPreconditionError(
        absl::StrCat("the user \"", account.name,
                     "\", as whom PostgreSQL runs because it refuses root, may not "
                     "enter ",
                     path.string(),
                     ": give a --data-dir below a folder that all may enter, or run "
                     "this server as an ordinary user"));
  }
  return absl::OkStatus();
}

absl::StatusOr<pid_t> Spawn(const Account& account, const std::vector<std::string>& arguments,
                            const std::string& log_path) {
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(log_path, " cannot be written: ", strerror(errno)));
  }
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) RunChild(account, argv.data(), log, parent);
  const int error = errno;
  close(log);
  if (pid > 0) return pid;
  return absl::UnavailableError(
      absl::StrCat("a process for ", arguments[0], " cannot be made: ", strerror(error)));
}

int WaitForChild(pid_t pid, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    int status = 0;
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) return status;
    if (ended < 0 && errno == ECHILD) return 0;  // somebody else reaped it
    if (absl::Now() >= deadline) return -1;
    absl::SleepFor(absl::Milliseconds(5));
  }
}

}  // namespace bursar::postgres
