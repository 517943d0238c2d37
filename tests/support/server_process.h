#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "support/test_database.h"

namespace bursar::testing {

// A real bursar-server in a process of its own, on loopback and a free port, without keys.
class ServerProcess {
 public:
  // Started and serving, or the test process ends with the server's log.
  explicit ServerProcess(std::vector<std::string> flags);
  static std::unique_ptr<ServerProcess> On(const std::string& database_url);
  ~ServerProcess();  // SIGTERM, and SIGKILL if that takes longer than 10 s
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& address() const { return address_; }  // of gRPC
  const std::string& http() const { return http_; }
  pid_t pid() const { return pid_; }
  std::string log() const;  // everything written so far

  void Signal(int signal) const;
  int Wait();  // its exit code; 128 + the signal that ended it

 private:
  TemporaryFolder folder_;
  std::string log_path_;
  std::string address_, http_;
  pid_t pid_ = -1;
};

// Runs a program to its end: what it wrote (both streams) and its exit code.
struct Finished {
  int exit_code;
  std::string output;
};
Finished RunProgram(const std::vector<std::string>& arguments);

// build/<preset>/bin/NAME
std::string ProgramPath(const std::string& name);

}  // namespace bursar::testing
