#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "postgres/process.h"
#include "postgres/session.h"

namespace bursar::postgres {

// A private PostgreSQL below a data directory: what runs when no database URL is given, and in
// tests.
//
// Start() runs initdb once (DIR/postgres), then the server on a unix socket only, readable by its
// owner alone; as root it runs under an unprivileged user ("postgres" if there is one, else
// "nobody"). It is stopped with this object, by SIGINT and then SIGQUIT; it also stops when this
// process is killed. A server left over from a killed run is stopped first. A lock on
// DIR/bursar.lock keeps two apart. The socket is in DIR/socket, or below /tmp where DIR's name is
// too long for a socket. The server's own messages are in DIR/postgres.log.
//
// Errors: FAILED_PRECONDITION names what is missing (the PostgreSQL binaries, a writable directory)
// or who holds the directory; UNAVAILABLE if the server does not answer within 30 s, with its log's
// last line.
//
// Call Start() on a thread that lives as long as the process, such as main's: the kernel stops the
// server when the thread that started it ends. Not thread-safe.
class Cluster {
 public:
  static absl::StatusOr<std::unique_ptr<Cluster>> Start(const std::string& data_dir);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  const std::string& url() const {
    return url_;
  }  // libpq connection string to its database "bursar"
  std::string UrlOf(std::string_view database,
                    std::string_view role) const;  // "postgres": superuser
  int pid() const { return pid_; }
  // Starts PostgreSQL again if it has died; OK while it runs. From the thread that called Start().
  absl::Status EnsureRunning();
  absl::Status Stop();  // clean; safe to call twice

 private:
  Cluster() = default;
  absl::Status MakeFolder(const std::string& data_dir);
  absl::Status Lock();
  absl::Status CheckOwner() const;
  absl::Status InitializeOnce();
  absl::Status MakeSocketFolder();
  absl::Status Launch();
  absl::StatusOr<std::unique_ptr<Session>> WaitUntilReady();
  std::string Path(std::string_view name) const;

  Account account_;
  std::string data_dir_;
  std::string socket_dir_;
  std::string url_;
  int lock_fd_ = -1;
  pid_t pid_ = -1;
};

}  // namespace bursar::postgres
