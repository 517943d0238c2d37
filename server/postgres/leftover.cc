#include "postgres/leftover.h"

#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "log.h"

namespace bursar::postgres {
namespace {

namespace fs = std::filesystem;

// PostgreSQL's processes work inside their data directory. Asking /proc also finds backends that
// outlived a killed postmaster, and does not take another process for it that got its id after a
// reboot.
std::vector<pid_t> ProcessesIn(const std::string& cluster_dir) {
  std::vector<pid_t> pids;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry->path().filename().string(), &pid)) continue;
    std::error_code unreadable;
    if (fs::read_symlink(entry->path() / "cwd", unreadable) != cluster_dir) continue;
    std::string name;
    std::getline(std::ifstream(entry->path() / "comm"), name);
    if (name.starts_with("postgres")) pids.push_back(pid);
  }
  return pids;
}

struct PidFile {
  pid_t pid = 0;
  std::string socket_dir;  // its fifth line
};

PidFile ReadPidFile(const std::string& path) {
  PidFile file;
  std::ifstream stream(path);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (number == 1 && !absl::SimpleAtoi(line, &file.pid)) file.pid = 0;
    if (number == 5) file.socket_dir = line;
  }
  return file;
}

bool GoneWithin(const std::string& cluster_dir, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!ProcessesIn(cluster_dir).empty()) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}

// A postmaster takes its backends with it; without one each backend is told.
void Signal(const std::vector<pid_t>& pids, pid_t postmaster, int signal_number) {
  if (std::find(pids.begin(), pids.end(), postmaster) != pids.end()) {
    kill(postmaster, signal_number);
    return;
  }
  for (pid_t pid : pids) kill(pid, signal_number == SIGINT ? SIGQUIT : signal_number);
}

}  // namespace

bool IsSocketFolderOfOurs(const std::string& folder) {
  const std::string pattern = kSocketFolderPattern;
  return folder.size() == pattern.size() &&
         folder.starts_with(pattern.substr(0, pattern.find("XXXXXX"))) &&
         folder.find('/', pattern.rfind('/') + 1) == std::string::npos;
}

absl::Status StopLeftover(const std::string& folder) {
  std::error_code ignored;
  const std::string cluster_dir = fs::canonical(folder, ignored).string();
  if (cluster_dir.empty()) return absl::OkStatus();  // nothing was ever made there
  const std::string pid_path = absl::StrCat(cluster_dir, "/postmaster.pid");
  const PidFile file = ReadPidFile(pid_path);
  const std::pair<int, absl::Duration> steps[] = {
      {SIGINT, absl::Seconds(10)}, {SIGQUIT, absl::Seconds(5)}, {SIGKILL, absl::Seconds(2)}};
  for (const auto& [signal_number, patience] : steps) {
    const std::vector<pid_t> pids = ProcessesIn(cluster_dir);
    if (pids.empty()) break;
    Log(LogLevel::kWarning, "postgres_left_over",
        {{"pid", int64_t{file.pid}}, {"signal", int64_t{signal_number}}});
    Signal(pids, file.pid, signal_number);
    if (GoneWithin(cluster_dir, patience)) break;
  }
  if (const std::vector<pid_t> pids = ProcessesIn(cluster_dir); !pids.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("a PostgreSQL of an earlier run (process ", pids.front(), ") still works in ",
                     cluster_dir, " and cannot be stopped: stop it first"));
  }
  fs::remove(pid_path, ignored);
  if (IsSocketFolderOfOurs(file.socket_dir)) {
    fs::remove_all(file.socket_dir, ignored);
  }
  return absl::OkStatus();
}

}  // namespace bursar::postgres
