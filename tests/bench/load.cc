#include "bench/load.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"

namespace bursar::bench {
namespace {

constexpr absl::Duration kWarmUp = absl::Milliseconds(300);
constexpr absl::Duration kDeadline = absl::Seconds(20);

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // else all would be one connection
  auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  channel->GetState(/*try_to_connect=*/true);
  return channel;
}

void SetUp(grpc::ClientContext& context, const std::string& key) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
  if (!key.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", key));
}

// What some clients saw.
struct Seen {
  std::vector<absl::Duration> latencies;
  int64_t failed = 0, denied = 0;
  std::string failure;

  void Add(absl::Duration latency, const grpc::Status& status,
           const v1::CheckBudgetResponse& response) {
    latencies.push_back(latency);
    denied += status.ok() && response.decision() == v1::DECISION_DENY;
    failed += !status.ok();
    if (!status.ok()) failure = status.error_message();
  }
  void Add(const Seen& other) {
    latencies.insert(latencies.end(), other.latencies.begin(), other.latencies.end());
    failed += other.failed;
    denied += other.denied;
    if (!other.failure.empty()) failure = other.failure;
  }
  LoadResult Result(absl::Duration took) {
    LoadResult result = ResultOf(std::move(latencies), took);
    result.failed = failed;
    result.denied = denied;
    result.failure = failure;
    return result;
  }
};

}  // namespace

// What the clients of one run share.
struct Load::Course {
  absl::Time measure_from, end;
  int64_t last;  // the number at which it ends
  absl::BlockingCounter running;
};

// Sends, waits, sends again, on gRPC's threads.
class Load::Client {
 public:
  Client(Load& load, Course& course, int index)
      : load_(load),
        course_(course),
        index_(index),
        stub_(*load.stubs_[index % load.stubs_.size()]) {}

  void Send() {
    const int64_t number = load_.next_.fetch_add(1, std::memory_order_relaxed);
    if (number >= course_.last || absl::Now() >= course_.end) {
      course_.running.DecrementCount();
      return;
    }
    context_.emplace();
    SetUp(*context_, load_.Prepare(number, index_, request_));
    response_.Clear();
    sent_ = absl::Now();
    stub_.async()->CheckBudget(&*context_, &request_, &response_, [this](grpc::Status status) {
      const absl::Time now = absl::Now();
      if (now >= course_.measure_from && now <= course_.end) {
        seen.Add(now - sent_, status, response_);
      }
      Send();
    });
  }

  Seen seen;

 private:
  Load& load_;
  Course& course_;
  const int index_;
  v1::TelemetryService::Stub& stub_;
  std::optional<grpc::ClientContext> context_;
  v1::CheckBudgetRequest request_;
  v1::CheckBudgetResponse response_;
  absl::Time sent_;
};

LoadResult ResultOf(std::vector<absl::Duration> latencies, absl::Duration took) {
  LoadResult result;
  result.took = took;
  if (latencies.empty()) return result;
  std::sort(latencies.begin(), latencies.end());
  result.calls = static_cast<int64_t>(latencies.size());
  result.calls_per_second = static_cast<double>(result.calls) / absl::ToDoubleSeconds(took);
  result.p50 = latencies[latencies.size() / 2];
  result.p99 = latencies[latencies.size() * 99 / 100];
  return result;
}

Load::Load(const std::vector<std::string>& addresses, LoadShape shape, MakeCheck make)
    : shape_(std::move(shape)), make_(std::move(make)) {
  const int least = static_cast<int>(addresses.size());
  const int count = std::max(least, std::min(shape_.connections, shape_.clients));
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < count; ++i) channels.push_back(Connect(addresses[i % least]));
  for (auto& channel : channels) {
    channel->WaitForConnected(absl::ToChronoTime(absl::Now() + kDeadline));
    stubs_.push_back(v1::TelemetryService::NewStub(channel));
  }
}

// Gives the key to send with it.
std::string Load::Prepare(int64_t number, int client, v1::CheckBudgetRequest& request) const {
  request.Clear();
  const auto callers = static_cast<int64_t>(std::max<size_t>(shape_.keys.size(), 1));
  make_(number / callers + number % callers, client, request);
  return shape_.keys.empty() ? "" : shape_.keys[number % callers];
}

LoadResult Load::Run(Course& course) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < shape_.clients; ++i) {
    clients.push_back(std::make_unique<Client>(*this, course, i));
  }
  for (auto& client : clients) client->Send();
  course.running.Wait();
  const absl::Time end = std::min(absl::Now(), course.end);
  Seen seen;
  for (auto& client : clients) seen.Add(client->seen);
  return seen.Result(end - course.measure_from);
}

LoadResult Load::RunFor(absl::Duration duration) {
  const absl::Time from = absl::Now() + kWarmUp;
  Course course{from, from + duration, std::numeric_limits<int64_t>::max(),
                absl::BlockingCounter(shape_.clients)};
  return Run(course);
}

LoadResult Load::RunCalls(int64_t calls) {
  const int64_t first = next_;
  Course course{absl::Now(), absl::InfiniteFuture(), first + calls,
                absl::BlockingCounter(shape_.clients)};
  const LoadResult result = Run(course);
  next_ = first + calls;  // each client took one number more, and did not use it
  return result;
}

LoadResult Load::RunAtRate(double calls_per_second, absl::Duration duration) {
  std::vector<Seen> seen(shape_.clients);
  std::vector<std::thread> threads;
  const absl::Time begin = absl::Now(), from = begin + kWarmUp, end = from + duration;
  for (int client = 0; client < shape_.clients; ++client) {
    threads.emplace_back([this, &seen, client, calls_per_second, begin, from, end] {
      auto& stub = *stubs_[client % stubs_.size()];
      for (int64_t turn = client;; turn += shape_.clients) {
        const absl::Time due = begin + absl::Seconds(static_cast<double>(turn) / calls_per_second);
        if (due >= end) return;
        absl::SleepFor(due - absl::Now());
        grpc::ClientContext context;
        v1::CheckBudgetRequest request;
        v1::CheckBudgetResponse response;
        SetUp(context, Prepare(next_.fetch_add(1), client, request));
        const grpc::Status status = stub.CheckBudget(&context, request, &response);
        if (due >= from) seen[client].Add(absl::Now() - due, status, response);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const absl::Time ended = std::max(absl::Now(), end);
  Seen all;
  for (const Seen& one : seen) all.Add(one);
  return all.Result(ended - from);
}

}  // namespace bursar::bench
