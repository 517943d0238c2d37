// The server as its operator meets it: first start, restart, kill -9, clean stop, and what stands
// in the way of a start.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "support/rpc_client.h"
#include "support/server_process.h"
#include "support/test_database.h"

namespace bursar::testing {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string KeyIn(const std::string& path) {
  std::string key = ReadFile(path);
  while (!key.empty() && key.back() == '\n') key.pop_back();
  return key;
}

// Processes whose working directory is below a folder: PostgreSQL's all work in its data directory.
std::vector<pid_t> ProcessesIn(const std::string& folder) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code error;
    const fs::path directory = fs::read_symlink(entry.path() / "cwd", error);
    if (!error && directory.string().starts_with(folder)) {
      found.push_back(std::stoi(entry.path().filename().string()));
    }
  }
  return found;
}

// A server on an embedded PostgreSQL in a folder of this test, with keys.
struct Home {
  TemporaryFolder folder;
  std::string data_dir = folder.path() + "/data";

  std::unique_ptr<ServerProcess> Start() const {
    return std::make_unique<ServerProcess>(std::vector<std::string>{"--data-dir", data_dir});
  }
  std::string key() const { return KeyIn(data_dir + "/admin.key"); }
};

// For tests that need no fresh folder: making a cluster takes longer than all else here.
const Home& SharedHome() {
  static const Home home;
  return home;
}

void ExpectJsonLines(const std::string& log) {
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const auto event = nlohmann::json::parse(line, nullptr, false);
    ASSERT_TRUE(event.is_object()) << line;
    for (const char* field : {"time", "level", "event"}) {
      EXPECT_TRUE(event.contains(field) && event[field].is_string()) << field << " of " << line;
    }
    absl::Time time;
    std::string error;
    EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, event.value("time", ""), &time, &error))
        << line;
  }
}

bool Logged(const std::string& log, const std::string& event) {
  return log.find("\"event\":\"" + event + "\"") != std::string::npos;
}

