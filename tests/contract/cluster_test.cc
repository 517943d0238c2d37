#include "postgres/cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "postgres/binaries.h"
#include "postgres/migrations.h"
#include "postgres/process.h"
#include "support/test_database.h"

namespace bursar::postgres {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::unique_ptr<Session> ConnectTo(const std::string& url) {
  SessionOptions options;
  options.url = url;
  auto session = Session::Connect(options);
  EXPECT_TRUE(session.ok()) << session.status();
  return session.ok() ? *std::move(session) : nullptr;
}

std::string Ask(const std::string& url, const char* sql) {
  const std::unique_ptr<Session> session = ConnectTo(url);
  if (session == nullptr) return "";
  const absl::StatusOr<Rows> rows = session->Execute(sql);
  EXPECT_TRUE(rows.ok()) << rows.status();
  return rows.ok() && rows->size() > 0 ? std::string(rows->Text(0, 0)) : "";
}

std::unique_ptr<Cluster> StartIn(const std::string& folder) {
  auto cluster = Cluster::Start(folder);
  EXPECT_TRUE(cluster.ok()) << cluster.status();
  return cluster.ok() ? *std::move(cluster) : nullptr;
}

absl::Status FailureIn(const std::string& folder) {
  const auto cluster = Cluster::Start(folder);
  EXPECT_FALSE(cluster.ok());
  return cluster.status();
}

// A data directory that has had its first start: initdb takes seconds on a busy disk, and once is
// enough.
class UsedFolder {
 public:
  UsedFolder() {
    static const TemporaryFolder original;
    static const bool started = StartIn(original.path()) != nullptr;
    EXPECT_TRUE(started);
    const std::string copy = "cp -a " + original.path() + "/postgres " + folder_.path();
    EXPECT_EQ(system(copy.c_str()), 0);
  }

  const std::string& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

bool EndsWithin(pid_t pid, absl::Duration timeout) {
  for (const absl::Time deadline = absl::Now() + timeout; absl::Now() < deadline;) {
    std::string stat;
    std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), stat);
    if (stat.empty() || stat.find(") Z ") != std::string::npos) return true;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return false;
}

// A process that starts a Cluster, writes one row and then only holds it.
class Holder {
 public:
  explicit Holder(const std::string& folder) {
    int ends[2];
    if (pipe(ends) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      auto cluster = Cluster::Start(folder);
      if (!cluster.ok()) _exit(1);
      const auto session = ConnectTo((*cluster)->url());
      if (!session->ExecuteScript("CREATE TABLE kept AS SELECT 42 AS answer").ok()) _exit(1);
      const pid_t postmaster = (*cluster)->pid();
      if (write(ends[1], &postmaster, sizeof postmaster) < 0) _exit(1);
      while (true) pause();
    }
    close(ends[1]);
    EXPECT_EQ(read(ends[0], &postmaster_, sizeof postmaster_), ssize_t{sizeof postmaster_});
    close(ends[0]);
  }
  ~Holder() {
    Kill();
    EndsWithin(postmaster_, absl::Seconds(20));  // it still writes to the folder
  }

  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  pid_t pid() const { return pid_; }
  pid_t postmaster() const { return postmaster_; }

