// R10: hierarchies in random order through three replicas, with a PostgreSQL that looks for
// deadlocks at every turn. Every path takes its locks in one order, so there is none to find.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <iostream>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "support/soak.h"

namespace bursar::testing {
namespace {

constexpr int kThreads = 16;
constexpr double kRateMin = 100;

class Deadlock : public ::testing::Test {
 protected:
  Deadlock() {
    Superuser()
        ->ExecuteScript("ALTER DATABASE " + fleet_.database().name() +
                        " SET deadlock_timeout = '50ms'")
        .IgnoreError();
    for (int i = 0; i < 3; ++i) fleet_.Add();
    for (const char* dimension : {"project", "team", "user", "agent", "workflow", "root_run"}) {
      EXPECT_TRUE(
          fleet_.client(0).CreateBudget(dimension, LifetimeBudget(1'000 * kUsd, {dimension})).ok());
    }
  }

  std::unique_ptr<postgres::Session> Superuser() {
    postgres::SessionOptions options;
    options.url = fleet_.database().superuser_url();
    return postgres::Session::Connect(options).value();
  }

  // One caller: each call has another path through the hierarchy, and settles the last few.
  void Call(uint64_t seed, int number, absl::Time until) {
    std::mt19937_64 random(seed * 1000 + number);
    std::vector<std::string> open;
    for (int i = 0; absl::Now() < until; ++i) {
      auto check = CheckOf(absl::StrCat(number, "/", i), 1 + random() % kCent);
      auto* subject = check.mutable_subject();
      subject->set_project(absl::StrCat("p", random() % 3));
      subject->set_team(absl::StrCat("t", random() % 5));
      subject->set_user(absl::StrCat("u", random() % 7));
      subject->set_agent(absl::StrCat("a", random() % 7));
      subject->set_workflow(absl::StrCat("w", random() % 5));
      subject->set_run(absl::StrCat("r", random() % 20));
      std::shuffle(open.begin(), open.end(), random);
      for (size_t last = random() % 4; last > 0 && !open.empty(); --last, open.pop_back()) {
        *check.add_settle() =
            RecordOf(open.back() + "/used", static_cast<int64_t>(random() % kCent), open.back());
      }
      v1::CheckBudgetResponse response;
      const grpc::Status status = fleet_.client(random()).Check(check, response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      ++operations_;
      if (response.decision() == v1::DECISION_ALLOW) open.push_back(check.request_id());
    }
  }

  Fleet fleet_{0};
  std::atomic<int64_t> operations_ = 0;
};

TEST_F(Deadlock, HierarchiesInRandomOrderMeetNone) {
  const uint64_t seed = Seed();
  ASSERT_EQ(fleet_.Sql("SHOW deadlock_timeout"), "50ms") << "otherwise none is looked for";
  const absl::Time begin = absl::Now(), until = begin + HowLong(absl::Seconds(3));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([=, this] { Call(seed, i, until); });
  int64_t waits = 0;  // moments at which a transaction waited for another's lock
  while (absl::Now() < until) {
    waits += fleet_.Number(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
        "application_name = 'bursar-server' AND wait_event_type = 'Lock'");
    absl::SleepFor(absl::Milliseconds(5));
  }
  for (auto& thread : threads) thread.join();
  const double rate = static_cast<double>(operations_) / absl::ToDoubleSeconds(absl::Now() - begin);
  fleet_.ExpectConserved();
  for (size_t i = 0; i < fleet_.size(); ++i) {  // sessions that end tell what they counted
    fleet_.server(i).Signal(SIGTERM);
    EXPECT_EQ(fleet_.server(i).Wait(), 0);
  }
  const int64_t deadlocks =
      fleet_.Number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
  std::cout << operations_ << " operations, " << rate << "/s, seen waiting " << waits << " times, "
            << deadlocks << " deadlocks" << std::endl;
  EXPECT_GE(rate, kRateMin);
  EXPECT_GT(waits, 20) << "otherwise the replicas never met";
  EXPECT_EQ(deadlocks, 0);
}

// That a deadlock would be seen: two sessions of the same database make one.
TEST_F(Deadlock, OneWouldBeCounted) {
  auto a = fleet_.database().Connect(), b = fleet_.database().Connect();
  ASSERT_TRUE(a->ExecuteScript("CREATE TABLE met (id int); INSERT INTO met VALUES (1), (2)").ok());
  for (auto* session : {&a, &b}) ASSERT_TRUE((*session)->Execute("BEGIN").ok());
  ASSERT_TRUE(a->Execute("UPDATE met SET id = id WHERE id = 1").ok());
  ASSERT_TRUE(b->Execute("UPDATE met SET id = id WHERE id = 2").ok());
  std::thread other([&] { a->Execute("UPDATE met SET id = id WHERE id = 2").IgnoreError(); });
  b->Execute("UPDATE met SET id = id WHERE id = 1").IgnoreError();
  other.join();
  a.reset(), b.reset();
  int64_t deadlocks = 0;
  for (int look = 0; look < 100 && deadlocks == 0; ++look) {
    absl::SleepFor(absl::Milliseconds(20));
    deadlocks =
        fleet_.Number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
  }
  EXPECT_EQ(deadlocks, 1);
}

}  // namespace
}  // namespace bursar::testing
