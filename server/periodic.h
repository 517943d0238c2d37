#pragma once

#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace bursar {

// Runs something every so often on a thread of its own, from construction to destruction. An error
// is logged (once for each run of the same error) and the next turn tries again.
class Periodic {
 public:
  Periodic(std::string name, absl::Duration interval, std::function<absl::Status()> turn);
  ~Periodic();

 private:
  void Run();

  const std::string name_;
  const absl::Duration interval_;
  const std::function<absl::Status()> turn_;
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace bursar
