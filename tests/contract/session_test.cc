#include "postgres/session.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "postgres/array.h"
#include "support/test_database.h"

namespace bursar::postgres {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using testing::TestDatabase;

constexpr char kBegin[] = "BEGIN";
constexpr char kCommit[] = "COMMIT";
constexpr char kInsert[] = "INSERT INTO note (id, body) VALUES ($1, $2)";
constexpr char kCount[] = "SELECT count(*) FROM note";

Statement Insert(int64_t id, std::string body) {
  return {kInsert, Params().Int(id).Text(std::move(body))};
}

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    session_ = database_.Connect();
    ASSERT_TRUE(
        session_->ExecuteScript("CREATE TABLE note (id bigint PRIMARY KEY, body text NOT NULL)")
            .ok());
  }

  int64_t Count(Session& session) {
    absl::StatusOr<Rows> rows = session.Execute(kCount);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.ok() ? rows->Int(0, 0) : -1;
  }

  TestDatabase database_{TestDatabase::Schema::kEmpty};
  std::unique_ptr<Session> session_;
};

TEST_F(SessionTest, ArraysOfEveryElementRoundTrip) {
  Array numbers(Element::kBigint), small(Element::kSmallint), whole(Element::kInteger);
  numbers.Int(1).Int(INT64_MIN).Null();
  small.Int(-3);
  whole.Int(70'000);
  Array flags(Element::kBool), ids(Element::kUuid), none(Element::kUuid);
  flags.Bool(true).Bool(false);
  ids.Id({0x0011223344556677, 0x8899aabbccddeeff});
  const absl::StatusOr<Rows> rows = session_->Execute(
      "SELECT $1::bigint[], $2::smallint[], $3::integer[], $4::boolean[], $5::uuid[], $6::uuid[]",
      Params().Add(numbers).Add(small).Add(whole).Add(flags).Add(ids).Add(none));
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->Text(0, 0), "{1,-9223372036854775808,NULL}");
  EXPECT_EQ(rows->Text(0, 1), "{-3}");
  EXPECT_EQ(rows->Text(0, 2), "{70000}");
  EXPECT_EQ(rows->Text(0, 3), "{t,f}");
  EXPECT_EQ(rows->Text(0, 4), "{00112233-4455-6677-8899-aabbccddeeff}");
  EXPECT_EQ(rows->Text(0, 5), "{}");
}

TEST_F(SessionTest, RunsAPipelineAsOneTransaction) {
  std::unique_ptr<Session> other = database_.Connect();
  auto rows = session_->Pipeline({{kBegin, {}}, Insert(1, "one"), {kCount, {}}});
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[2].Int(0, 0), 1);
  EXPECT_EQ(Count(*other), 0);  // still open
  rows = session_->Pipeline({Insert(2, "two"), {kCommit, {}}});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(Count(*other), 2);
}

TEST_F(SessionTest, RunsAPipelineWithoutBeginAllOrNothing) {
  const auto rows = session_->Pipeline({Insert(1, "one"), Insert(1, "again")});
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Count(*session_), 0);
}

TEST_F(SessionTest, AnErrorInTheMiddleRollsBackAndTheSessionGoesOn) {
  const auto rows = session_->Pipeline({{kBegin, {}},
                                        Insert(1, "one"),
                                        {"SELECT 1 / $1::int", Params().Int(0)},
                                        {"SELECT no_such_column", {}},
                                        Insert(2, "two"),
                                        {kCommit, {}}});
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SqlState(rows.status()), "22012");
  EXPECT_TRUE(session_->connected());
  EXPECT_EQ(Count(*session_), 0);
  EXPECT_TRUE(session_->Execute(kInsert, Params().Int(3).Text("three")).ok());
  EXPECT_EQ(Count(*session_), 1);
}

