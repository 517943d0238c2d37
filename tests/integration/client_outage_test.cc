// R13 and R15: what agents that use the client library notice when the database is away, and when
// replicas are restarted one after the other.
#include <bursar/client.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "support/soak.h"

namespace bursar::testing {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr int kAgents = 6;
constexpr auto kCheckTimeout = 250ms;  // the default
// What a busy machine may add to a deadline.
constexpr auto kDeadlineSlack = 400ms;

CheckRequest Ask(const std::string& id) {
  return {.request_id = id,
          .subject = {.user = "ada"},
          .model = {.provider = "openai", .name = "gpt-4o"},
          .cost_nanousd = kCent};
}

// What one fleet of agents saw.
struct Seen {
  std::atomic<int> calls = 0;
  std::atomic<int> allowed = 0;
  std::atomic<int> offline = 0;
  std::atomic<int> denied_offline = 0;
  std::atomic<int> failed_checks = 0;
  std::mutex mutex;
  steady_clock::duration longest_check{};
  std::string last_failure;
};

// Agents that call until `stop`: check, then settle in the background.
class Agents {
 public:
  Agents(const Client& client, std::string name) : client_(client), name_(std::move(name)) {
    for (int agent = 0; agent < kAgents; ++agent) {
      threads_.emplace_back([this, agent] {
        for (int call = 0; !stop_; ++call) Call(absl::StrCat(name_, "-", agent, "-", call));
      });
    }
  }
  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  Seen& seen() { return seen_; }

 private:
  void Call(const std::string& id) {
    const auto start = steady_clock::now();
    Guard guard(client_, Ask(id));
    const auto took = steady_clock::now() - start;
    ++seen_.calls;
    {
      const std::lock_guard lock(seen_.mutex);
      seen_.longest_check = std::max(seen_.longest_check, took);
    }
    if (!guard.check().ok()) {
      ++seen_.failed_checks;
      {
        const std::lock_guard lock(seen_.mutex);
        seen_.last_failure = guard.check().status().ToString();
      }
      std::this_thread::sleep_for(2ms);
    } else if (!guard.allowed()) {
      ++seen_.denied_offline;
      std::this_thread::sleep_for(2ms);
    } else {
      ++seen_.allowed;
      if (guard.check()->offline) ++seen_.offline;
      EXPECT_TRUE(guard.SettleAsync({.usage_id = id, .cost_nanousd = kCent}).ok());
    }
  }

