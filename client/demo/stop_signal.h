#pragma once

#include <atomic>
#include <chrono>
#include <csignal>

namespace bursar::demo {

// SIGINT and SIGTERM as something to ask for instead of something that strikes. Make it before the
// first thread: it blocks both signals in this thread and in all that it starts.
class StopSignal {
 public:
  StopSignal();

  // Whether one has come; never waits.
  bool come() const { return come_; }

  // Waits for one, for at most this long; returns come(). For one thread.
  bool Wait(std::chrono::milliseconds longest);

  // For a child process before exec, which would inherit the block.
  static void UnblockAll();

 private:
  sigset_t signals_;
  std::atomic<bool> come_ = false;
};

}  // namespace bursar::demo