int64_t SpentOf(RpcClient& client, const std::string& run) {
  v1::GetBudgetStatusRequest request;
  v1::GetBudgetStatusResponse response;
  request.mutable_subject()->set_run(run);
  const grpc::Status status = client.Call(&Telemetry::GetBudgetStatus, request, response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.budgets_size() == 1 ? response.budgets(0).spent() : -1;
}

grpc::Status Spend(RpcClient& client, const std::string& id, const std::string& run) {
  auto request = RecordOf(id, 1000);
  request.mutable_subject()->set_run(run);
  v1::RecordUsageResponse response;
  return client.Record(request, response);
}

// Runs the server to its end; one that goes on serving is stopped after a minute: exit code 124.
Finished RunServer(std::vector<std::string> flags) {
  std::vector<std::string> arguments = {"/usr/bin/timeout", "60", ProgramPath("bursar-server")};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return RunProgram(arguments);
}

TEST(Startup, ARestartKeepsTheDataAndTheKey) {
  const Home home;
  std::string key;
  {
    auto server = home.Start();
    key = home.key();
    struct stat entry;
    ASSERT_EQ(stat((home.data_dir + "/admin.key").c_str(), &entry), 0);
    EXPECT_EQ(entry.st_mode & 07777, 0600u);
    EXPECT_TRUE(Logged(server->log(), "admin_key_created"));
    EXPECT_EQ(server->log().find(key), std::string::npos) << "the key is in the log";
    RpcClient client(server->address(), key);
    ASSERT_TRUE(Spend(client, "before", "r").ok());
  }
  auto server = home.Start();
  EXPECT_EQ(home.key(), key);
  EXPECT_FALSE(Logged(server->log(), "admin_key_created"));
  RpcClient client(server->address(), key);
  EXPECT_EQ(SpentOf(client, "r"), 1000);
}

TEST(Startup, BothStopSignalsEndItCleanlyAndLeaveNoProcess) {
  const Home& home = SharedHome();
  for (int signal : {SIGTERM, SIGINT}) {
    auto server = home.Start();
    EXPECT_GE(ProcessesIn(home.data_dir).size(), 1u) << "the embedded PostgreSQL";
    RpcClient client(server->address(), home.key());
    ASSERT_TRUE(Spend(client, absl::StrCat("signal ", signal), "r").ok());
    server->Signal(signal);
    EXPECT_EQ(server->Wait(), 0);
    EXPECT_TRUE(Logged(server->log(), "server_stopped")) << server->log();
    EXPECT_TRUE(ProcessesIn(home.data_dir).empty());
    ExpectJsonLines(server->log());
  }
}

TEST(Startup, ASecondStartAfterKill9HasEveryAcknowledgedRecord) {
  const Home& home = SharedHome();
  int acknowledged = 0;
  for (int round = 0; round < 2; ++round) {
    auto server = home.Start();
    RpcClient client(server->address(), home.key());
    for (int i = 0; i < 20; ++i) {
      acknowledged += Spend(client, absl::StrCat(round, "/", i), "killed").ok();
    }
    server->Signal(SIGKILL);
    EXPECT_EQ(server->Wait(), 128 + SIGKILL);
  }
  EXPECT_EQ(acknowledged, 40);
  auto server = home.Start();
  RpcClient client(server->address(), home.key());
  EXPECT_EQ(SpentOf(client, "killed"), 1000 * acknowledged);
  server->Signal(SIGTERM);
  EXPECT_EQ(server->Wait(), 0);
  EXPECT_TRUE(ProcessesIn(home.data_dir).empty());
}

TEST(Startup, TwoServersOnOneDataDirectoryAreRefused) {
  const Home& home = SharedHome();
  auto server = home.Start();
  const Finished second =
      RunServer({"--data-dir", home.data_dir, "--listen", "127.0.0.1:0", "--http", "off"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.output.find(absl::StrCat("in use by process ", server->pid())),
            std::string::npos)
      << second.output;
  RpcClient client(server->address(), home.key());
  EXPECT_TRUE(Spend(client, "still served", "r").ok());
}

// What a start refuses, with one sentence that names the value.
struct Refusal {
  std::vector<std::string> flags;
  int exit_code;
  std::string names;
};

void ExpectRefused(const Refusal& refusal) {
  const Finished finished = RunServer(refusal.flags);
  EXPECT_EQ(finished.exit_code, refusal.exit_code) << finished.output;
  std::string sentence, logged;
  std::istringstream lines(finished.output);
  for (std::string line; std::getline(lines, line);) {
    (line.starts_with("{") ? logged : sentence) += line + "\n";
  }
  ExpectJsonLines(logged);
  EXPECT_FALSE(Logged(logged, "server_stopped")) << "it never started";
  EXPECT_EQ(std::count(sentence.begin(), sentence.end(), '\n'), 1) << sentence;
  EXPECT_TRUE(sentence.starts_with("bursar-server: ")) << sentence;
  EXPECT_NE(sentence.find(refusal.names), std::string::npos) << sentence;
}

TEST(Startup, ABadFlagIsOneSentenceAndExitCodeTwo) {
  const Refusal refusals[] = {
      {{"--lisen", "127.0.0.1:1"}, 2, "did you mean --listen"},
      {{"--nonsense"}, 2, "--nonsense"},
      {{"serve"}, 2, "serve"},
      {{"--listen", "127.0.0.1:70000"}, 2, "127.0.0.1:70000"},
      {{"--listen", "127.0.0.1"}, 2, "--listen"},
      {{"--listen"}, 2, "--listen"},
      {{"--http", "127.0.0.1:-1"}, 2, "--http"},
      {{"--listen", "0.0.0.0:0", "--insecure-no-auth"}, 2, "--insecure-no-auth"},
      {{"--listen", "[::]:0", "--insecure-no-auth"}, 2, "--insecure-no-auth"},
      {{"--database-url", "postgresql://a@b/c", "--data-dir", "d"}, 2, "both given"},
      {{"--migrate", "maybe"}, 2, "auto, only or off"},
      {{"--ledger-horizon", "5m"}, 2, "--ledger-horizon"},
      {{"--database-connections", "0"}, 2, "--database-connections"},
      {{"--log-level", "loud"}, 2, "--log-level"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.flags[0]);
    ExpectRefused(refusal);
  }
}

TEST(Startup, AnUnreachableDatabaseIsOneSentence) {
  TestCluster();
  const std::string missing = TestCluster().UrlOf("no_such_database", "bursar");
  const Refusal refusals[] = {
      {{"--database-url", "postgresql://bursar:s3cret@127.0.0.1:1/bursar"},
       1,
       "127.0.0.1:1/bursar"},
      {{"--database-url", "postgresql://bursar@no-such-host.invalid/bursar"},
       1,
       "no-such-host.invalid"},
      {{"--database-url", "not a url"}, 1, "database URL"},
      {{"--database-url", missing}, 1, "no_such_database"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.flags[1]);
    ExpectRefused(refusal);
    EXPECT_EQ(RunServer(refusal.flags).output.find("s3cret"), std::string::npos);
  }
}

TEST(Startup, APortInUseIsOneSentence) {
  const TestDatabase database;
  auto server = ServerProcess::On(database.url());
  const std::vector<std::string> flags = {"--database-url", database.url(), "--insecure-no-auth"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), flags.begin(), flags.end());
    return more;
  };
  ExpectRefused({with({"--listen", server->address(), "--http", "off"}), 1, server->address()});
  ExpectRefused({with({"--listen", "127.0.0.1:0", "--http", server->http()}), 1, server->http()});
}

