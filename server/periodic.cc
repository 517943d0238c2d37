#include "periodic.h"

#include "log.h"

namespace bursar {

Periodic::Periodic(std::string name, absl::Duration interval, std::function<absl::Status()> turn)
    : name_(std::move(name)),
      interval_(interval),
      turn_(std::move(turn)),
      thread_([this] { Run(); }) {}

Periodic::~Periodic() {
  stop_.Notify();
  thread_.join();
}

void Periodic::Run() {
  absl::Status last;
  while (!stop_.WaitForNotificationWithTimeout(interval_)) {
    absl::Status status = turn_();
    if (status.code() != last.code()) {
      if (status.ok()) {
        Log(LogLevel::kInfo, "periodic_recovered", {{"task", name_}});
      } else {
        Log(LogLevel::kWarning, "periodic_failed", {{"task", name_}, {"error", status.ToString()}});
      }
    }
    last = std::move(status);
  }
}

}  // namespace bursar
