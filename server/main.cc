#include <malloc.h>
#include <signal.h>

#include <iostream>

#include "absl/synchronization/mutex.h"
#include "app.h"
#include "config.h"
#include "log.h"

namespace {

constexpr int kFailed = 1, kBadUsage = 2;

// Blocked in every thread from the first, so that only main() takes them.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

}  // namespace

int main(int argc, char** argv) {
  auto config = bursar::ParseConfig(argc, argv);
  if (!config.ok()) {
    const bool asked = absl::IsOutOfRange(config.status());  // --help, --version
    (asked ? std::cout : std::cerr)
        << (asked ? "" : "bursar-server: ") << config.status().message() << std::endl;
    return asked ? 0 : kBadUsage;
  }
  bursar::ConfigureLog(config->log_level, config->log_format);
  // gRPC takes locks in one order; abseil's search for cycles among them costs every call
  // something.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Memory that a burst of calls took is kept for the next burst, up to this, instead of going back
  // to the kernel and being cleared again a thousand times a second.
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
  const sigset_t signals = BlockStopSignals();
  auto app = bursar::App::Start(*config);
  if (!app.ok()) {
    std::cerr << "bursar-server: " << app.status().message() << std::endl;
    return kFailed;
  }
  if (!(*app)->serving()) return 0;  // --migrate=only
  const timespec half_a_second{.tv_sec = 0, .tv_nsec = 500'000'000};
  int signal_number = -1;
  while ((signal_number = sigtimedwait(&signals, nullptr, &half_a_second)) < 0) {
    (*app)->KeepDatabaseRunning();
  }
  bursar::Log(bursar::LogLevel::kInfo, "stopping", {{"signal", int64_t{signal_number}}});
  (*app)->Stop();
  return 0;
}
