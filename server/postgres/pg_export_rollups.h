#pragma once

#include "absl/status/statusor.h"
#include "history/export.h"
#include "postgres/session.h"

namespace bursar::postgres {

// A page of the sums by day, as QueryCosts has them: a day after the other and in it each family of
// rollups that is kept by the day. What the rollups do not have yet is in them, and a later page
// leaves out what its first page had not seen. Errors as of history::ExportStore.
absl::StatusOr<history::ExportPage> ExportRollups(Session& session, absl::string_view tenant,
                                                  const history::ExportQuery& query);

}  // namespace bursar::postgres
