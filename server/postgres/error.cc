#include "postgres/error.h"

#include <libpq-fe.h>

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "log.h"
#include "postgres/session.h"

namespace bursar::postgres {
namespace {

constexpr char kPayload[] = "type.bursar.dev/sqlstate";
constexpr size_t kLoggedSqlBytes = 120;

absl::StatusCode CodeOf(std::string_view sqlstate) {
  // 26000, 0A000: a prepared statement that is gone, or whose plan a migration changed.
  for (std::string_view state : {"23505", "40001", "40P01", "55P03", "26000", "0A000"}) {
    if (sqlstate == state) return absl::StatusCode::kAborted;
  }
  // 25P03, 25P04: the transaction was idle, or took, for too long and the connection ends with it.
  // 23514: no partition for a record's month yet; there is no other CHECK.
  for (std::string_view state : {"25006", "25P03", "25P04", "23514"}) {
    if (sqlstate == state) return absl::StatusCode::kUnavailable;
  }
  const std::string_view state_class = sqlstate.substr(0, 2);
  if (state_class == "BU") return absl::StatusCode::kAborted;
  if (state_class == "08" || state_class == "53" || state_class == "57") {
    return absl::StatusCode::kUnavailable;
  }
  if (state_class == "22" || state_class == "23") return absl::StatusCode::kInvalidArgument;
  return absl::StatusCode::kInternal;
}

const char* SentenceOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kAborted:
      return "another change came first: run it again";
    case absl::StatusCode::kUnavailable:
      return "the database cannot serve this now: try again soon";
    case absl::StatusCode::kInvalidArgument:
      return "the database refused a value";
    default:
      return "the database answered with an error; the server's log says which";
  }
}

std::string Field(const pg_result* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? "" : text;
}

// Class 22 and 23 messages may quote the value that was refused, as in `invalid input syntax for
// type integer: "42 dollars"`: all from the first to the last quote goes. Names are logged apart.
std::string WithoutValues(std::string message, std::string_view sqlstate) {
  if (!sqlstate.starts_with("22") && !sqlstate.starts_with("23")) return message;
  const size_t first = message.find('"');
  if (first == std::string::npos) return message;
  const size_t last = message.rfind('"');
  return absl::StrCat(message.substr(0, first), "...", message.substr(last + 1));
}

// "usage_record.cost_nanousd (constraint cost_in_range)", so far as PostgreSQL says.
std::string ObjectOf(const pg_result* result) {
  std::string object = Field(result, PG_DIAG_TABLE_NAME);
  const std::string column = Field(result, PG_DIAG_COLUMN_NAME);
  const std::string constraint = Field(result, PG_DIAG_CONSTRAINT_NAME);
  if (!column.empty()) absl::StrAppend(&object, ".", column);
  if (!constraint.empty()) absl::StrAppend(&object, " (constraint ", constraint, ")");
  return object;
}

// A detail often shows whole rows; only operational classes are sure to hold none.
std::string DetailWithoutValues(const pg_result* result, std::string_view sqlstate) {
  for (std::string_view state_class : {"08", "25", "40", "42", "53", "55", "57", "58", "XX"}) {
    if (sqlstate.starts_with(state_class)) return Field(result, PG_DIAG_MESSAGE_DETAIL);
  }
  return "";
}

}  // namespace

absl::Status WithSqlState(absl::Status status, std::string_view sqlstate) {
  status.SetPayload(kPayload, absl::Cord(std::string(sqlstate)));
  return status;
}

absl::Status StatusOf(const pg_result* result, std::string_view sql) {
  const std::string sqlstate = Field(result, PG_DIAG_SQLSTATE);
  if (sqlstate.empty()) return LostConnection();  // libpq's own: it has no word from the server
  const absl::StatusCode code = CodeOf(sqlstate);
  Log(code == absl::StatusCode::kAborted ? LogLevel::kDebug : LogLevel::kWarning, "database_error",
      {{"sqlstate", sqlstate},
       {"message", WithoutValues(Field(result, PG_DIAG_MESSAGE_PRIMARY), sqlstate)},
       {"detail", DetailWithoutValues(result, sqlstate)},
       {"object", ObjectOf(result)},
       {"statement", std::string(sql.substr(0, kLoggedSqlBytes))}});
  return WithSqlState(
      absl::Status(code, absl::StrCat(SentenceOf(code), " (SQLSTATE ", sqlstate, ")")), sqlstate);
}

absl::Status LostConnection() {
  return WithSqlState(absl::UnavailableError("the connection to the database was lost: try again"),
                      "08006");
}

absl::Status CommitRolledBack() {
  return WithSqlState(
      absl::AbortedError("the database rolled the transaction back instead of committing it"),
      "BU001");
}

std::string SqlState(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  return payload.has_value() ? std::string(*payload) : "";
}

}  // namespace bursar::postgres
