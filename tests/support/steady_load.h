#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "support/rpc_client.h"

namespace bursar::testing {

// What callers were told, by id. Only what was answered OK is here.
struct Acknowledged {
  struct Kept {
    v1::RecordUsageRequest request;
    v1::RecordUsageResponse response;
  };
  std::map<std::string, Kept> records;              // by usage_id
  std::map<std::string, int64_t> held;              // by request_id: nano-USD, never ended
  std::map<std::string, v1::Reservation> released;  // by request_id
};

// Callers that check, then settle, release or leave it, without pause, through any of several
// replicas. A call that fails is made again with the same id on the next replica, as a client
// would, for at most 20 s. Every second caller knows which replica is at fault and does not ask it.
// The calls follow from the seed; which replica answers does not.
class SteadyLoad {
 public:
  // `name` begins every id, where several loads meet in one ledger.
  SteadyLoad(const std::vector<std::string>& addresses, uint64_t seed, const std::string& name = "",
             int callers = 8);
  ~SteadyLoad() { Stop(); }

  void Stop();  // when every call has its answer; safe to call twice

  // Waits for a second with so many operations, 20 of them at most: connections are made with the
  // first calls, and a machine may stall. Returns the last second's.
  double WarmUp(double rate_min);
  int64_t operations() const { return operations_; }
  int64_t retries() const { return retries_; }
  int64_t replayed() const { return replayed_; }  // answers that said so
  // Attempts on any replica but `faulty`, and the longest that one took, since it was named.
  void SetFaulty(int replica);
  int64_t attempts_on_others() const { return attempts_on_others_; }
  absl::Duration longest() const { return absl::Microseconds(longest_us_.load()); }
  // Waits until `count` more operations were answered; false if that takes longer.
  bool WaitForOperations(int64_t count, absl::Duration longest_wait) const;

  // After Stop().
  const Acknowledged& acknowledged() const { return acknowledged_; }
  // What must not happen: other errors than UNAVAILABLE and DEADLINE_EXCEEDED, calls given up.
  const std::vector<std::string>& unexpected() const { return unexpected_; }

 private:
  void Run(int number);
  bool RunOnce(int number, int round, std::mt19937_64& random);
  bool UntilAnswered(int number, std::mt19937_64& random,
                     const std::function<grpc::Status(RpcClient&)>& call);
  void Took(size_t replica, absl::Duration duration);
  void Complain(const std::string& what);

  std::vector<std::unique_ptr<RpcClient>> clients_;
  const uint64_t seed_;
  const std::string name_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> faulty_ = -1;
  std::atomic<int64_t> operations_ = 0, retries_ = 0, replayed_ = 0, longest_us_ = 0,
                       attempts_on_others_ = 0;
  std::mutex mutex_;
  Acknowledged acknowledged_;
  std::vector<std::string> unexpected_;
  std::vector<std::thread> threads_;
};

}  // namespace bursar::testing
