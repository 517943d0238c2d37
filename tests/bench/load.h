#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bursar/v1/telemetry_service.grpc.pb.h"

namespace bursar::bench {

namespace v1 = bursar::v1;

// What a load gave: closed loop, each of `in_flight` sends its next call when its last one was
// answered.
struct LoadResult {
  double calls_per_second = 0;
  absl::Duration p50, p99;
  int64_t calls = 0;
  int64_t failed = 0;  // status not OK
  int64_t denied = 0;
};

struct LoadOptions {
  int in_flight = 256;
  int connections = 4;
  absl::Duration warm_up = absl::Seconds(1);
  absl::Duration duration = absl::Seconds(5);
};

// The requests of a load, by number: each is a call of its own.
using MakeCheck = std::function<void(int64_t number, v1::CheckBudgetRequest& request)>;

// One server, or several that take the connections in turn.
LoadResult RunChecks(const std::vector<std::string>& addresses, const LoadOptions& options,
                     const MakeCheck& make);

}  // namespace bursar::bench
