#include "metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace bursar::metrics {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    // Of a histogram's buckets the first stands for all.
    const bool later_bucket = line.find("_bucket{") != std::string::npos &&
                              line.find("le=\"0.0001\"") == std::string::npos &&
                              line.find("le=\"1\"") == std::string::npos;
    if (!later_bucket) lines.push_back(line);
  }
  return lines;
}

// Whoever changes a line here breaks somebody's dashboard: say so in CHANGELOG.md.
TEST(Metrics, ExposesItsCatalogue) {
  Metrics metrics;
  metrics.RpcFinished("CheckBudget", "OK", absl::Microseconds(50));
  metrics.RpcFinished("CheckBudget", "OK", absl::Seconds(2));
  metrics.Decided("DENY", "BUDGET_EXCEEDED");
  metrics.BatchFinished("committed", 3, absl::Milliseconds(1));
  metrics.QueueChanged(5);
  metrics.QueueChanged(-2);
  metrics.Recorded("PRICED");
  metrics.Expired(4);
  EXPECT_THAT(
      Lines(metrics.Expose()),
      ::testing::UnorderedElementsAre(
          "# HELP bursar_rpc_total Calls answered, by method and gRPC code.",
          "# TYPE bursar_rpc_total counter",
          "bursar_rpc_total{code=\"OK\",method=\"CheckBudget\"} 2",
          "# HELP bursar_rpc_duration_seconds From the arrival of a call to its answer.",
          "# TYPE bursar_rpc_duration_seconds histogram",
          "bursar_rpc_duration_seconds_count{method=\"CheckBudget\"} 2",
          "bursar_rpc_duration_seconds_sum{method=\"CheckBudget\"} 2.00005",
          "bursar_rpc_duration_seconds_bucket{method=\"CheckBudget\",le=\"0.0001\"} 1",
          "bursar_rpc_duration_seconds_bucket{method=\"CheckBudget\",le=\"1\"} 1",
          "# HELP bursar_decisions_total Answers of CheckBudget; no reason when allowed.",
          "# TYPE bursar_decisions_total counter",
          "bursar_decisions_total{decision=\"DENY\",reason=\"BUDGET_EXCEEDED\"} 1",
          "# HELP bursar_lane_batches_total Batches of the ledger, each one transaction, by "
          "outcome.",
          "# TYPE bursar_lane_batches_total counter",
          "bursar_lane_batches_total{outcome=\"committed\"} 1",
          "bursar_lane_batches_total{outcome=\"read_only\"} 0",
          "bursar_lane_batches_total{outcome=\"retried\"} 0",
          "bursar_lane_batches_total{outcome=\"failed\"} 0",
          "# HELP bursar_lane_batch_operations Operations in a batch of the ledger.",
          "# TYPE bursar_lane_batch_operations histogram", "bursar_lane_batch_operations_count 1",
          "bursar_lane_batch_operations_sum 3", "bursar_lane_batch_operations_bucket{le=\"1\"} 0",
          "# HELP bursar_lane_batch_seconds What a batch of the ledger takes, its transaction "
          "included.",
          "# TYPE bursar_lane_batch_seconds histogram", "bursar_lane_batch_seconds_count 1",
          "bursar_lane_batch_seconds_sum 0.001",
          "bursar_lane_batch_seconds_bucket{le=\"0.0001\"} 0",
          "bursar_lane_batch_seconds_bucket{le=\"1\"} 1",
          "# HELP bursar_lane_queue_operations Operations that wait for a batch, over all lanes.",
          "# TYPE bursar_lane_queue_operations gauge", "bursar_lane_queue_operations 3",
          "# HELP bursar_usage_records_total Usage records kept, by what their cost is based on.",
          "# TYPE bursar_usage_records_total counter",
          "bursar_usage_records_total{cost_basis=\"PRICED\"} 1",
          "# HELP bursar_reservations_expired_total Reservations that ended because nobody settled "
          "or released them.",
          "# TYPE bursar_reservations_expired_total counter",
          "bursar_reservations_expired_total 4"));
}

TEST(Metrics, CountsFromManyThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&metrics] {
      for (int n = 0; n < 1000; ++n) {
        metrics.RpcFinished("RecordUsage", n % 2 == 0 ? "OK" : "UNAVAILABLE", absl::Seconds(1));
        if (n % 100 == 0) metrics.Expose();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("bursar_rpc_total{code=\"OK\",method=\"RecordUsage\"} 2000"));
  EXPECT_THAT(text,
              HasSubstr("bursar_rpc_total{code=\"UNAVAILABLE\",method=\"RecordUsage\"} 2000"));
  EXPECT_THAT(text, HasSubstr("bursar_rpc_duration_seconds_count{method=\"RecordUsage\"} 4000"));
}

}  // namespace
}  // namespace bursar::metrics
