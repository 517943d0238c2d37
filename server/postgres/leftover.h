#pragma once

#include <string>

#include "absl/status/status.h"

namespace bursar::postgres {

// Stops what a killed run left of its PostgreSQL: processes that work in the folder `cluster_dir`
// (the postmaster, or backends that outlived it), by SIGINT, after 10 s SIGQUIT, after 5 more
// SIGKILL; then removes its postmaster.pid and its socket folder below /tmp. FAILED_PRECONDITION if
// one cannot be stopped. The caller holds the data directory's lock.
absl::Status StopLeftover(const std::string& cluster_dir);

// The socket folder of a data directory whose own name is too long for a socket: mkdtemp's pattern,
// and whether a folder was made by it.
inline constexpr char kSocketFolderPattern[] = "/tmp/bursar-socket-XXXXXX";
bool IsSocketFolderOfOurs(const std::string& folder);

}  // namespace bursar::postgres
