#include "support/test_database.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "postgres/migrations.h"

namespace bursar::testing {
namespace {

using postgres::Cluster;
using postgres::Session;
using postgres::SessionOptions;

void Require(const absl::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "the test database fails: %s\n", status.ToString().c_str());
  exit(1);
}

template <typename T>
T Require(absl::StatusOr<T> value) {
  Require(value.status());
  return *std::move(value);
}

// Without time-outs: copying a database is slow on a busy machine.
void Administrate(const std::string& sql) {
  SessionOptions options;
  options.url = TestCluster().UrlOf("postgres", "postgres");
  options.statement_timeout = absl::ZeroDuration();
  options.lock_timeout = absl::ZeroDuration();
  Require(Require(Session::Connect(options))->ExecuteScript(sql));
}

// The cluster's own database is migrated once and then only copied.
struct MigratedCluster {
  MigratedCluster() : cluster(Require(Cluster::Start(folder.path() + "/data"))) {
    SessionOptions options;
    options.url = cluster->url();
    Require(postgres::Migrate(*Require(Session::Connect(options))));
  }

  TemporaryFolder folder;  // removed last
  std::unique_ptr<Cluster> cluster;
};

}  // namespace

Cluster& TestCluster() {
  static const MigratedCluster running;
  return *running.cluster;
}

TestDatabase::TestDatabase(Schema schema) {
  static std::atomic<int> count = 0;
  Cluster& cluster = TestCluster();
  name_ = "test_" + std::to_string(++count);
  url_ = cluster.UrlOf(name_, "bursar");
  superuser_url_ = cluster.UrlOf(name_, "postgres");
  const std::string source = schema == Schema::kMigrated ? "bursar" : "template1";
  Administrate("CREATE DATABASE " + name_ + " OWNER bursar TEMPLATE " + source);
}

TestDatabase::~TestDatabase() { Administrate("DROP DATABASE " + name_ + " WITH (FORCE)"); }

std::unique_ptr<Session> TestDatabase::Connect(SessionOptions options) const {
  options.url = url_;
  return Require(Session::Connect(std::move(options)));
}

TemporaryFolder::TemporaryFolder() {
  const char* parent = getenv("TMPDIR");
  path_ =
      std::string(parent == nullptr || *parent == '\0' ? "/tmp" : parent) + "/bursar-test-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) Require(absl::ErrnoToStatus(errno, "mkdtemp " + path_));
  chmod(path_.c_str(), 0711);  // as root, PostgreSQL's own user must get through
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace bursar::testing