TEST_F(SessionTest, AnErrorInAnOpenTransactionRollsItBack) {
  ASSERT_TRUE(session_->Pipeline({{kBegin, {}}, Insert(1, "one")}).ok());
  EXPECT_EQ(session_->Execute(kInsert, Params().Int(1).Text("again")).status().code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(Count(*session_), 0);
  // The caller's COMMIT must not pass for one that kept something.
  const absl::Status commit = session_->Execute(kCommit).status();
  EXPECT_EQ(commit.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(SqlState(commit), "BU001");
}

TEST_F(SessionTest, AStatementThatCannotBePreparedIsTriedAgainNextTime) {
  constexpr char kLater[] = "SELECT count(*) FROM later";
  for (int i = 0; i < 2; ++i) {
    const absl::Status missing = session_->Execute(kLater).status();
    EXPECT_EQ(missing.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(SqlState(missing), "42P01");
  }
  ASSERT_TRUE(session_->ExecuteScript("CREATE TABLE later (id int); DROP TABLE note").ok());
  EXPECT_TRUE(session_->Execute(kLater).ok());
}

TEST_F(SessionTest, AStatementWhoseTableChangedIsPreparedAgain) {
  constexpr char kAll[] = "SELECT * FROM note";
  ASSERT_TRUE(session_->Execute(kAll).ok());
  ASSERT_TRUE(session_->ExecuteScript("ALTER TABLE note ADD COLUMN more text").ok());
  EXPECT_EQ(SqlState(session_->Execute(kAll).status()), "0A000");
  EXPECT_TRUE(session_->Execute(kAll).ok());
  ASSERT_TRUE(session_->ExecuteScript("DISCARD ALL").ok());
  EXPECT_EQ(SqlState(session_->Execute(kAll).status()), "26000");
  EXPECT_TRUE(session_->Execute(kAll).ok());
}

TEST_F(SessionTest, BigParametersBothWaysDoNotDeadlock) {
  constexpr char kEcho[] = "SELECT $1::text";
  std::vector<Statement> statements;
  std::string big(10 << 20, 'x');
  for (int i = 0; i < 4; ++i) statements.push_back({kEcho, Params().Text(big)});
  const auto rows = session_->Pipeline(std::move(statements));
  ASSERT_TRUE(rows.ok()) << rows.status();
  for (const Rows& row : *rows) EXPECT_EQ(row.Text(0, 0), big);
}

TEST_F(SessionTest, ALostConnectionIsUnavailableUntilReconnect) {
  std::unique_ptr<Session> killer = database_.Connect();
  ASSERT_TRUE(session_->Execute(kInsert, Params().Int(1).Text("one")).ok());
  const absl::StatusOr<Rows> pid = session_->Execute("SELECT pg_backend_pid()");
  ASSERT_TRUE(pid.ok());
  ASSERT_TRUE(
      killer->Execute("SELECT pg_terminate_backend($1::int, 5000)", Params().Int(pid->Int(0, 0)))
          .ok());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(session_->Execute(kCount).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_FALSE(session_->connected());
  }
  ASSERT_TRUE(session_->Reconnect().ok());
  EXPECT_EQ(Count(*session_), 1);
  EXPECT_TRUE(session_->Execute(kInsert, Params().Int(2).Text("two")).ok());
}

TEST_F(SessionTest, MapsErrorsToCodes) {
  ASSERT_TRUE(session_->ExecuteScript("ALTER TABLE note ADD CHECK (id < 100)").ok());
  struct Case {
    const char* sql;
    const char* sqlstate;
    absl::StatusCode code;
  };
  for (const Case& c : {
           Case{"SELEC 1", "42601", absl::StatusCode::kInternal},
           Case{"SELECT 'ten'::int", "22P02", absl::StatusCode::kInvalidArgument},
           // As a record whose month has no partition yet: it can be written later.
           Case{"INSERT INTO note VALUES (100, '')", "23514", absl::StatusCode::kUnavailable},
           Case{"INSERT INTO note VALUES (1, NULL)", "23502", absl::StatusCode::kInvalidArgument},
           Case{"DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'BU007'; END$$", "BU007",
                absl::StatusCode::kAborted},
           Case{"DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '53100'; END$$", "53100",
                absl::StatusCode::kUnavailable},
           Case{"DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '25P03'; END$$", "25P03",
                absl::StatusCode::kUnavailable},
           Case{"DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '0A000'; END$$", "0A000",
                absl::StatusCode::kAborted},
           Case{"DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END$$", "40001",
                absl::StatusCode::kAborted},
           Case{"SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(1)", "57014",
                absl::StatusCode::kUnavailable},
       }) {
    const absl::Status status = session_->Execute(c.sql).status();
    EXPECT_EQ(status.code(), c.code) << c.sql;
    EXPECT_EQ(SqlState(status), c.sqlstate) << c.sql;
  }
  ASSERT_TRUE(session_->ExecuteScript("SET default_transaction_read_only = on").ok());
  const absl::Status read_only = session_->Execute("INSERT INTO note VALUES (1, '')").status();
  EXPECT_EQ(SqlState(read_only), "25006");
  EXPECT_EQ(read_only.code(), absl::StatusCode::kUnavailable);
}

TEST_F(SessionTest, AnErrorShowsNoSqlAndNoValueToTheClientOrTheLog) {
  ::testing::internal::CaptureStderr();
  const std::string secret = "sk-secret-42";
  std::vector<absl::Status> errors = {
      session_->Execute("SELECT $1::int", Params().Text(secret)).status(),
      session_->Execute("INSERT INTO note VALUES (1, $1), (2, NULL)", Params().Text(secret))
          .status(),
      session_->Execute("SELECT $1::json", Params().Text(secret)).status(),
  };
  ASSERT_TRUE(session_->Execute(kInsert, Params().Int(1).Text(secret)).ok());
  ASSERT_TRUE(session_->ExecuteScript("CREATE UNIQUE INDEX ON note (body)").ok());
  errors.push_back(session_->Execute(kInsert, Params().Int(2).Text(secret)).status());
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("\"database_error\""));
  EXPECT_THAT(log, HasSubstr("\"sqlstate\":\"22P02\""));
  EXPECT_THAT(log, HasSubstr("\"object\":\"note.body\""));
  EXPECT_THAT(log, Not(HasSubstr("sk-secret")));
  for (const absl::Status& error : errors) {
    EXPECT_FALSE(error.ok());
    EXPECT_THAT(std::string(error.message()), Not(HasSubstr("sk-secret")));
    EXPECT_THAT(std::string(error.message()), Not(HasSubstr("note")));
  }
}

TEST_F(SessionTest, ATextKeepsEveryCharacter) {
  ASSERT_TRUE(session_->ExecuteScript("CREATE TABLE texts (body text[])").ok());
  const std::vector<std::string> texts = {
      "",
      "NULL",
      "null",
      "a,b",
      "{curly}",
      "say \"hi\"",
      "back\\slash\\",
      "it's",
      "\t\n\r ",
      "\\\"",
      " padded ",
      "caf\xC3\xA9 \xF0\x9F\x92\xB0 \xE4\xBD\xA0\xE5\xA5\xBD",
      "$1",
      "\x01\x7F",
  };
  Array array(Element::kText);
  for (const std::string& text : texts) array.Text(text);
  array.Null();
  ASSERT_TRUE(session_->Execute("INSERT INTO texts VALUES ($1)", Params().Add(array)).ok());
  const absl::StatusOr<Rows> rows = session_->Execute("SELECT unnest(body) FROM texts");
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), static_cast<int>(texts.size()) + 1);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_FALSE(rows->IsNull(i, 0));
    EXPECT_EQ(rows->Text(i, 0), texts[i]);
  }
  EXPECT_TRUE(rows->IsNull(texts.size(), 0));
  EXPECT_EQ(rows->Text(texts.size(), 0), "");
}

