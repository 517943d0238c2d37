#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace bursar {

// Where a component's time comes from: deadlines, caches and logs. What is charged, and to which
// window, is decided by the database's clock alone.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const { return absl::Now(); }
};

}  // namespace bursar
