#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace bursar::postgres {

// The user that a child process runs as.
struct Account {
  std::string name;  // empty: our own user, nothing to drop
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

// "postgres", or else "nobody", when we are root, as which PostgreSQL refuses to run.
absl::StatusOr<Account> UnprivilegedAccount();

// OK if the account can enter the folder and all above it, so far as they exist; else
// FAILED_PRECONDITION names the one that is closed.
absl::Status CheckEnterable(const Account& account, const std::string& folder);

// Starts a program as `account` with an empty environment, in a session of its own (so that a
// Ctrl-C at the terminal does not reach it) and with its output appended to `log_path`. It gets a
// SIGINT when the *thread* that called Spawn ends, also by kill -9 of the process: call from a
// thread that lives on.
absl::StatusOr<pid_t> Spawn(const Account& account, const std::vector<std::string>& arguments,
                            const std::string& log_path);

// Waits until a child has ended and gives its wait status; -1 if it still runs when the time is up.
int WaitForChild(pid_t pid, absl::Duration timeout);

}  // namespace bursar::postgres
