// R3: replicas are killed, stopped and cut off from PostgreSQL while callers go on. What was
// acknowledged is there once, nothing else is, and callers that repeat their ids notice nothing.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <iostream>
#include <map>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

constexpr int kCallers = 8;
constexpr size_t kReplicas = 3;
constexpr int kRateMin = 100;  // operations a second before a fault, or the fault proves nothing
constexpr absl::Duration kWarmUp = absl::Seconds(1);

// Callers that check and record without pause; a call that fails is made again, with the same id,
// on the next replica, as a client would.
class Load {
 public:
  explicit Load(Fleet& fleet) : fleet_(fleet) {
    for (size_t i = 0; i < kReplicas; ++i) fleet.client(i).set_deadline(std::chrono::seconds(2));
    for (int i = 0; i < kCallers; ++i) threads_.emplace_back([this, i] { Call(i); });
    begin_ = absl::Now();
    absl::SleepFor(kWarmUp);
  }
  ~Load() { Stop(); }

  void Stop() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

  // Connections are made with the first calls: a rate says something after a while.
  void WarmUp() const {
    while (operations_ < 500 && absl::Now() - begin_ < absl::Seconds(10)) {
      absl::SleepFor(absl::Milliseconds(10));
    }
  }
  double rate() const { return operations_ / absl::ToDoubleSeconds(absl::Now() - begin_); }
  int64_t operations() const { return operations_; }
  int64_t retries() const { return retries_; }
  // What replicas other than the one under fault answered so far; the longest that one took.
  void SetUnderFault(int replica) {
    under_fault_ = replica;
    longest_us_ = 0;
    answered_by_others_ = 0;
  }
  absl::Duration longest() const { return absl::Microseconds(longest_us_.load()); }
  int64_t answered_by_others() const { return answered_by_others_; }

  // By usage id: what was recorded, and the first answer. Call after Stop().
  const std::map<std::string, std::pair<v1::RecordUsageRequest, v1::RecordUsageResponse>>&
  acknowledged() const {
    return acknowledged_;
  }

 private:
  void Call(int number) {
    std::mt19937_64 random(number);
    for (int i = 0; !stop_; ++i) {
      auto check = CheckOf(absl::StrCat(number, "/", i), 1 + random() % 1000);
      check.mutable_subject()->set_user(absl::StrCat("u", random() % 5));
      v1::CheckBudgetResponse checked;
      if (!UntilAnswered(number, random, [&](RpcClient& c) { return c.Check(check, checked); }))
        return;
      EXPECT_EQ(checked.decision(), v1::DECISION_ALLOW) << checked.message();
      const auto record =
          RecordOf(check.request_id() + "/used", random() % 2000, check.request_id());
      v1::RecordUsageResponse recorded;
      if (!UntilAnswered(number, random, [&](RpcClient& c) { return c.Record(record, recorded); }))
        return;
      std::lock_guard lock(mutex_);
      acknowledged_[record.usage_id()] = {record, recorded};
    }
  }

  // Every second caller knows better than to ask the replica under fault.
  bool UntilAnswered(int number, std::mt19937_64& random,
                     const std::function<grpc::Status(RpcClient&)>& call) {
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    for (size_t replica = random() % kReplicas; absl::Now() < give_up; ++replica) {
      const bool faulty = static_cast<int>(replica % kReplicas) == under_fault_;
      if (faulty && number % 2 == 0) continue;
      const absl::Time begin = absl::Now();
      const grpc::Status status = call(fleet_.client(replica));
      if (!faulty) Took(absl::Now() - begin);
      if (status.ok()) {
        ++operations_;
        return true;
      }
      ++retries_;
      const auto code = status.error_code();
      EXPECT_TRUE(code == grpc::StatusCode::UNAVAILABLE ||
                  code == grpc::StatusCode::DEADLINE_EXCEEDED)
          << code << ": " << status.error_message();
      absl::SleepFor(absl::Milliseconds(10));
    }
    ADD_FAILURE() << "no replica answered for 20 s";
    return false;
  }

