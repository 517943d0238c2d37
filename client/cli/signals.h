#pragma once

#include <chrono>
#include <csignal>
#include <initializer_list>
#include <utility>
#include <vector>

namespace bursar::cli {

// Signals as something to wait for instead of something that strikes. One that is ignored stays
// so, as `nohup` wants it; but for SIGCHLD, without which there is no waiting for a child.
//
// Signals are of the whole process: one object at a time, used by one thread. Its end puts back
// what was before.
class Signals {
 public:
  explicit Signals(std::initializer_list<int> signals);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // The oldest that came and was not told of yet, waiting for one for at most `longest`; 0 where
  // none comes.
  int Wait(std::chrono::milliseconds longest);

 private:
  int read_end_ = -1;
  std::vector<std::pair<int, struct sigaction>> before_;
};

}  // namespace bursar::cli