TEST_F(SessionTest, ANulByteIsRefusedAndNotCut) {
  const absl::StatusOr<Rows> rows =
      session_->Execute("SELECT $1", Params().Text(std::string_view("a\0b", 3)));
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(session_->connected());
}

TEST_F(SessionTest, TimesKeepTheirMicrosecondsAndInfinity) {
  const std::vector<absl::Time> times = {absl::UnixEpoch(),
                                         absl::FromUnixMicros(-1),
                                         absl::FromUnixMicros(1795305600123456),
                                         absl::FromUnixSeconds(4102444800),
                                         absl::InfiniteFuture(),
                                         absl::InfinitePast()};
  Array array(Element::kTimestamptz);
  for (absl::Time time : times) array.Time(time);
  const absl::StatusOr<Rows> unnested =
      session_->Execute("SELECT unnest($1::timestamptz[])", Params().Add(array));
  ASSERT_TRUE(unnested.ok()) << unnested.status();
  for (size_t i = 0; i < times.size(); ++i) {
    EXPECT_EQ(unnested->Time(i, 0), times[i]);
    const absl::StatusOr<Rows> one =
        session_->Execute("SELECT $1::timestamptz", Params().Time(times[i]));
    ASSERT_TRUE(one.ok());
    EXPECT_EQ(one->Time(0, 0), times[i]);
  }
  const absl::StatusOr<Rows> null = session_->Execute("SELECT $1::timestamptz", Params().Null());
  ASSERT_TRUE(null.ok());
  EXPECT_EQ(null->Time(0, 0), absl::InfiniteFuture());
}

