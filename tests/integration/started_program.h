#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/server_process.h"

namespace bursar::testing {

// A program that runs beside the test: what it wrote so far, to either stream, and a pipe into its
// standard input. It is killed with this object at the latest.
class StartedProgram {
 public:
  explicit StartedProgram(const std::vector<std::string>& arguments)
      : output_path_(folder_.path() + "/output") {
    signal(SIGPIPE, SIG_IGN);  // a program that ended early is a false of Write
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    input_ = ends[1];
    std::vector<char*> argv;
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const int output = open(output_path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      signal(SIGPIPE, SIG_DFL);
      dup2(ends[0], STDIN_FILENO);
      dup2(output, STDOUT_FILENO);
      dup2(output, STDERR_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ends[0]);
    close(output);
  }
  ~StartedProgram() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }
  StartedProgram(const StartedProgram&) = delete;
  StartedProgram& operator=(const StartedProgram&) = delete;

  void Signal(int signal) const { kill(pid_, signal); }

  // Waits until the program has taken most of it. False where it does not read any more.
  bool Write(const std::string& text) const {
    for (size_t at = 0; at < text.size();) {
      const ssize_t count = write(input_, text.data() + at, text.size() - at);
      if (count <= 0) return false;
      at += static_cast<size_t>(count);
    }
    return true;
  }
  void EndInput() {
    if (input_ >= 0) close(input_);
    input_ = -1;
  }

  std::string output() const {
    std::ifstream file(output_path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // To its end; the exit code is 128 and the signal where one ended it.
  Finished Wait() {
    EndInput();
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), output()};
  }

 private:
  TemporaryFolder folder_;
  const std::string output_path_;
  int input_ = -1;
  pid_t pid_ = -1;
};

}  // namespace bursar::testing