 private:
  pid_t pid_ = -1;
  pid_t postmaster_ = -1;
};

TEST(Cluster, ServesADatabaseThatLosesNothingOnAPrivateSocketOnly) {
  TemporaryFolder folder;
  const auto cluster = StartIn(folder.path() + "/deep/data");
  ASSERT_NE(cluster, nullptr);
  const std::string& url = cluster->url();
  EXPECT_EQ(Ask(url, "SELECT current_user || '@' || current_database()"), "bursar@bursar");
  EXPECT_EQ(Ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"), "f");
  EXPECT_EQ(Ask(url, "SHOW listen_addresses"), "");
  EXPECT_EQ(Ask(url, "SHOW unix_socket_permissions"), "0700");
  EXPECT_EQ(Ask(url, "SHOW fsync"), "on");
  EXPECT_EQ(Ask(url, "SHOW server_encoding"), "UTF8");
  EXPECT_EQ(Ask(url, "SHOW lc_collate"), "C");
  EXPECT_TRUE(CheckDurability(*ConnectTo(url)).ok());
  struct stat socket_folder;
  ASSERT_EQ(stat((folder.path() + "/deep/data/socket").c_str(), &socket_folder), 0);
  EXPECT_EQ(socket_folder.st_mode & 0777, 0700u);
}

TEST(Cluster, KeepsItsDataFromStartToStart) {
  UsedFolder folder;
  auto cluster = StartIn(folder.path());
  ASSERT_NE(cluster, nullptr);
  ASSERT_TRUE(
      ConnectTo(cluster->url())->ExecuteScript("CREATE TABLE kept AS SELECT 42 AS answer").ok());
  const pid_t first = cluster->pid();
  EXPECT_TRUE(cluster->Stop().ok());
  EXPECT_TRUE(cluster->Stop().ok());
  EXPECT_TRUE(EndsWithin(first, absl::ZeroDuration() + absl::Seconds(1)));
  cluster = StartIn(folder.path());
  ASSERT_NE(cluster, nullptr);
  EXPECT_EQ(Ask(cluster->url(), "SELECT answer FROM kept"), "42");
}

TEST(Cluster, StopsItsServerWhenItsProcessIsKilled) {
  UsedFolder folder;
  Holder holder(folder.path());
  holder.Kill();
  EXPECT_TRUE(EndsWithin(holder.postmaster(), absl::Seconds(10)));
  const auto cluster = StartIn(folder.path());
  ASSERT_NE(cluster, nullptr);
  EXPECT_EQ(Ask(cluster->url(), "SELECT answer FROM kept"), "42");
}

TEST(Cluster, StopsTheServerThatAKilledRunLeftBehind) {
  UsedFolder folder;
  Holder holder(folder.path());
  kill(holder.postmaster(), SIGSTOP);  // so that it cannot stop by itself
  holder.Kill();
  std::thread waker([&] {
    absl::SleepFor(absl::Milliseconds(300));
    kill(holder.postmaster(), SIGCONT);
  });
  const auto cluster = StartIn(folder.path());
  waker.join();
  ASSERT_NE(cluster, nullptr);
  EXPECT_NE(cluster->pid(), holder.postmaster());
  EXPECT_EQ(Ask(cluster->url(), "SELECT answer FROM kept"), "42");
}

TEST(Cluster, RecoversWhenPostgresItselfWasKilled) {
  UsedFolder folder;
  auto cluster = StartIn(folder.path());
  ASSERT_NE(cluster, nullptr);
  const auto session = ConnectTo(cluster->url());
  ASSERT_TRUE(session->ExecuteScript("CREATE TABLE kept AS SELECT 42 AS answer").ok());
  kill(cluster->pid(), SIGKILL);
  cluster.reset();
  cluster = StartIn(folder.path());
  ASSERT_NE(cluster, nullptr);
  EXPECT_EQ(Ask(cluster->url(), "SELECT answer FROM kept"), "42");
}

TEST(Cluster, HoldsItsFolderAgainstASecondOneAndNamesTheHolder) {
  UsedFolder folder;
  {
    const auto cluster = StartIn(folder.path());
    const absl::Status second = FailureIn(folder.path());
    EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(second.message()),
                HasSubstr("in use by process " + std::to_string(getpid()) + ":"));
  }
  Holder holder(folder.path());
  EXPECT_THAT(std::string(FailureIn(folder.path()).message()),
              HasSubstr("in use by process " + std::to_string(holder.pid()) + ":"));
}

TEST(Cluster, TakesAFolderWhoseNameIsNoNameForASocket) {
  UsedFolder used;
  for (const std::string& name :
       {std::string(120, 'd'), std::string("it's a \"data\" dir, really")}) {
    const std::string folder = used.path() + "/" + name;
    fs::create_directory(folder);
    fs::rename(used.path() + "/postgres", folder + "/postgres");
    auto cluster = StartIn(folder);
    ASSERT_NE(cluster, nullptr) << name;
    const std::string url = cluster->url();
    const std::string socket = url.substr(6, url.find('\'', 6) - 6);
    EXPECT_THAT(socket, ::testing::StartsWith("/tmp/bursar-socket-"));
    EXPECT_EQ(Ask(url, "SELECT 1"), "1");
    cluster.reset();
    fs::rename(folder + "/postgres", used.path() + "/postgres");
    EXPECT_FALSE(fs::exists(socket));
  }
}

TEST(Cluster, BeginsAgainAfterAnInterruptedInitdb) {
  TemporaryFolder folder;
  fs::create_directory(folder.path() + "/postgres.initdb");
  std::ofstream(folder.path() + "/postgres.initdb/PG_VERSION") << "15\n";
  const auto cluster = StartIn(folder.path());
  ASSERT_NE(cluster, nullptr);
  EXPECT_EQ(Ask(cluster->url(), "SELECT 1"), "1");
  EXPECT_FALSE(fs::exists(folder.path() + "/postgres.initdb"));
}

TEST(Cluster, RefusesInOneSentenceWhatItCannotUse) {
  TemporaryFolder folder;
  const Account account = *UnprivilegedAccount();
  fs::create_directories(folder.path() + "/foreign/postgres");
  fs::create_directories(folder.path() + "/newer/postgres");
  std::ofstream(folder.path() + "/newer/postgres/PG_VERSION") << "99\n";
  for (const char* made : {"/foreign/postgres", "/newer/postgres"}) {
    ASSERT_EQ(chown((folder.path() + made).c_str(), account.uid, account.gid), 0);
  }
  std::ofstream(folder.path() + "/file") << "x";
  struct Case {
    std::string folder;
    std::string message;
  };
  for (const Case& c : {
           Case{folder.path() + "/foreign", "holds no PostgreSQL data"},
           Case{folder.path() + "/newer", "PostgreSQL 99 is not installed"},
           Case{folder.path() + "/file/data", "Not a directory"},
           Case{folder.path() + "/file", "Not a directory"},
           Case{"", "no name"},
       }) {
    const absl::Status status = FailureIn(c.folder);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(Cluster, AsRootNamesTheFolderThatPostgresMayNotEnter) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives PostgreSQL to another user";
  TemporaryFolder folder;
  const std::string closed = folder.path() + "/closed";
  fs::create_directory(closed);
  fs::permissions(closed, fs::perms::owner_all);
  const absl::Status status = FailureIn(closed + "/data");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("may not enter " + closed + ":"));
  EXPECT_FALSE(fs::exists(closed + "/data"));
}

TEST(Cluster, SaysWhyPostgresDidNotStart) {
  UsedFolder folder;
  std::ofstream(folder.path() + "/postgres/postgresql.conf", std::ios::app) << "\nnonsense = 1\n";
  const absl::Status status = FailureIn(folder.path());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("contains errors"));
}