TEST_F(SessionTest, ReadsNumbersAndBooleans) {
  const absl::StatusOr<Rows> rows =
      session_->Execute("SELECT $1::bigint, $2::bool, $3::bool, $4::bigint",
                        Params().Int(INT64_MIN).Bool(true).Bool(false).Null());
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->Int(0, 0), INT64_MIN);
  EXPECT_TRUE(rows->Bool(0, 1));
  EXPECT_FALSE(rows->Bool(0, 2));
  EXPECT_TRUE(rows->IsNull(0, 3));
  EXPECT_EQ(rows->Int(0, 3), 0);
}

TEST_F(SessionTest, MakesItsSettings) {
  SessionOptions options;
  options.application_name = "a-lane";
  options.statement_timeout = absl::Milliseconds(1500);
  options.scans_off = true;
  std::unique_ptr<Session> session = database_.Connect(options);
  struct Case {
    const char* name;
    const char* value;
  };
  for (const Case& c : {
           Case{"application_name", "a-lane"},
           Case{"statement_timeout", "1500ms"},
           Case{"lock_timeout", "2s"},
           Case{"idle_in_transaction_session_timeout", "2s"},
           Case{"timezone", "UTC"},
           Case{"client_encoding", "UTF8"},
           Case{"enable_seqscan", "off"},
           Case{"enable_bitmapscan", "on"},
           Case{"plan_cache_mode", "force_generic_plan"},
       }) {
    const absl::StatusOr<Rows> rows =
        session->Execute("SELECT current_setting($1)", Params().Text(c.name));
    ASSERT_TRUE(rows.ok());
    EXPECT_EQ(rows->Text(0, 0), c.value) << c.name;
  }
}

TEST_F(SessionTest, AStatementThatTakesTooLongIsUnavailable) {
  SessionOptions options;
  options.statement_timeout = absl::Milliseconds(50);
  std::unique_ptr<Session> session = database_.Connect(options);
  const absl::Status status = session->Execute("SELECT pg_sleep(10)").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SqlState(status), "57014");
  EXPECT_TRUE(session->connected());
}

TEST_F(SessionTest, AServerThatDoesNotAnswerIsGivenUp) {
  SessionOptions options;
  options.statement_timeout = absl::Milliseconds(50);
  std::unique_ptr<Session> session = database_.Connect(options);
  ASSERT_TRUE(
      session->ExecuteScript("SET statement_timeout = 0").ok());  // as if the network ate it
  const absl::Time began = absl::Now();
  const absl::Status status = session->Execute("SELECT pg_sleep(30)").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_LT(absl::Now() - began, absl::Seconds(20));
  EXPECT_FALSE(session->connected());
  EXPECT_TRUE(session->Reconnect().ok());
}

TEST_F(SessionTest, WorksBehindPgbouncerWithoutPreparedStatementsOrSettings) {
  SessionOptions options;
  options.pgbouncer = true;
  std::unique_ptr<Session> session = database_.Connect(options);
  for (int i = 0; i < 3; ++i) {
    const auto rows =
        session->Pipeline({{kBegin, {}}, Insert(i, "x"), {kCount, {}}, {kCommit, {}}});
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_EQ((*rows)[2].Int(0, 0), i + 1);
  }
  const absl::StatusOr<Rows> rows = session->Execute(
      "SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('lock_timeout')");
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->Int(0, 0), 0);
  EXPECT_EQ(rows->Text(0, 1), "0");
}

