#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "postgres/session.h"

namespace bursar::postgres {

// Applies the migrations of migrations/NNNN_*.sql (built into the binary) that the database lacks,
// in order, each in a transaction of its own, under an advisory lock so that replicas starting
// together apply each once. A migration waits and runs as long as it must: the session's time-outs
// do not hold. It must hold no BEGIN or COMMIT. FAILED_PRECONDITION: the database is newer than
// this server, or an applied migration's text has changed.
absl::Status Migrate(Session& session);

// Answers OK if the database has exactly this server's migrations; FAILED_PRECONDITION says what to
// do.
absl::Status CheckSchema(Session& session);

// Refuses settings under which an acknowledged write could be lost: fsync, full_page_writes or
// synchronous_commit off. FAILED_PRECONDITION names the setting.
absl::Status CheckDurability(Session& session);

// One migration: "0001_ledger.sql" and its text.
struct Migration {
  std::string_view name;
  std::string_view text;
};

// Those of the binary, in order.
std::vector<Migration> BuiltInMigrations();

// Migrate() with others than the binary's: for tests.
absl::Status Migrate(Session& session, std::span<const Migration> all);

}  // namespace bursar::postgres