TEST(Cluster, AServerWithoutFsyncIsRefused) {
  UsedFolder folder;
  auto cluster = StartIn(folder.path());
  ASSERT_NE(cluster, nullptr);
  const std::string url = cluster->url();
  ASSERT_TRUE(cluster->Stop().ok());
  const absl::StatusOr<pid_t> pid =
      Spawn(*UnprivilegedAccount(),
            {FindBinaries()->folder + "/postgres", "-D", folder.path() + "/postgres", "-c",
             "unix_socket_directories=" + folder.path() + "/socket", "-c",
             "listen_addresses=", "-c", "fsync=off"},
            folder.path() + "/postgres.log");
  ASSERT_TRUE(pid.ok()) << pid.status();
  SessionOptions options;
  options.url = url;
  auto session = Session::Connect(options);
  for (int i = 0; i < 500 && !session.ok(); ++i) {
    absl::SleepFor(absl::Milliseconds(20));
    session = Session::Connect(options);
  }
  ASSERT_TRUE(session.ok()) << session.status();
  const absl::Status status = CheckDurability(**session);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("fsync = off"));
  kill(*pid, SIGINT);
  EXPECT_NE(WaitForChild(*pid, absl::Seconds(10)), -1);
}

}  // namespace
}  // namespace bursar::postgres
