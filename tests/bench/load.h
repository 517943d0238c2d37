#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bursar/v1/telemetry_service.grpc.pb.h"

namespace bursar::bench {

namespace v1 = bursar::v1;

// What a load gave. Latencies are those of every call, denied and failed ones too.
struct LoadResult {
  double calls_per_second = 0;
  absl::Duration p50, p99;
  int64_t calls = 0;
  int64_t failed = 0;  // status not OK
  int64_t denied = 0;
  std::string failure;  // what one of the failed calls was told
  absl::Duration took;

  int64_t admitted() const { return calls - failed - denied; }
};

// One of many: sorts the latencies.
LoadResult ResultOf(std::vector<absl::Duration> latencies, absl::Duration took);

// The request of a call, by its number (counted on from run to run) and the client that makes it.
using MakeCheck = std::function<void(int64_t number, int client, v1::CheckBudgetRequest& request)>;

struct LoadShape {
  int clients = 256;    // each has one call in flight
  int connections = 4;  // which the clients share
  // API keys: those who call in turn. The k-th makes the calls k, k + 1, ... of its own, so that
  // what recurs every so many calls does not fall together. Empty: no key.
  std::vector<std::string> keys = {};
};

// Clients that call CheckBudget on one server, or on several that take the connections in turn. The
// connections are made at once and stay open between runs.
class Load {
 public:
  Load(const std::vector<std::string>& addresses, LoadShape shape, MakeCheck make);

  // Closed loop: each client sends its next call when its last one was answered. The calls that
  // ended within `duration`, which follows a warm-up of 0.3 s, are measured: to leave out those
  // that had begun before would miss one of each client, and slow servers would look slower.
  LoadResult RunFor(absl::Duration duration);
  // The same for a number of calls, without a warm-up, until the last is answered.
  LoadResult RunCalls(int64_t calls);
  // Paced: the clients together begin so many calls a second, each in its turn. Latency counts from
  // the moment at which a call was due, so a slow answer shows in the calls that wait behind it.
  LoadResult RunAtRate(double calls_per_second, absl::Duration duration);

 private:
  struct Course;
  class Client;

  LoadResult Run(Course& course);
  std::string Prepare(int64_t number, int client, v1::CheckBudgetRequest& request) const;

  const LoadShape shape_;
  const MakeCheck make_;
  std::vector<std::unique_ptr<v1::TelemetryService::Stub>> stubs_;
  std::atomic<int64_t> next_{0};
};

}  // namespace bursar::bench
