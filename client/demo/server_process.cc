#include "demo/server_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <vector>

namespace bursar::demo {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto kStartMax = 60s;  // initdb on a slow disk takes a while
constexpr auto kStopMax = 30s;
constexpr auto kPoll = 20ms;
constexpr size_t kLogEndLines = 8;

std::string ErrnoText() { return std::generic_category().message(errno); }

StatusOr<std::string> MakeFolder() {
  std::string path = std::filesystem::temp_directory_path() / "bursar-demo-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    return Status(StatusCode::kFailedPrecondition,
                  "cannot make a temporary folder " + path + ": " + ErrnoText());
  }
  // A server of root runs PostgreSQL as another user, who must be able to pass.
  chmod(path.c_str(), 0711);
  return path;
}

// This process's environment without BURSAR_...: settings meant for a real server, above all its
// database, must not reach this one.
std::vector<char*> ChildEnvironment() {
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::strncmp(*variable, "BURSAR_", 7) != 0) variables.push_back(*variable);
  }
  variables.push_back(nullptr);
  return variables;
}

// A string field of a log line; empty where it is absent or something else.
std::string Text(const nlohmann::json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

StatusOr<std::unique_ptr<ServerProcess>> ServerProcess::Start(const std::string& binary,
                                                              bool outlive, StopSignal* stop) {
  if (access(binary.c_str(), X_OK) != 0) {
    return Status(StatusCode::kFailedPrecondition,
                  "there is no server at " + binary + "; `./dev build` makes it");
  }
  auto folder = MakeFolder();
  if (!folder.ok()) return folder.status();
  std::unique_ptr<ServerProcess> server(new ServerProcess(*std::move(folder)));
  if (Status status = server->Launch(binary, outlive); !status.ok()) return status;
  if (Status status = server->WaitUntilServing(stop); !status.ok()) return status;
  return server;
}

Status ServerProcess::Launch(const std::string& binary, bool outlive) {
  const std::string data_dir = folder_ + "/data";
  std::vector<std::string> words = {binary,        "--data-dir", data_dir,     "--listen",
                                    "127.0.0.1:0", "--http",     "127.0.0.1:0"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<char*> environment = ChildEnvironment();
  const int log = open(log_path().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) {
    return {StatusCode::kFailedPrecondition, "cannot write " + log_path() + ": " + ErrnoText()};
  }

  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    // Only calls that are safe between fork and exec.
    setsid();  // Ctrl-C is for the demo, which then stops the server in order
    if (!outlive) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (getppid() != parent) _exit(1);  // died before the line above
    }
    StopSignal::UnblockAll();
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execve(binary.c_str(), arguments.data(), environment.data());
    _exit(127);
  }
  const std::string error = ErrnoText();
  close(log);
  if (pid_ < 0) return {StatusCode::kFailedPrecondition, "cannot start a process: " + error};
  return {};
}

Status ServerProcess::WaitUntilServing(StopSignal* stop) {
  const auto deadline = steady_clock::now() + kStartMax;
  while (!ReadFacts()) {
    if (HasEnded()) {
      return {StatusCode::kFailedPrecondition,
              "the server did not start; its log ends:\n" + LogEnd()};
    }
    if (steady_clock::now() > deadline) {
      return {StatusCode::kFailedPrecondition,
              "the server does not serve after a minute; its log ends:\n" + LogEnd()};
    }
    if (stop->Wait(kPoll)) return {StatusCode::kCancelled, "stopped while the server started"};
  }
  return {};
}

bool ServerProcess::ReadFacts() {
  std::ifstream log(log_path());
  std::string text;
  while (std::getline(log, text)) {
    const nlohmann::json line = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || Text(line, "event") != "server_started") continue;
    facts_ = {Text(line, "listen"), Text(line, "http"), Text(line, "database_url"),
              Text(line, "admin_key_file")};
    return true;
  }
  return false;
}

bool ServerProcess::HasEnded() {
  if (pid_ > 0 && waitpid(pid_, &exit_status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ < 0;
}

std::string ServerProcess::LogEnd() const {
  std::ifstream log(log_path());
  std::deque<std::string> lines;
  std::string line;
  while (std::getline(log, line)) {
    lines.push_back("  " + line + "\n");
    if (lines.size() > kLogEndLines) lines.pop_front();
  }
  std::string text;
  for (const std::string& each : lines) text += each;
  return text.empty() ? "  (it is empty)\n" : text;
}

Status ServerProcess::Stop() {
  Status status;
  if (!HasEnded()) {
    kill(pid_, SIGTERM);
    const auto deadline = steady_clock::now() + kStopMax;
    while (!HasEnded() && steady_clock::now() < deadline) std::this_thread::sleep_for(kPoll);
    if (!HasEnded()) {
      kill(pid_, SIGKILL);
      waitpid(pid_, &exit_status_, 0);
      pid_ = -1;
      status = {StatusCode::kInternal,
                "the server did not stop within 30 s; its log ends:\n" + LogEnd()};
    }
  }
  const bool clean = WIFEXITED(exit_status_) && WEXITSTATUS(exit_status_) == 0;
  if (status.ok() && !clean) {
    status = {StatusCode::kInternal, "the server ended badly; its log ends:\n" + LogEnd()};
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  kept_ = true;  // nothing is left to stop
  return status;
}

ServerProcess::~ServerProcess() {
  if (!kept_) (void)Stop();
}

}  // namespace bursar::demo
