#include "bench/processes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

namespace bursar::bench {
namespace {

std::string OwnPath() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

}  // namespace

Process::Process(std::vector<std::string> argv) {
  int input[2], output[2];
  if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) std::abort();
  std::vector<char*> arguments;
  for (auto& argument : argv) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(input[0], STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    dup2(output[1], STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(input[0]);
  close(output[1]);
  input_ = input[1];
  output_ = output[0];
}

Process::~Process() {
  close(input_);
  kill(pid_, SIGTERM);
  while (!ReadLine().empty()) {  // so that it never waits for a full pipe
  }
  waitpid(pid_, nullptr, 0);
  close(output_);
}

std::string Process::ReadLine() {
  while (true) {
    const size_t end = buffered_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffered_.substr(0, end);
      buffered_.erase(0, end + 1);
      return line.empty() ? " " : line;
    }
    char chunk[4096];
    const ssize_t size = read(output_, chunk, sizeof(chunk));
    if (size <= 0) return "";
    buffered_.append(chunk, static_cast<size_t>(size));
  }
}

int64_t Process::MemoryBytes() const {
  std::ifstream statm("/proc/" + std::to_string(pid_) + "/statm");
  int64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

Server StartServer(const std::string& database_url, std::vector<std::string> flags) {
  const std::string path =
      std::filesystem::path(OwnPath()).parent_path().string() + "/bursar-server";
  std::vector<std::string> argv = {
      path,          "--database-url", database_url, "--insecure-no-auth", "--listen",
      "127.0.0.1:0", "--http",         "off",        "--log-format",       "json"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  Server server{std::make_unique<Process>(argv), ""};
  for (std::string line; !(line = server.process->ReadLine()).empty();) {
    const auto event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_object() && event.value("event", "") == "server_started") {
      server.address = event.value("listen", "");
      return server;
    }
    std::cerr << line << "\n";
  }
  std::cerr << "bursar-bench: bursar-server did not start\n";
  std::exit(1);
}

Server StartNoopServer(int budgets_per_answer) {
  Server server{std::make_unique<Process>(std::vector<std::string>{
                    OwnPath(), "--noop-server", std::to_string(budgets_per_answer)}),
                ""};
  server.address = server.process->ReadLine();
  return server;
}

}  // namespace bursar::bench
