#pragma once

#include "absl/status/statusor.h"
#include "postgres/session.h"

namespace bursar::postgres {

// Opens a libpq connection as the options say: non-blocking, UTF-8, and (without pgbouncer) with
// the session's settings made. The caller owns it (PQfinish). UNAVAILABLE says in one sentence
// which database cannot be reached and why, without the password; INVALID_ARGUMENT: the URL is no
// URL.
absl::StatusOr<pg_conn*> OpenConnection(const SessionOptions& options);

// A value as libpq's connection strings take it: quoted, with ' and \ escaped.
std::string QuoteConnectionValue(std::string_view value);

}  // namespace bursar::postgres
