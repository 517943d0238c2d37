#include "bench/load.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <optional>

#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"

namespace bursar::bench {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(20);

// What all loops of a load share.
struct Course {
  const MakeCheck& make;
  absl::Time measure_from, end;
  std::atomic<int64_t> next{0};
  absl::BlockingCounter& running;
};

// One of the calls in flight: sends, waits, sends again, on gRPC's threads.
class Loop {
 public:
  Loop(Course& course, v1::TelemetryService::Stub& stub) : course_(course), stub_(stub) {}

  void Send() {
    context_.emplace();
    context_->set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
    request_.Clear();
    response_.Clear();
    course_.make(course_.next.fetch_add(1, std::memory_order_relaxed), request_);
    sent_ = absl::Now();
    stub_.async()->CheckBudget(&*context_, &request_, &response_,
                               [this](const grpc::Status& status) { Received(status); });
  }

  std::vector<absl::Duration> latencies;
  int64_t failed = 0, denied = 0;

 private:
  void Received(const grpc::Status& status) {
    const absl::Time now = absl::Now();
    if (sent_ >= course_.measure_from && now <= course_.end) {
      latencies.push_back(now - sent_);
      failed += !status.ok();
      denied += status.ok() && response_.decision() == v1::DECISION_DENY;
    }
    if (now >= course_.end) {
      course_.running.DecrementCount();
      return;
    }
    Send();
  }

  Course& course_;
  v1::TelemetryService::Stub& stub_;
  std::optional<grpc::ClientContext> context_;
  v1::CheckBudgetRequest request_;
  v1::CheckBudgetResponse response_;
  absl::Time sent_;
};

std::unique_ptr<v1::TelemetryService::Stub> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return v1::TelemetryService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

LoadResult Sum(const std::vector<std::unique_ptr<Loop>>& loops, absl::Duration duration) {
  LoadResult result;
  std::vector<absl::Duration> latencies;
  for (const auto& loop : loops) {
    latencies.insert(latencies.end(), loop->latencies.begin(), loop->latencies.end());
    result.failed += loop->failed;
    result.denied += loop->denied;
  }
  if (latencies.empty()) return result;
  std::sort(latencies.begin(), latencies.end());
  result.calls = static_cast<int64_t>(latencies.size());
  result.calls_per_second = static_cast<double>(latencies.size()) / absl::ToDoubleSeconds(duration);
  result.p50 = latencies[latencies.size() / 2];
  result.p99 = latencies[latencies.size() * 99 / 100];
  return result;
}

}  // namespace

LoadResult RunChecks(const std::vector<std::string>& addresses, const LoadOptions& options,
                     const MakeCheck& make) {
  std::vector<std::unique_ptr<v1::TelemetryService::Stub>> stubs;
  const int connections = std::min(options.connections, options.in_flight);
  const int count = std::max<int>(connections, static_cast<int>(addresses.size()));
  for (int i = 0; i < count; ++i) stubs.push_back(Connect(addresses[i % addresses.size()]));
  absl::BlockingCounter running(options.in_flight);
  const absl::Time begin = absl::Now();
  Course course{make, begin + options.warm_up, begin + options.warm_up + options.duration, 0,
                running};
  std::vector<std::unique_ptr<Loop>> loops;
  for (int i = 0; i < options.in_flight; ++i) {
    loops.push_back(std::make_unique<Loop>(course, *stubs[i % stubs.size()]));
  }
  for (auto& loop : loops) loop->Send();
  running.Wait();
  return Sum(loops, options.duration);
}

}  // namespace bursar::bench
