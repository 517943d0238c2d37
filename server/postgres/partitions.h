#pragma once

#include "absl/status/status.h"
#include "postgres/session.h"

namespace bursar::postgres {

// Makes the partitions of usage_record for this month and the next two, by the database's clock,
// where they are missing. A record whose month has none cannot be written: run it at the start and
// every hour.
absl::Status MakePartitions(Session& session);

}  // namespace bursar::postgres
