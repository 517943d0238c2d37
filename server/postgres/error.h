#pragma once

#include <string_view>

#include "absl/status/status.h"

struct pg_result;

namespace bursar::postgres {

// Turns a failed result into a status, as session.h promises, and logs its details: SQLSTATE,
// message, names of table, column and constraint, and the statement's text, but no value. The one
// place where PostgreSQL's errors are mapped.
absl::Status StatusOf(const pg_result* result, std::string_view sql);

// UNAVAILABLE: the connection went away, with or without a word.
absl::Status LostConnection();

// ABORTED: a COMMIT found nothing to commit. It has a SQLSTATE of our own, BU001.
absl::Status CommitRolledBack();

// A status with a SQLSTATE as payload; SqlState() of session.h reads it.
absl::Status WithSqlState(absl::Status status, std::string_view sqlstate);

}  // namespace bursar::postgres
