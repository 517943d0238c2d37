#include "support/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "absl/time/clock.h"

namespace bursar::testing {
namespace {

constexpr absl::Duration kStartMax = absl::Seconds(60);
constexpr absl::Duration kStopMax = absl::Seconds(10);

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

pid_t Spawn(const std::vector<std::string>& arguments, const std::string& output_path) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int output = open(output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execv(argv[0], argv.data());
  _exit(127);
}

int ExitCode(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

std::string ProgramPath(const std::string& name) { return BURSAR_BINARY_DIR "/" + name; }

std::unique_ptr<ServerProcess> ServerProcess::On(const std::string& database_url) {
  return std::make_unique<ServerProcess>(
      std::vector<std::string>{"--database-url", database_url, "--insecure-no-auth"});
}

ServerProcess::ServerProcess(std::vector<std::string> flags) : log_path_(folder_.path() + "/log") {
  std::vector<std::string> arguments = {ProgramPath("bursar-server"),
                                        "--listen",
                                        "127.0.0.1:0",
                                        "--http",
                                        "127.0.0.1:0",
                                        "--log-format",
                                        "json"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  pid_ = Spawn(arguments, log_path_);
  const absl::Time deadline = absl::Now() + kStartMax;
  while (address_.empty()) {
    std::istringstream lines(log());
    for (std::string line; std::getline(lines, line);) {
      const auto event = nlohmann::json::parse(line, nullptr, false);
      if (!event.is_object() || event.value("event", "") != "server_started") continue;
      address_ = event.value("listen", "");
      http_ = event.value("http", "");
    }
    const bool ended = waitpid(pid_, nullptr, WNOHANG) == pid_;
    if (address_.empty() && (ended || absl::Now() > deadline)) {
      std::cerr << "bursar-server did not start:\n" << log() << std::endl;
      std::exit(1);
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
}

ServerProcess::~ServerProcess() {
  if (pid_ < 0) return;
  Signal(SIGCONT);
  Signal(SIGTERM);
  const absl::Time deadline = absl::Now() + kStopMax;
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (absl::Now() > deadline) Signal(SIGKILL);
    absl::SleepFor(absl::Milliseconds(5));
  }
}

std::string ServerProcess::log() const { return ReadFile(log_path_); }

void ServerProcess::Signal(int signal) const { kill(pid_, signal); }

int ServerProcess::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return ExitCode(status);
}

Finished RunProgram(const std::vector<std::string>& arguments) {
  TemporaryFolder folder;
  const std::string output = folder.path() + "/output";
  int status = 0;
  waitpid(Spawn(arguments, output), &status, 0);
  return {ExitCode(status), ReadFile(output)};
}

}  // namespace bursar::testing
