#include "postgres/migrations.h"

#include <openssl/evp.h>

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "embedded/migrations.h"
#include "log.h"
#include "postgres/error.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

struct Applied {
  std::string name;
  std::string sha256;
};
using AppliedByVersion = std::map<int64_t, Applied>;

constexpr char kHowToApply[] =
    "start one server with --migrate=auto, or run bursar-server --migrate=only";

// The number is arbitrary; it only has to be no other program's. Held to the transaction's end: a
// lock of the session would stay behind in pgbouncer's connection. Applying may wait for long.
constexpr char kBeginLocked[] =
    "BEGIN; "
    "SET LOCAL statement_timeout = 0; "
    "SET LOCAL lock_timeout = 0; "
    "SET LOCAL idle_in_transaction_session_timeout = 0; "
    "SELECT pg_advisory_xact_lock(7014213596187)";

constexpr char kCreateTable[] =
    "CREATE TABLE IF NOT EXISTS schema_migration ("
    "version int PRIMARY KEY, "
    "name text NOT NULL, "
    "sha256 text NOT NULL, "
    "apply_time timestamptz NOT NULL DEFAULT clock_timestamp())";

int64_t VersionOf(const Migration& migration) {
  int64_t version = 0;
  return absl::SimpleAtoi(std::string(migration.name.substr(0, 4)), &version) ? version : 0;
}

std::string Sha256(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString(std::string(reinterpret_cast<const char*>(digest), size));
}

absl::StatusOr<AppliedByVersion> ReadApplied(Session& session) {
  ASSIGN_OR_RETURN(const Rows table,
                   session.Execute("SELECT to_regclass('schema_migration') IS NOT NULL"));
  AppliedByVersion applied;
  if (!table.Bool(0, 0)) return applied;
  ASSIGN_OR_RETURN(const Rows rows,
                   session.Execute("SELECT version, name, sha256 FROM schema_migration"));
  for (int row = 0; row < rows.size(); ++row) {
    applied[rows.Int(row, 0)] = {std::string(rows.Text(row, 1)), std::string(rows.Text(row, 2))};
  }
  return applied;
}

absl::Status CheckUnchanged(const Migration& migration, const Applied& applied) {
  if (applied.sha256 == Sha256(migration.text)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the database was migrated by ", applied.name, ", whose text in this server (",
                   std::string(migration.name),
                   ") is another: run the server that the database belongs to; an "
                   "applied migration is never edited"));
}

// Whether what was applied is a beginning of what this server has. Gives the first that is lacking,
// or null.
absl::StatusOr<const Migration*> FirstLacking(const AppliedByVersion& applied,
                                              std::span<const Migration> all) {
  const Migration* lacking = nullptr;
  size_t known = 0;
  for (const Migration& migration : all) {
    const auto found = applied.find(VersionOf(migration));
    if (found == applied.end()) {
      if (lacking == nullptr) lacking = &migration;
      continue;
    }
    RETURN_IF_ERROR(CheckUnchanged(migration, found->second));
    ++known;
  }
  if (known == applied.size()) return lacking;
  return absl::FailedPreconditionError(
      absl::StrCat("the database is newer than this server: it has ", applied.rbegin()->second.name,
                   ", which this server does not know: run a newer bursar-server"));
}

absl::Status ApplyOne(Session& session, const Migration& migration) {
  if (absl::Status status = session.ExecuteScript(std::string(migration.text)); !status.ok()) {
    return WithSqlState(
        absl::Status(status.code(), absl::StrCat("migration ", std::string(migration.name),
                                                 " failed: ", status.message())),
        SqlState(status));
  }
  return session
      .Execute("INSERT INTO schema_migration (version, name, sha256) VALUES ($1, $2, $3)",
               Params().Int(VersionOf(migration)).Text(migration.name).Text(Sha256(migration.text)))
      .status();
}

// One transaction: takes the lock, looks again at what is applied, and applies the next. False:
// nothing was left to do.
absl::StatusOr<bool> ApplyNext(Session& session, std::span<const Migration> all) {
  RETURN_IF_ERROR(session.ExecuteScript(kBeginLocked));
  RETURN_IF_ERROR(session.ExecuteScript(kCreateTable));
  ASSIGN_OR_RETURN(const AppliedByVersion applied, ReadApplied(session));
  const absl::StatusOr<const Migration*> next = FirstLacking(applied, all);
  if (!next.ok() || *next == nullptr) {
    RETURN_IF_ERROR(session.Execute("COMMIT").status());
    return next.ok() ? absl::StatusOr<bool>(false) : next.status();
  }
  RETURN_IF_ERROR(ApplyOne(session, **next));
  RETURN_IF_ERROR(session.Execute("COMMIT").status());
  Log(LogLevel::kInfo, "migration_applied", {{"name", std::string((*next)->name)}});
  return true;
}

}  // namespace

std::vector<Migration> BuiltInMigrations() {
  std::vector<Migration> all;
  for (const EmbeddedFile& file : migrations()) all.push_back({file.name, file.text});
  return all;
}

absl::Status Migrate(Session& session) { return Migrate(session, BuiltInMigrations()); }

absl::Status Migrate(Session& session, std::span<const Migration> all) {
  // Most starts find all applied: they need neither the lock nor the right to make tables.
  ASSIGN_OR_RETURN(const AppliedByVersion applied, ReadApplied(session));
  ASSIGN_OR_RETURN(const Migration* lacking, FirstLacking(applied, all));
  bool more = lacking != nullptr;
  while (more) {
    ASSIGN_OR_RETURN(more, ApplyNext(session, all));
  }
  return absl::OkStatus();
}

absl::Status CheckSchema(Session& session) {
  const std::vector<Migration> all = BuiltInMigrations();
  ASSIGN_OR_RETURN(const AppliedByVersion applied, ReadApplied(session));
  ASSIGN_OR_RETURN(const Migration* lacking, FirstLacking(applied, all));
  if (lacking == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(applied.empty() ? "the database has no tables of Bursar"
                                   : "the database is older than this server",
                   " (it lacks ", std::string(lacking->name), "): ", kHowToApply));
}

absl::Status CheckDurability(Session& session) {
  ASSIGN_OR_RETURN(
      const Rows rows,
      session.Execute("SELECT name FROM pg_settings WHERE setting = 'off' AND name IN "
                      "('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name"));
  if (rows.size() == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the database has ", std::string(rows.Text(0, 0)),
                   " = off, so a crash would lose what was acknowledged: set it to on"));
}

}  // namespace bursar::postgres