  void Took(absl::Duration duration) {
    ++answered_by_others_;
    const int64_t us = absl::ToInt64Microseconds(duration);
    for (int64_t seen = longest_us_; us > seen && !longest_us_.compare_exchange_weak(seen, us);) {
    }
  }

  Fleet& fleet_;
  absl::Time begin_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> under_fault_ = -1;
  std::atomic<int64_t> operations_ = 0, retries_ = 0, longest_us_ = 0, answered_by_others_ = 0;
  std::mutex mutex_;
  std::map<std::string, std::pair<v1::RecordUsageRequest, v1::RecordUsageResponse>> acknowledged_;
  std::vector<std::thread> threads_;
};

class Crash : public ::testing::Test {
 protected:
  Crash() : fleet_(kReplicas) {
    v1::Budget daily = LifetimeBudget(1'000'000 * kUsd, {"user"});
    daily.mutable_window()->set_kind(v1::Window::KIND_DAY);
    EXPECT_TRUE(fleet_.client(0).CreateBudget("all", LifetimeBudget(1'000'000 * kUsd)).ok());
    EXPECT_TRUE(fleet_.client(0).CreateBudget("user-day", daily).ok());
  }

  // I4, I5, I6: each acknowledged record is there once as it was answered, and nothing else.
  void ExpectWhatWasAcknowledged(const Load& load) {
    const auto rows = fleet_.database().Connect()->Execute(
        "SELECT usage_id, cost_nanousd, released_nanousd, overrun_nanousd FROM usage_record");
    ASSERT_TRUE(rows.ok()) << rows.status();
    std::map<std::string, int> times;
    for (int row = 0; row < rows->size(); ++row) {
      const std::string id(rows->Text(row, 0));
      ++times[id];
      const auto known = load.acknowledged().find(id);
      if (known == load.acknowledged().end()) continue;
      EXPECT_EQ(rows->Int(row, 1), known->second.second.cost_nanousd()) << id;
      EXPECT_EQ(rows->Int(row, 2), known->second.second.released_nanousd()) << id;
      EXPECT_EQ(rows->Int(row, 3), known->second.second.overrun_nanousd()) << id;
    }
    size_t lost = 0, doubled = 0;
    for (const auto& [id, kept] : load.acknowledged()) lost += times.count(id) == 0;
    for (const auto& [id, count] : times) doubled += count > 1;
    EXPECT_EQ(lost, 0u);
    EXPECT_EQ(doubled, 0u);
    EXPECT_EQ(times.size(), load.acknowledged().size()) << "every caller repeated until it knew";
    fleet_.ExpectConserved();
    ExpectReplays(load);
    std::cout << load.operations() << " operations, " << load.retries() << " retries, "
              << load.acknowledged().size() << " records acknowledged\n";
  }

  // A repeat gets the first answer, from whichever replica.
  void ExpectReplays(const Load& load) {
    size_t asked = 0;
    for (const auto& [id, kept] : load.acknowledged()) {
      if (++asked > 150) break;
      v1::RecordUsageResponse again, first = kept.second;
      const grpc::Status status = fleet_.client(asked).Record(kept.first, again);
      ASSERT_TRUE(status.ok()) << status.error_message();
      EXPECT_TRUE(again.replayed());
      for (auto* answer : {&first, &again}) {
        answer->clear_budgets();
        answer->clear_replayed();  // the first one heard may have been a repeat already
      }
      EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString()) << id;
    }
  }

  Fleet fleet_;
};

TEST_F(Crash, Kill9OfAReplicaLosesAndDoublesNothing) {
  Load load(fleet_);
  load.WarmUp();
  for (size_t round = 0; round < 3; ++round) {
    EXPECT_GT(load.rate(), kRateMin);
    ServerProcess& victim = fleet_.server(round);
    load.SetUnderFault(static_cast<int>(round));
    const int64_t before = load.retries();
    victim.Signal(SIGKILL);
    ASSERT_EQ(victim.Wait(), 128 + SIGKILL) << "the fault must have fired";
    absl::SleepFor(absl::Seconds(1));
    EXPECT_GT(load.retries(), before) << "otherwise it hit nobody";
    EXPECT_GT(load.answered_by_others(), kRateMin);
    EXPECT_LT(load.longest(), absl::Seconds(3)) << "of the other replicas";
    fleet_.Restart(round);
    v1::CheckBudgetResponse response;
    auto dry = CheckOf("", 1);
    dry.set_dry_run(true);
    const absl::Time back = absl::Now();
    while (!fleet_.client(round).Check(dry, response).ok()) {
      ASSERT_LT(absl::Now() - back, absl::Seconds(5)) << "it must serve again";
    }
  }
  load.Stop();
  ExpectWhatWasAcknowledged(load);
}

