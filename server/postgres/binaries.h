#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace bursar::postgres {

// An installed PostgreSQL server.
struct Binaries {
  std::string folder;  // holds initdb and postgres
  int major = 0;       // 15
};

// Finds the server's programs: in `pg_config --bindir`, then /usr/lib/postgresql/*/bin (highest
// version first), then PATH. `major` not zero: only that version will do, because a data directory
// was made by it. FAILED_PRECONDITION says what to install.
absl::StatusOr<Binaries> FindBinaries(int major = 0);

}  // namespace bursar::postgres
