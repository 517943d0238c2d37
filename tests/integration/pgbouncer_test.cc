// --pgbouncer: two replicas that reach PostgreSQL through a real pgbouncer alone, which shares two
// connections among them all, transaction by transaction.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "postgres/process.h"
#include "support/ledger_checker.h"
#include "support/soak.h"
#include "support/steady_load.h"

namespace bursar::testing {
namespace {

using postgres::Session;
using postgres::SessionOptions;

constexpr char kProgram[] = "/usr/sbin/pgbouncer";
constexpr int kPoolSize = 2;
constexpr absl::Duration kStartMax = absl::Seconds(10);

// A pgbouncer in front of the test's PostgreSQL, on a unix socket, as PostgreSQL's own account.
class Pgbouncer {
 public:
  Pgbouncer() : account_(*postgres::UnprivilegedAccount()), socket_(folder_.path() + "/socket") {
    std::filesystem::create_directory(socket_);
    if (!account_.name.empty()) {
      EXPECT_EQ(chown(socket_.c_str(), account_.uid, account_.gid), 0) << socket_;
    }
    SessionOptions options;
    options.url = TestCluster().UrlOf("postgres", "postgres");
    const auto session = Session::Connect(options);
    const auto rows = (*session)->Execute("SHOW unix_socket_directories");
    std::ofstream(folder_.path() + "/pgbouncer.ini")
        << "[databases]\n* = host=" << rows->Text(0, 0)
        << " port=5432 user=bursar\n"
           "[pgbouncer]\npool_mode = transaction\nauth_type = any\nadmin_users = bursar\n"
           "listen_addr =\nlisten_port = 6432\nmax_client_conn = 200\nserver_login_retry = 1\n"
        << "unix_socket_dir = " << socket_ << "\ndefault_pool_size = " << kPoolSize << "\n";
    Start();
  }
  ~Pgbouncer() { Kill(); }

  void Start() {
    pid_ = *postgres::Spawn(account_, {kProgram, folder_.path() + "/pgbouncer.ini"},
                            folder_.path() + "/log");
    const absl::Time deadline = absl::Now() + kStartMax;
    while (!Connect("bursar").ok()) {
      ASSERT_LT(absl::Now(), deadline)
          << "pgbouncer does not answer: " << Connect("bursar").status();
      absl::SleepFor(absl::Milliseconds(20));
    }
  }

  void Signal(int signal) const { ASSERT_EQ(kill(pid_, signal), 0); }
  void Kill() {
    kill(pid_, SIGKILL);
    postgres::WaitForChild(pid_, kStartMax);
  }

  std::string UrlOf(const std::string& database) const {
    return absl::StrCat("host=", socket_, " port=6432 user=bursar dbname=", database);
  }
  absl::StatusOr<std::unique_ptr<Session>> Connect(const std::string& database) const {
    SessionOptions options;
    options.url = UrlOf(database);
    options.pgbouncer = true;
    return Session::Connect(options);
  }
  // On pgbouncer's own console.
  void Command(const std::string& command) const {
    const auto console = Connect("pgbouncer");
    ASSERT_TRUE(console.ok()) << console.status();
    EXPECT_TRUE((*console)->ExecuteScript(command).ok()) << command;
  }

 private:
  const postgres::Account account_;
  TemporaryFolder folder_;
  const std::string socket_;
  pid_t pid_ = -1;
};

class PgbouncerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (access(kProgram, X_OK) != 0) {
      GTEST_SKIP() << kProgram << " is not installed: apt-get install pgbouncer";
    }
    bouncer_ = std::make_unique<Pgbouncer>();
  }

  // What an operator runs once.
  void GiveRoleItsSettings() const {
    for (const char* setting :
         {"statement_timeout = '5s'", "lock_timeout = '2s'",
          "idle_in_transaction_session_timeout = '2s'", "enable_seqscan = off",
          "enable_hashjoin = off", "enable_mergejoin = off"}) {
      database_.Sql(absl::StrCat("ALTER ROLE bursar IN DATABASE ", database_.database().name(),
                                 " SET ", setting));
    }
    bouncer_->Command("RECONNECT");
  }

  std::vector<std::string> Flags() const {
    return {"--pgbouncer", "--insecure-no-auth", "--database-url",
            bouncer_->UrlOf(database_.database().name())};
  }

  void StartReplicas() {
    GiveRoleItsSettings();
    for (int i = 0; i < 2; ++i) {
      servers_.push_back(std::make_unique<ServerProcess>(Flags()));
      clients_.push_back(std::make_unique<RpcClient>(servers_.back()->address()));
    }
  }

