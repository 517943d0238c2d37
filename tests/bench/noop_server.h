#pragma once

#include <sys/types.h>

#include <string>

namespace bursar::bench {

// A server with Bursar's messages and nothing behind them: what a call costs at the least. It
// answers each CheckBudget with as many bytes as a real answer about so many budgets has. Prints
// its address on a line of its own and serves until standard input ends.
int RunNoopServer(int budgets_per_answer);

// The same as a process of its own, as bursar-server is one: this program, run once more.
class NoopServer {
 public:
  explicit NoopServer(int budgets_per_answer);
  ~NoopServer();
  NoopServer(const NoopServer&) = delete;
  NoopServer& operator=(const NoopServer&) = delete;

  const std::string& address() const { return address_; }

 private:
  pid_t pid_ = -1;
  int input_ = -1;  // of the process: closing it ends the process
  std::string address_;
};

}  // namespace bursar::bench