TEST(SessionConnect, SaysInOneSentenceWhatCannotBeReachedWithoutThePassword) {
  struct Case {
    std::string url;
    std::string message;
  };
  for (const Case& c : {
           Case{"postgresql://me:hunter2@127.0.0.1:1/purse",
                "the database at 127.0.0.1:1/purse cannot be reached: Connection refused"},
           Case{"host=127.0.0.1,127.0.0.1 port=1,2 dbname=purse password=hunter2",
                "the database at 127.0.0.1:1,127.0.0.1:2/purse cannot be reached: "
                "connection to server at \"127.0.0.1\", port 1 failed: Connection refused; "
                "connection to server at \"127.0.0.1\", port 2 failed: Connection refused"},
           Case{"host=/nowhere user=me password=hunter2",
                "the database at /nowhere:5432/me cannot be reached: No such file or directory"},
           Case{testing::TestCluster().UrlOf("no_such_db", "bursar") + " password=hunter2",
                "database \"no_such_db\" does not exist"},
       }) {
    SessionOptions options;
    options.url = c.url;
    const absl::Status status = Session::Connect(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << c.url;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
    EXPECT_THAT(std::string(status.message()), StartsWith("the database at "));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hunter2")));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
  }
}

TEST(SessionConnect, RefusesWhatIsNoUrlWithoutRepeatingIt) {
  SessionOptions options;
  options.url = "postgres:/me:hunter2@db";
  const absl::Status status = Session::Connect(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hunter2")));
}

TEST(SessionConnect, TakesTheHostThatIsThere) {
  SessionOptions options;
  options.url = testing::TestCluster().url();
  const size_t quote = options.url.find("'/");
  options.url.insert(quote + 1, "/nowhere,");
  options.url.replace(options.url.find("port=5432"), 9, "port=5432,5432");
  const auto session = Session::Connect(options);
  EXPECT_TRUE(session.ok()) << session.status();
}

// Speaks just enough of PostgreSQL's protocol to answer COMMIT by ROLLBACK, as a real server does
// when the transaction failed behind the session's back (a recovery conflict on a promoted standby,
// say).
class ServerThatDoesNotCommit {
 public:
  ServerThatDoesNotCommit() : listener_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address = {AF_UNIX, {}};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", folder_.path().c_str());
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    thread_ = std::thread([this] { Serve(accept(listener_, nullptr, nullptr)); });
  }
  ~ServerThatDoesNotCommit() {
    thread_.join();
    close(listener_);
  }

  std::string url() const { return "host=" + folder_.path() + " user=u dbname=d"; }

 private:
  static std::string Message(char type, const std::string& body) {
    const uint32_t length = htonl(static_cast<uint32_t>(body.size()) + 4);
    return type + std::string(reinterpret_cast<const char*>(&length), 4) + body;
  }

  static void Send(int client, const std::string& bytes) {
    EXPECT_EQ(write(client, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

  static void Serve(int client) {
    char buffer[4096];
    if (read(client, buffer, sizeof buffer) <= 0) return;  // the start-up message
    const std::string idle = Message('Z', "I");
    Send(client, Message('R', std::string(4, '\0')) + idle);
    if (read(client, buffer, sizeof buffer) <= 0) return;  // the pipeline
    std::string answers;
    for (const char* tag : {"BEGIN", "ROLLBACK"}) {
      answers += Message('1', "") + Message('2', "") + Message('n', "");
      answers += Message('C', std::string(tag) + '\0');
    }
    Send(client, answers + idle);
    while (read(client, buffer, sizeof buffer) > 0) continue;
    close(client);
  }

  testing::TemporaryFolder folder_;
  const int listener_;
  std::thread thread_;
};

TEST(SessionCommit, ThatAnswersRollbackIsAnError) {
  ServerThatDoesNotCommit server;
  SessionOptions options;
  options.url = server.url();
  options.pgbouncer = true;  // no settings to answer
  const auto session = Session::Connect(options);
  ASSERT_TRUE(session.ok()) << session.status();
  const auto rows = (*session)->Pipeline({{kBegin, {}}, {kCommit, {}}});
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(SqlState(rows.status()), "BU001");
  EXPECT_TRUE((*session)->connected());
}

}  // namespace
}  // namespace bursar::postgres