TEST_F(Crash, AStoppedReplicaHoldsUpNobodyForLong) {
  Load load(fleet_);
  load.WarmUp();
  for (size_t round = 0; round < 3; ++round) {
    EXPECT_GT(load.rate(), kRateMin);
    load.SetUnderFault(static_cast<int>(round));
    const int64_t before = load.retries();
    fleet_.server(round).Signal(SIGSTOP);
    absl::SleepFor(absl::Seconds(4));
    EXPECT_GT(load.retries(), before) << "calls of the stopped replica must have run out of time";
    EXPECT_GT(load.answered_by_others(), kRateMin);
    EXPECT_LT(load.longest(), absl::Seconds(3)) << "of the other replicas";
    fleet_.server(round).Signal(SIGCONT);
    v1::CheckBudgetResponse response;
    auto dry = CheckOf("", 1);
    dry.set_dry_run(true);
    const absl::Time back = absl::Now();
    while (!fleet_.client(round).Check(dry, response).ok()) {
      ASSERT_LT(absl::Now() - back, absl::Seconds(5)) << "it must serve again";
    }
  }
  load.Stop();
  ExpectWhatWasAcknowledged(load);
}

// A replica that stops in the middle of a transaction leaves its locks; PostgreSQL ends its session
// after two seconds, and those who waited go on.
TEST_F(Crash, TheLocksOfAStoppedReplicaLastTwoSeconds) {
  v1::CheckBudgetResponse response;
  ASSERT_TRUE(fleet_.client(0).Check(CheckOf("first", 1), response).ok());
  for (size_t i = 0; i < kReplicas; ++i) {
    auto stopped = fleet_.database().Connect();  // with the time-outs of a replica's sessions
    ASSERT_TRUE(stopped->Execute("BEGIN").ok());
    const auto locked = stopped->Execute("SELECT id FROM counter FOR NO KEY UPDATE");
    ASSERT_TRUE(locked.ok() && locked->size() == 1) << "the fault must have fired";
    const absl::Time begin = absl::Now();
    const grpc::Status status =
        fleet_.client(i).Check(CheckOf(absl::StrCat("next ", i), 1), response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.decision(), v1::DECISION_ALLOW);
    EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
    EXPECT_GT(absl::Now() - begin, absl::Seconds(1)) << "otherwise it did not have to wait";
  }
  fleet_.ExpectConserved();
}

// Connections that break at any moment, in the middle of a COMMIT too: its outcome is then unknown.
TEST_F(Crash, BrokenConnectionsLoseAndDoubleNothing) {
  Load load(fleet_);
  load.WarmUp();
  EXPECT_GT(load.rate(), kRateMin);
  postgres::SessionOptions options;
  options.url = fleet_.database().superuser_url();
  auto superuser = postgres::Session::Connect(options).value();
  int64_t cut = 0;
  for (const absl::Time until = absl::Now() + absl::Seconds(4); absl::Now() < until;) {
    const auto rows = superuser->Execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
        "current_database() AND application_name = 'bursar-server' AND state <> 'idle' "
        "AND pid <> pg_backend_pid()");
    ASSERT_TRUE(rows.ok()) << rows.status();
    cut += rows->Int(0, 0);
    absl::SleepFor(absl::Milliseconds(30));
  }
  EXPECT_GT(cut, 20) << "the fault must have fired";
  std::cout << cut << " connections cut\n";
  absl::SleepFor(absl::Seconds(1));
  load.Stop();
  ExpectWhatWasAcknowledged(load);
}

}  // namespace
}  // namespace bursar::testing