TEST(Startup, MigrateOnlyLeavesASchemaAndMigrateOffNeedsOne) {
  const TestDatabase database(TestDatabase::Schema::kEmpty);
  const std::vector<std::string> off = {"--database-url",       database.url(),
                                        "--migrate=off",        "--insecure-no-auth",
                                        "--listen=127.0.0.1:0", "--http=off"};
  ExpectRefused({off, 1, "the database has no tables of Bursar"});
  const Finished only = RunServer({"--database-url", database.url(), "--migrate=only"});
  EXPECT_EQ(only.exit_code, 0) << only.output;
  ExpectJsonLines(only.output);
  EXPECT_TRUE(Logged(only.output, "migration_applied"));
  EXPECT_FALSE(Logged(only.output, "server_started"));
  auto session = database.Connect();
  EXPECT_EQ(session->Execute("SELECT count(*) FROM budget").value().Int(0, 0), 1);
  EXPECT_EQ(session->Execute("SELECT count(*) FROM api_key").value().Int(0, 0), 0);
  const ServerProcess server(off);
  RpcClient client(server.address());
  EXPECT_TRUE(Spend(client, "1", "r").ok());
}

TEST(Startup, MigrateOnlyOnAnEmbeddedDatabaseStopsItAgain) {
  const Home home;
  const Finished only = RunServer({"--data-dir", home.data_dir, "--migrate=only"});
  EXPECT_EQ(only.exit_code, 0) << only.output;
  ExpectJsonLines(only.output);
  EXPECT_TRUE(ProcessesIn(home.data_dir).empty());
  auto server = home.Start();
  RpcClient client(server->address(), home.key());
  EXPECT_TRUE(Spend(client, "1", "r").ok());
}

TEST(Startup, ThreeServersStartedAtOnceOnAnEmptyDatabaseShareOneKey) {
  for (int round = 0; round < 3; ++round) {
    const TestDatabase database(TestDatabase::Schema::kEmpty);
    const TemporaryFolder folder;
    std::vector<std::thread> threads;
    // Each thread lives until its server has ended: the kernel ends a child with its thread.
    std::vector<std::string> outcomes(3);
    std::atomic<int> started = 0, finished = 0;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        ServerProcess server({"--database-url", database.url(), "--admin-key-file",
                              absl::StrCat(folder.path(), "/key-", i)});
        ++started;
        while (started < 3) absl::SleepFor(absl::Milliseconds(5));
        for (int j = 0; j < 3; ++j) {
          const std::string path = absl::StrCat(folder.path(), "/key-", j);
          if (!fs::exists(path)) continue;
          RpcClient client(server.address(), KeyIn(path));
          absl::SleepFor(absl::Seconds(1));  // another replica's key works within a second
          outcomes[i] += Spend(client, absl::StrCat("server ", i), "r").ok() ? "served" : "refused";
        }
        ++finished;
        while (finished < 3) absl::SleepFor(absl::Milliseconds(5));
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(outcomes, std::vector<std::string>(3, "served"));
    auto session = database.Connect();
    EXPECT_EQ(session->Execute("SELECT count(*) FROM api_key").value().Int(0, 0), 1);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1) << "key files";
  }
}

}  // namespace
}  // namespace bursar::testing
