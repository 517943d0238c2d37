#pragma once

#include <memory>
#include <string>

#include "postgres/cluster.h"
#include "postgres/session.h"

namespace bursar::testing {

// The PostgreSQL of this test process: started on first use in a temporary directory below $TMPDIR
// or /tmp, stopped and removed when the process ends. First use it on the main thread (cluster.h
// says why). A failure ends the process with one sentence: no test can go on without it.
postgres::Cluster& TestCluster();

// A database of its own for one test, with all migrations (or none), owned by the role that
// production uses. It is dropped with this object, whoever is still connected to it.
class TestDatabase {
 public:
  enum class Schema { kMigrated, kEmpty };

  explicit TestDatabase(Schema schema = Schema::kMigrated);
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  const std::string& name() const { return name_; }
  const std::string& url() const { return url_; }
  const std::string& superuser_url() const { return superuser_url_; }

  // A session on it; `options.url` is set here.
  std::unique_ptr<postgres::Session> Connect(postgres::SessionOptions options = {}) const;

 private:
  std::string name_;
  std::string url_;
  std::string superuser_url_;
};

// A folder of its own for one test, removed with this object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace bursar::testing
