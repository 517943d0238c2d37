#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace prometheus {
class Registry;
}

namespace bursar::metrics {

// Every metric that the server exposes, with its name, unit and labels: the one catalogue.
//
// Base units (seconds), prefix `bursar_`, counters end in `_total`. No label takes an unbounded
// value. Thread-safe; lives as long as the server.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // bursar_rpc_total{method,code}, bursar_rpc_duration_seconds{method}
  void RpcFinished(std::string_view method, std::string_view code, absl::Duration duration);
  // bursar_decisions_total{decision,reason}: answers of CheckBudget; reason "" when allowed
  void Decided(std::string_view decision, std::string_view reason);
  // bursar_lane_batches_total{outcome}, bursar_lane_batch_operations (histogram),
  // bursar_lane_batch_seconds: one transaction of the ledger; outcome "committed", "read_only",
  // "retried" or "failed"
  void BatchFinished(std::string_view outcome, int operations, absl::Duration duration);
  // bursar_lane_queue_operations: operations waiting, over all lanes
  void QueueChanged(int delta);
  // bursar_usage_records_total{cost_basis}
  void Recorded(std::string_view cost_basis);
  // bursar_reservations_expired_total
  void Expired(int count);

  std::string Expose() const;  // Prometheus text format

 private:
  struct Families;
  std::shared_ptr<prometheus::Registry> registry_;
  std::unique_ptr<Families> families_;
};

}  // namespace bursar::metrics
