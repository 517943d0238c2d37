#include "demo/stop_signal.h"

#include <ctime>

namespace bursar::demo {

StopSignal::StopSignal() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

bool StopSignal::Wait(std::chrono::milliseconds longest) {
  if (come_) return true;
  timespec time{};
  time.tv_sec = longest.count() / 1000;
  time.tv_nsec = longest.count() % 1000 * 1'000'000;
  if (sigtimedwait(&signals_, nullptr, &time) > 0) come_ = true;
  return come_;
}

void StopSignal::UnblockAll() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_UNBLOCK, &all, nullptr);
}

}  // namespace bursar::demo
