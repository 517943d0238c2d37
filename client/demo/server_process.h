#pragma once

#include <bursar/status.h>
#include <sys/types.h>

#include <memory>
#include <string>

#include "demo/stop_signal.h"

namespace bursar::demo {

// A bursar-server of the demo's own, on its embedded PostgreSQL in a temporary folder.
//
// Stopped, and its folder removed, on destruction; and stopped by the kernel if this process dies,
// unless Keep() was called. For one thread.
class ServerProcess {
 public:
  // What the server said when it started.
  struct Facts {
    std::string listen;
    std::string http;
    std::string database_url;
    std::string admin_key_file;
  };

  // Starts `binary` and waits until it serves, for at most a minute. `outlive`: it may go on after
  // this process. Errors: FAILED_PRECONDITION with the end of its log where it did not start;
  // CANCELLED where `stop` came first.
  static StatusOr<std::unique_ptr<ServerProcess>> Start(const std::string& binary, bool outlive,
                                                        StopSignal* stop);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const Facts& facts() const { return facts_; }
  pid_t pid() const { return pid_; }
  const std::string& folder() const { return folder_; }

  // Leaves it running, with its folder.
  void Keep() { kept_ = true; }

  // Ends it (SIGTERM; SIGKILL after 30 s) and removes the folder. Errors: INTERNAL where it did not
  // end well.
  Status Stop();

 private:
  ServerProcess(std::string folder) : folder_(std::move(folder)) {}

  Status Launch(const std::string& binary, bool outlive);
  Status WaitUntilServing(StopSignal* stop);
  bool ReadFacts();
  bool HasEnded();
  std::string LogEnd() const;
  std::string log_path() const { return folder_ + "/server.log"; }

  std::string folder_;
  pid_t pid_ = -1;
  int exit_status_ = 0;
  bool kept_ = false;
  Facts facts_;
};

}  // namespace bursar::demo