  const Client client_;
  const std::string name_;
  std::atomic<bool> stop_ = false;
  Seen seen_;
  std::vector<std::thread> threads_;
};

ClientOptions OptionsFor(const std::string& endpoint, const std::string& journal_folder) {
  ClientOptions options;
  options.endpoint = endpoint;
  options.check_timeout = kCheckTimeout;
  options.recorder.journal_folder = journal_folder;
  options.recorder.retry_max_backoff = 500ms;
  options.recorder.memory_records_max = 200'000;
  return options;
}

// I9: nothing of what the recorder took is lost or counted twice.
void ExpectDelivered(const Client& client, const Fleet& fleet, const std::string& name) {
  const Status flushed = client.Flush(60s);
  EXPECT_TRUE(flushed.ok()) << flushed.ToString();
  const RecorderStats stats = client.Recorded();
  EXPECT_EQ(stats.held, 0u);
  EXPECT_EQ(stats.dropped(), 0u) << stats.last_error;
  EXPECT_EQ(stats.accepted, stats.delivered);
  EXPECT_EQ(fleet.Number(absl::StrCat("SELECT count(*) FROM usage_record WHERE usage_id LIKE '",
                                      name, "-%'")),
            static_cast<int64_t>(stats.delivered));
}

TEST(ClientOutage, TheDatabaseIsAwayAndEachClientDoesAsItsPolicySays) {
  Fleet fleet(1);
  ASSERT_TRUE(fleet.client(0).CreateBudget("all", LifetimeBudget(1'000'000 * kUsd)).ok());
  const TemporaryFolder folder;
  const std::string endpoint = fleet.server(0).address();
  const Client closed = *Client::Connect(OptionsFor(endpoint, folder.path() + "/closed"));
  ClientOptions open_options = OptionsFor(endpoint, folder.path() + "/open");
  open_options.failure_policy = FailurePolicy::kFailOpen;
  open_options.offline_allowance_nanousd = kUsd;  // 100 calls
  const Client open = *Client::Connect(open_options);

  Agents careful(closed, "closed");
  Agents bold(open, "open");
  std::this_thread::sleep_for(1s);
  EXPECT_GT(careful.seen().allowed, 0);
  EXPECT_EQ(bold.seen().offline, 0);

  postgres::SessionOptions as_superuser;
  as_superuser.url = TestCluster().UrlOf("postgres", "postgres");
  auto superuser = postgres::Session::Connect(as_superuser).value();
  const std::string& database = fleet.database().name();
  const auto run = [&](const std::string& sql) {
    const absl::Status status = superuser->ExecuteScript(sql);
    ASSERT_TRUE(status.ok()) << status;
  };
  run(absl::StrCat("ALTER DATABASE ", database, " ALLOW_CONNECTIONS false"));
  run(absl::StrCat("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '",
                   database, "'"));
  // 3 s, or the 15 s of R13.
  std::this_thread::sleep_for(Soaking() ? 15s : 3s);
  const int failed_checks = careful.seen().failed_checks;
  EXPECT_GT(failed_checks, 0) << "the fault did not fire";
  EXPECT_GT(bold.seen().denied_offline, 0) << "the allowance was not used up";
  EXPECT_EQ(careful.seen().offline, 0);
  // What was delivered before the allowance was used up came back to it; nothing else could.
  EXPECT_LE(bold.seen().offline, 100);
  EXPECT_EQ(bold.seen().failed_checks, 0);

  run(absl::StrCat("ALTER DATABASE ", database, " ALLOW_CONNECTIONS true"));
  const auto back = steady_clock::now();
  const int allowed_before = careful.seen().allowed;
  while (careful.seen().allowed == allowed_before && steady_clock::now() - back < 10s) {
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_GT(careful.seen().allowed, allowed_before) << "I11: it works again without a restart";
  careful.Stop();
  bold.Stop();
  std::cout << careful.seen().calls << " fail-closed calls, " << failed_checks << " refused, "
            << bold.seen().calls << " fail-open calls, " << bold.seen().offline
            << " allowed offline" << std::endl;
  EXPECT_LE(careful.seen().longest_check, kCheckTimeout + kDeadlineSlack);  // I10
  EXPECT_LE(bold.seen().longest_check, kCheckTimeout + kDeadlineSlack);
  ExpectDelivered(closed, fleet, "closed");
  ExpectDelivered(open, fleet, "open");
  fleet.ExpectConserved();
  // What the whole allowance was granted for has come back with its records.
  run(absl::StrCat("ALTER DATABASE ", database, " ALLOW_CONNECTIONS false"));
  run(absl::StrCat("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '",
                   database, "'"));
  CheckRequest whole = Ask("whole");
  whole.cost_nanousd = kUsd;
  const auto again = open.Check(whole);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_TRUE(again->offline);
  EXPECT_TRUE(again->allowed()) << again->message;
  run(absl::StrCat("ALTER DATABASE ", database, " ALLOW_CONNECTIONS true"));
}

TEST(ClientOutage, ARollingRestartFailsNoCall) {
  constexpr int kReplicas = 3;
  Fleet fleet(kReplicas);
  ASSERT_TRUE(fleet.client(0).CreateBudget("all", LifetimeBudget(1'000'000 * kUsd)).ok());
  std::vector<std::string> addresses;
  for (int i = 0; i < kReplicas; ++i) addresses.push_back(fleet.server(i).address());
  const TemporaryFolder folder;
  ClientOptions options = OptionsFor(absl::StrJoin(addresses, ","), folder.path() + "/journal");
  options.check_timeout = 5s;  // of a machine that also starts sanitized servers
  const Client client = *Client::Connect(options);
  Agents agents(client, "rolling");
  std::this_thread::sleep_for(500ms);
  const absl::Time end =
      absl::Now() + (Soaking() ? HowLong(absl::ZeroDuration()) : absl::Seconds(1));
  do {
    for (int i = 0; i < kReplicas; ++i) {
      const int before = agents.seen().calls;
      fleet.server(i).Signal(SIGTERM);
      EXPECT_EQ(fleet.server(i).Wait(), 0) << fleet.server(i).log();
      fleet.Restart(i);
      std::this_thread::sleep_for(300ms);
      EXPECT_GT(agents.seen().calls, before) << "no call ran around the restart";
    }
  } while (absl::Now() < end);
  agents.Stop();
  const Seen& seen = agents.seen();
  std::cout << seen.calls << " calls, " << seen.failed_checks << " failed, longest check "
            << std::chrono::duration_cast<std::chrono::milliseconds>(seen.longest_check).count()
            << " ms" << std::endl;
  EXPECT_EQ(seen.failed_checks, 0) << seen.last_failure;
  EXPECT_EQ(seen.allowed, seen.calls);
  ExpectDelivered(client, fleet, "rolling");
  fleet.ExpectConserved();
}

}  // namespace
}  // namespace bursar::testing
