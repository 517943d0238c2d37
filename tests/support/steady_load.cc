#include "support/steady_load.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace bursar::testing {
namespace {

constexpr absl::Duration kGiveUp = absl::Seconds(20);
constexpr int64_t kHoldMax_nanousd = 1'000'000;

}  // namespace

SteadyLoad::SteadyLoad(const std::vector<std::string>& addresses, uint64_t seed,
                       const std::string& name, int callers)
    : seed_(seed), name_(name) {
  for (const std::string& address : addresses) {
    clients_.push_back(std::make_unique<RpcClient>(address));
    clients_.back()->set_deadline(std::chrono::seconds(2));
  }
  for (int i = 0; i < callers; ++i) threads_.emplace_back([this, i] { Run(i); });
}

void SteadyLoad::Stop() {
  stop_ = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

double SteadyLoad::WarmUp(double rate_min) {
  for (int second = 1;; ++second) {
    const int64_t before = operations_;
    const absl::Time since = absl::Now();
    absl::SleepFor(absl::Seconds(1));
    const double rate =
        static_cast<double>(operations_ - before) / absl::ToDoubleSeconds(absl::Now() - since);
    if (rate >= rate_min || second == 20) return rate;
  }
}

void SteadyLoad::SetFaulty(int replica) {
  faulty_ = replica;
  longest_us_ = 0;
  attempts_on_others_ = 0;
}

bool SteadyLoad::WaitForOperations(int64_t count, absl::Duration longest_wait) const {
  const int64_t target = operations_ + count;
  const absl::Time until = absl::Now() + longest_wait;
  while (operations_ < target && absl::Now() < until) absl::SleepFor(absl::Milliseconds(5));
  return operations_ >= target;
}

void SteadyLoad::Run(int number) {
  std::mt19937_64 random(seed_ * 1000 + number);
  for (int round = 0; !stop_ && RunOnce(number, round, random); ++round) {
  }
}

// One call of a model: asked for, then settled by 0 to 3 times its hold, released, or left.
bool SteadyLoad::RunOnce(int number, int round, std::mt19937_64& random) {
  const int64_t hold = 1 + static_cast<int64_t>(random() % kHoldMax_nanousd);
  const int64_t used = static_cast<int64_t>(random() % (3 * hold));
  const int what = static_cast<int>(random() % 10);
  auto check = CheckOf(absl::StrCat(name_, number, "/", round), hold);
  check.mutable_subject()->set_user(absl::StrCat("u", random() % 5));
  check.mutable_ttl()->set_seconds(3600);
  v1::CheckBudgetResponse checked;
  if (!UntilAnswered(number, random, [&](RpcClient& c) { return c.Check(check, checked); }))
    return false;
  replayed_ += checked.replayed();
  if (checked.decision() != v1::DECISION_ALLOW) Complain("denied: " + checked.message());
  if (what == 0) {
    std::lock_guard lock(mutex_);
    acknowledged_.held[check.request_id()] = checked.reservation().reserved_nanousd();
    return true;
  }
  if (what == 1) {
    v1::ReleaseReservationResponse released;
    if (!UntilAnswered(number, random,
                       [&](RpcClient& c) { return c.Release(check.request_id(), released); }))
      return false;
    std::lock_guard lock(mutex_);
    acknowledged_.released[check.request_id()] = released.reservation();
    return true;
  }
  const auto record = RecordOf(check.request_id() + "/used", used, check.request_id());
  v1::RecordUsageResponse recorded;
  if (!UntilAnswered(number, random, [&](RpcClient& c) { return c.Record(record, recorded); }))
    return false;
  replayed_ += recorded.replayed();
  std::lock_guard lock(mutex_);
  acknowledged_.records[record.usage_id()] = {record, recorded};
  return true;
}

bool SteadyLoad::UntilAnswered(int number, std::mt19937_64& random,
                               const std::function<grpc::Status(RpcClient&)>& call) {
  const absl::Time give_up = absl::Now() + kGiveUp;
  for (size_t replica = random() % clients_.size(); absl::Now() < give_up; ++replica) {
    const bool faulty = static_cast<int>(replica % clients_.size()) == faulty_;
    if (faulty && number % 2 == 0) continue;
    const absl::Time begin = absl::Now();
    const grpc::Status status = call(*clients_[replica % clients_.size()]);
    Took(replica % clients_.size(), absl::Now() - begin);
    if (status.ok()) {
      ++operations_;
      return true;
    }
    ++retries_;
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE &&
        status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) {
      Complain(absl::StrCat("status ", status.error_code(), ": ", status.error_message()));
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  Complain("no replica answered for 20 s");
  return false;
}

void SteadyLoad::Took(size_t replica, absl::Duration duration) {
  if (static_cast<int>(replica) == faulty_) return;
  ++attempts_on_others_;
  const int64_t us = absl::ToInt64Microseconds(duration);
  for (int64_t seen = longest_us_; us > seen && !longest_us_.compare_exchange_weak(seen, us);) {
  }
}

void SteadyLoad::Complain(const std::string& what) {
  std::lock_guard lock(mutex_);
  if (unexpected_.size() < 20) unexpected_.push_back(what);
}

}  // namespace bursar::testing
