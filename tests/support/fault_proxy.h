#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace bursar::testing {

// Stands between a server and PostgreSQL and loses what PostgreSQL answers to a COMMIT.
//
// It listens on a free port of loopback and forwards every connection to PostgreSQL's unix socket,
// byte for byte, until it sees the answer "COMMIT" on its way back and a fault is due. The
// transaction has then been committed, and nobody behind the proxy will hear of it: that answer and
// all that follows are swallowed, and the connection is either reset at once or left open and
// silent.
//
// Thread-safe. All connections end with this object.
class FaultProxy {
 public:
  enum class Fault { kNone, kReset, kBlackHole };

  // `socket_path`: of PostgreSQL's unix socket, ".../.s.PGSQL.5432". A failure to listen ends the
  // test process.
  explicit FaultProxy(std::string socket_path);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  int port() const { return port_; }
  // From now on each `every`-th COMMIT, over all connections, loses its answer in this way; at most
  // `at_most` of them, counted from now.
  void Set(Fault fault, int every = 1, int at_most = 1 << 30);
  int fired() const { return fired_; }  // answers lost so far
  int64_t commits() const { return commits_; }

 private:
  class Connection;
  void Accept();
  Fault OnCommit();  // what becomes of this one's answer

  const std::string socket_path_;
  int listen_fd_ = -1, port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> fired_ = 0;
  std::atomic<int64_t> commits_ = 0;
  std::mutex mutex_;
  Fault fault_ = Fault::kNone;  // guarded by mutex_, as are the next three
  int every_ = 1, left_ = 0, since_last_ = 0;
  std::vector<std::thread> threads_;  // of Accept() alone, but for the destructor
  std::thread accepting_;
};

}  // namespace bursar::testing
