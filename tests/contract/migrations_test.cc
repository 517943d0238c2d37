#include "postgres/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "support/test_database.h"

namespace bursar::postgres {
namespace {

using ::testing::HasSubstr;
using testing::TestDatabase;

const Migration kFirst = {"0001_first.sql", "CREATE TABLE first (id int); SELECT pg_sleep(0.1);"};
const Migration kSecond = {"0002_second.sql", "CREATE TABLE second (id int);"};

class MigrationsTest : public ::testing::Test {
 protected:
  int64_t Number(const char* sql) {
    const absl::StatusOr<Rows> rows = session_->Execute(sql);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.ok() ? rows->Int(0, 0) : -1;
  }

  TestDatabase database_{TestDatabase::Schema::kEmpty};
  std::unique_ptr<Session> session_ = database_.Connect();
};

TEST_F(MigrationsTest, BuiltInOnesHaveFourDigitsAndNoGap) {
  int expected = 0;
  for (const Migration& migration : BuiltInMigrations()) {
    char prefix[8];
    snprintf(prefix, sizeof prefix, "%04d_", ++expected % 10000);
    EXPECT_TRUE(migration.name.starts_with(prefix)) << migration.name;
    EXPECT_TRUE(migration.name.ends_with(".sql")) << migration.name;
    EXPECT_FALSE(migration.text.empty());
  }
}

TEST_F(MigrationsTest, AnEmptyDatabaseGetsThemAndThenNothingIsLeftToDo) {
  if (!BuiltInMigrations().empty()) {
    const absl::Status before = CheckSchema(*session_);
    EXPECT_EQ(before.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(before.message()), HasSubstr("--migrate=only"));
  }
  ASSERT_TRUE(Migrate(*session_).ok());
  EXPECT_TRUE(CheckSchema(*session_).ok());
  EXPECT_TRUE(Migrate(*session_).ok());
}

TEST_F(MigrationsTest, FourReplicasThatStartTogetherApplyEachOnce) {
  const std::vector<Migration> all = {kFirst, kSecond};
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<absl::Status> results(4);
  std::vector<std::thread> threads;
  SessionOptions options;
  options.statement_timeout = absl::Milliseconds(60);  // waiting for the others takes longer
  options.lock_timeout = absl::Milliseconds(20);
  for (int i = 0; i < 4; ++i) sessions.push_back(database_.Connect(options));
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { results[i] = Migrate(*sessions[i], all); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) EXPECT_TRUE(result.ok()) << result;
  EXPECT_EQ(Number("SELECT count(*) FROM schema_migration"), 2);
  EXPECT_EQ(Number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0);
}

TEST_F(MigrationsTest, ADatabaseThatIsNewerThanTheServerIsRefused) {
  ASSERT_TRUE(Migrate(*session_, std::vector<Migration>{kFirst, kSecond}).ok());
  const absl::Status status = Migrate(*session_, std::vector<Migration>{kFirst});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("0002_second.sql"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("newer than this server"));
}

TEST_F(MigrationsTest, AnEditedMigrationIsRefused) {
  ASSERT_TRUE(Migrate(*session_, std::vector<Migration>{kFirst}).ok());
  const Migration edited = {kFirst.name, "CREATE TABLE first (id bigint);"};
  const absl::Status status = Migrate(*session_, std::vector<Migration>{edited, kSecond});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("0001_first.sql"));
  EXPECT_EQ(Number("SELECT count(*) FROM schema_migration"), 1);
}

TEST_F(MigrationsTest, AFailingMigrationLeavesNothingOfItselfAndIsNamed) {
  const Migration broken = {"0002_broken.sql", "CREATE TABLE half (id int); SELECT 1 / 0;"};
  const absl::Status status = Migrate(*session_, std::vector<Migration>{kFirst, broken});
  EXPECT_EQ(SqlState(status), "22012");
  EXPECT_THAT(std::string(status.message()), HasSubstr("0002_broken.sql"));
  EXPECT_EQ(Number("SELECT count(*) FROM schema_migration"), 1);
  EXPECT_EQ(Number("SELECT count(*) FROM pg_class WHERE relname = 'half'"), 0);
  EXPECT_TRUE(Migrate(*session_, std::vector<Migration>{kFirst, kSecond}).ok());
}

TEST_F(MigrationsTest, ARoleThatMayMakeNoTablesCanStartOnAMigratedDatabase) {
  ASSERT_TRUE(Migrate(*session_, std::vector<Migration>{kFirst}).ok());
  SessionOptions options;
  options.url = database_.superuser_url();
  auto superuser = Session::Connect(options);
  ASSERT_TRUE(superuser.ok());
  ASSERT_TRUE((*superuser)
                  ->ExecuteScript("CREATE ROLE reader LOGIN;"
                                  "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
                  .ok());
  options.url = testing::TestCluster().UrlOf(database_.name(), "reader");
  auto reader = Session::Connect(options);
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE(Migrate(**reader, std::vector<Migration>{kFirst}).ok());
  ASSERT_TRUE((*superuser)->ExecuteScript("DROP OWNED BY reader; DROP ROLE reader").ok());
}

TEST_F(MigrationsTest, SettingsThatLoseAcknowledgedWritesAreRefused) {
  EXPECT_TRUE(CheckDurability(*session_).ok());
  ASSERT_TRUE(session_->ExecuteScript("SET synchronous_commit = local").ok());
  EXPECT_TRUE(CheckDurability(*session_).ok());
  ASSERT_TRUE(session_->ExecuteScript("SET synchronous_commit = off").ok());
  const absl::Status status = CheckDurability(*session_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("synchronous_commit = off"));
}

}  // namespace
}  // namespace bursar::postgres
