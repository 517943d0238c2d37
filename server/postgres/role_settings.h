#pragma once

#include "absl/status/status.h"
#include "postgres/session.h"

namespace bursar::postgres {

// Behind a transaction pooler a session cannot make its own settings, so the role must have them.
// Looks at those of the server connection that the session happens to get.
//
// FAILED_PRECONDITION: the time-outs that keep a stalled server from holding a budget up, or the
// form of dates, are not the role's; the message ends with the ALTER ROLE statements that make them
// so. Planner settings that are not the role's cost speed alone: they are logged, with the same
// statements.
absl::Status CheckRoleSettings(Session& session);

}  // namespace bursar::postgres