  Finished TryToStart() const {
    std::vector<std::string> command = Flags();
    command.insert(command.begin(), ProgramPath("bursar-server"));
    command.push_back("--migrate=only");  // so that it ends when nothing stands in the way
    return RunProgram(command);
  }

  RpcClient& client(size_t index) { return *clients_[index % clients_.size()]; }

  // How many connections PostgreSQL has from pgbouncer for this database.
  int64_t PooledConnections() const {
    return database_.Number(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
        "application_name = 'bursar-server' AND pid <> pg_backend_pid()");
  }

  // Stops pgbouncer between the two trips of a transaction that has written or locked.
  bool StopWithATransactionOpen() const {
    for (int look = 0; look < 500; ++look) {
      bouncer_->Signal(SIGSTOP);
      if (database_.Number("SELECT count(*) " + kOpen) > 0) return true;
      bouncer_->Signal(SIGCONT);
    }
    return false;
  }

  const std::string kOpen =
      "FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL "
      "AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()";
  const Fleet database_{0};  // its database, and SQL past pgbouncer
  std::unique_ptr<Pgbouncer> bouncer_;
  std::vector<std::unique_ptr<ServerProcess>> servers_;
  std::vector<std::unique_ptr<RpcClient>> clients_;
};

// What the ledger relies on: one pipeline is one transaction on one connection, and an open
// transaction keeps its connection from trip to trip.
TEST_F(PgbouncerTest, APipelineIsOneTransactionAndATransactionKeepsItsConnection) {
  constexpr char kWho[] = "SELECT pg_backend_pid(), pg_current_xact_id()::text";
  std::vector<std::unique_ptr<Session>> others;
  for (int i = 0; i < 6; ++i) others.push_back(*bouncer_->Connect("bursar"));
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (const auto& session : others) {
    threads.emplace_back([&] {
      while (!stop) EXPECT_TRUE(session->Pipeline({{kWho, {}}, {kWho, {}}}).ok());
    });
  }
  const auto session = *bouncer_->Connect("bursar");
  std::set<int64_t> backends;
  for (int round = 0; round < 150; ++round) {
    const auto alone = session->Pipeline({{kWho, {}}, {kWho, {}}});
    ASSERT_TRUE(alone.ok()) << alone.status();
    EXPECT_EQ((*alone)[0].Int(0, 0), (*alone)[1].Int(0, 0));
    EXPECT_EQ((*alone)[0].Text(0, 1), (*alone)[1].Text(0, 1));
    backends.insert((*alone)[0].Int(0, 0));
    const auto begun = session->Pipeline({{"BEGIN", {}}, {kWho, {}}});
    ASSERT_TRUE(begun.ok()) << begun.status();
    const auto ended = session->Pipeline({{kWho, {}}, {"COMMIT", {}}});
    ASSERT_TRUE(ended.ok()) << ended.status();
    EXPECT_EQ((*begun)[1].Text(0, 1), (*ended)[0].Text(0, 1));
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(backends.size(), kPoolSize) << "nothing was shared, so nothing was shown";
}

TEST_F(PgbouncerTest, AThousandAskForFiveDollarsAndExactlyFiftyGetTenCents) {
  StartReplicas();
  ASSERT_TRUE(client(0).CreateBudget("all", LifetimeBudget(5 * kUsd)).ok());
  std::vector<std::vector<v1::CheckBudgetRequest>> parts(2);
  for (int i = 0; i < 1000; ++i) {
    parts[i % 2].push_back(CheckOf(absl::StrCat("race/", i), 10 * kCent));
  }
  int admitted[2] = {}, failed[2] = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      for (const auto& answer : client(i).CheckAll(parts[i], &failed[i])) {
        admitted[i] += answer.decision() == v1::DECISION_ALLOW;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failed[0] + failed[1], 0);
  EXPECT_EQ(admitted[0] + admitted[1], 50);
  EXPECT_EQ(database_.Number("SELECT sum(reserved) FROM counter JOIN budget ON uid = budget_uid "
                             "WHERE budget_id = 'all'"),
            5 * kUsd);
  database_.ExpectConserved();
  EXPECT_LE(PooledConnections(), kPoolSize) << "26 ledger connections share these";
  EXPECT_GE(PooledConnections(), 1);
  for (const auto& server : servers_) {
    EXPECT_EQ(server->log().find("database_error"), std::string::npos) << server->log();
  }
}

TEST_F(PgbouncerTest, ACallGoesItsWholeWay) {
  StartReplicas();
  ASSERT_TRUE(client(0).CreateBudget("all", LifetimeBudget(kUsd)).ok());
  const auto check = [&](const std::string& id, int64_t cost, int64_t ttl_s = 600) {
    auto request = CheckOf(id, cost);
    request.mutable_ttl()->set_seconds(ttl_s);
    v1::CheckBudgetResponse response;
    const grpc::Status status = client(0).Check(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.decision();
  };
  const auto expect_budget = [&](int64_t spent, int64_t reserved) {
    EXPECT_EQ(database_.Sql("SELECT spent || ' ' || reserved FROM counter JOIN budget "
                            "ON uid = budget_uid WHERE budget_id = 'all'"),
              absl::StrCat(spent, " ", reserved));
  };
  EXPECT_EQ(check("settled", 30 * kCent), v1::DECISION_ALLOW);
  v1::RecordUsageResponse recorded;
  const auto record = RecordOf("used", 20 * kCent, "settled");
  ASSERT_TRUE(client(1).Record(record, recorded).ok());
  EXPECT_FALSE(recorded.replayed());
  ASSERT_TRUE(client(0).Record(record, recorded).ok());
  EXPECT_TRUE(recorded.replayed());
  expect_budget(20 * kCent, 0);

  EXPECT_EQ(check("extended", 30 * kCent), v1::DECISION_ALLOW);
  v1::ExtendReservationRequest extend;
  v1::ExtendReservationResponse extended;
  extend.set_reservation_id("extended");
  extend.mutable_ttl()->set_seconds(3600);
  ASSERT_TRUE(client(1).Call(&Telemetry::ExtendReservation, extend, extended).ok());
  EXPECT_GT(extended.reservation().remaining_ttl().seconds(), 3590);
  expect_budget(20 * kCent, 30 * kCent);
  EXPECT_EQ(check("denied", 60 * kCent), v1::DECISION_DENY);
  v1::ReleaseReservationResponse released;
  ASSERT_TRUE(client(1).Release("extended", released).ok());
  expect_budget(20 * kCent, 0);

  EXPECT_EQ(check("expired", 80 * kCent, 1), v1::DECISION_ALLOW);
  for (int look = 0; look < 500; ++look) {  // until a sweeper has been there
    if (database_.Sql("SELECT state <> 1 FROM reservation WHERE request_id = 'expired'") == "t") {
      break;
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  expect_budget(20 * kCent, 0);

  v1::QueryCostsRequest query;
  v1::QueryCostsResponse costs;
  query.mutable_start_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) - 3600);
  const grpc::Status asked = client(0).Query(query, costs);
  ASSERT_TRUE(asked.ok()) << asked.error_message();
  EXPECT_EQ(costs.total().cost_nanousd(), 20 * kCent);
  v1::VerifyLedgerResponse verified;
  const grpc::Status verify =
      client(1).Call(&Admin::VerifyLedger, v1::VerifyLedgerRequest(), verified);
  ASSERT_TRUE(verify.ok()) << verify.error_message();
  EXPECT_EQ(verified.breaches_size(), 0);
  database_.ExpectConserved();
}

// pgbouncer is killed, or its connections to PostgreSQL end, while transactions are open; nobody is
// restarted but pgbouncer.
TEST_F(PgbouncerTest, Kill9OfPgbouncerLosesAndDoublesNothing) {
  StartReplicas();
  ASSERT_TRUE(client(0).CreateBudget("all", LifetimeBudget(1'000'000 * kUsd)).ok());
  ASSERT_TRUE(client(0).CreateBudget("user", LifetimeBudget(1'000'000 * kUsd, {"user"})).ok());
  SteadyLoad load({servers_[0]->address(), servers_[1]->address()}, Seed());
  const absl::Time until = absl::Now() + HowLong(absl::ZeroDuration());
  int kills = 0, terminated = 0;
  for (int round = 0; round < 3 || absl::Now() < until; ++round) {
    EXPECT_GE(load.WarmUp(100), 100) << "operations a second, or the fault proves nothing";
    ASSERT_TRUE(StopWithATransactionOpen()) << "otherwise nothing is interrupted";
    if (round % 3 == 1) {
      terminated += database_.Sql("SELECT bool_or(pg_terminate_backend(pid)) " + kOpen) == "t";
      bouncer_->Signal(SIGCONT);
    } else {
      ++kills;
      bouncer_->Kill();
      if (round == 0)
        absl::SleepFor(absl::Milliseconds(2500));  // longer than a replica tries by itself
      bouncer_->Start();
    }
    ASSERT_TRUE(load.WaitForOperations(50, absl::Seconds(10))) << "I11: it must serve by itself";
  }
  load.Stop();
  EXPECT_GE(terminated, 1);
  for (const std::string& what : load.unexpected()) ADD_FAILURE() << what;
  EXPECT_GT(load.retries(), 0) << "callers noticed";
  const Verdict verdict = CompareWithTables(load.acknowledged(), database_.database());
  std::cout << load.operations() << " operations, " << load.retries() << " retries, "
            << load.replayed() << " repeats recognised, " << verdict.records << " records, "
            << kills << " kills, " << terminated << " lost connections, lost " << verdict.lost
            << ", doubled " << verdict.doubled << std::endl;
  EXPECT_EQ(verdict.lost, 0);
  EXPECT_EQ(verdict.doubled, 0);
  EXPECT_EQ(verdict.unasked, 0) << "every caller repeated until it knew";
  database_.ExpectConserved();
}

// The error is a recipe: followed to the letter, it makes the server start.
TEST_F(PgbouncerTest, TheStartIsRefusedUntilTheRoleHasItsSettingsAndTheErrorSaysHow) {
  const Finished refused = TryToStart();
  EXPECT_EQ(refused.exit_code, 1);
  const std::string role = "ALTER ROLE bursar IN DATABASE " + database_.database().name() + " SET ";
  const std::string must = role + "statement_timeout = '5s'; " + role + "lock_timeout = '2s'; " +
                           role + "idle_in_transaction_session_timeout = '2s'; ";
  const std::string should = role + "enable_seqscan = 'off'; " + role +
                             "enable_hashjoin = 'off'; " + role + "enable_mergejoin = 'off';";
  EXPECT_EQ(refused.output,
            "bursar-server: --pgbouncer: the database's role has statement_timeout = 0, "
            "lock_timeout = 0, idle_in_transaction_session_timeout = 0, and through pgbouncer a "
            "session cannot set its own; run these statements on the database, then RECONNECT on "
            "pgbouncer's console, because open connections keep what they have: " +
                must + should + "\n");

  const auto session = database_.database().Connect();
  ASSERT_TRUE(session->ExecuteScript(must).ok()) << "the role may do this itself";
  EXPECT_EQ(TryToStart().output, refused.output) << "the open connection keeps what it has";
  bouncer_->Command("RECONNECT");
  {
    const ServerProcess slow(Flags());
    EXPECT_NE(slow.log().find("role_settings_missing"), std::string::npos);
    EXPECT_NE(slow.log().find("\"run\":\"" + should + "\""), std::string::npos) << slow.log();
  }
  ASSERT_TRUE(session->ExecuteScript(should).ok());
  bouncer_->Command("RECONNECT");
  const ServerProcess quick(Flags());
  EXPECT_EQ(quick.log().find("role_settings_missing"), std::string::npos) << quick.log();
}

// No limit, too long a limit, and dates in a form that is read wrongly.
TEST_F(PgbouncerTest, OtherSettingsThatDoHarmAreRefused) {
  GiveRoleItsSettings();
  struct Case {
    const char* setting;
    const char* shown;
  };
  for (const Case& c : {Case{"lock_timeout = '10s'", "has lock_timeout = 10000, and"},
                        Case{"datestyle = 'German'", "has DateStyle = German, DMY, and"}}) {
    database_.Sql(absl::StrCat("ALTER ROLE bursar IN DATABASE ", database_.database().name(),
                               " SET ", c.setting));
    bouncer_->Command("RECONNECT");
    const Finished refused = TryToStart();
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_NE(refused.output.find(c.shown), std::string::npos) << refused.output;
    GiveRoleItsSettings();
  }
}

// Two replicas find an empty database, as at the first start of all.
TEST_F(PgbouncerTest, ReplicasThatStartTogetherMigrateOnce) {
  const TestDatabase empty(TestDatabase::Schema::kEmpty);
  for (const char* setting :
       {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"}) {
    ASSERT_TRUE(empty.Connect()
                    ->ExecuteScript(absl::StrCat("ALTER ROLE bursar IN DATABASE ", empty.name(),
                                                 " SET ", setting, " = '2s'"))
                    .ok());
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      const Finished done =
          RunProgram({ProgramPath("bursar-server"), "--pgbouncer", "--migrate=only",
                      "--database-url", bouncer_->UrlOf(empty.name())});
      EXPECT_EQ(done.exit_code, 0) << done.output;
    });
  }
  for (auto& thread : threads) thread.join();
  const auto rows = empty.Connect()->Execute(
      "SELECT count(*), count(DISTINCT version), to_regclass('counter') IS NOT NULL "
      "FROM schema_migration");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_GE(rows->Int(0, 0), 1);
  EXPECT_EQ(rows->Int(0, 0), rows->Int(0, 1));
  EXPECT_TRUE(rows->Bool(0, 2));
}

}  // namespace
}  // namespace bursar::testing
