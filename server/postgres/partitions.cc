#include "postgres/partitions.h"

namespace bursar::postgres {

absl::Status MakePartitions(Session& session) {
  return session
      .Execute(
          "SELECT make_usage_partition(now() + month * interval '1 month') "
          "FROM generate_series(0, 2) AS month")
      .status();
}

}  // namespace bursar::postgres
