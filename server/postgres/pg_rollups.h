#pragma once

#include <functional>

#include "absl/status/status.h"
#include "postgres/session.h"

namespace bursar::postgres {

// Adds to the rollups what the ledger wrote since: up to 20,000 records of one tenant in each
// transaction. A tenant's batches wait until they are 2,000 records, or 5 s old: questions add them
// in the meantime. Every replica may do it at once; a tenant that another one is at is left out.
// Ends when nothing is due, or when `stopping` says so. One tenant's error does not keep the others
// waiting; the first is the answer.
absl::Status MergeRollups(Session& session, const std::function<bool()>& stopping);

}  // namespace bursar::postgres
