#include "postgres/role_settings.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "log.h"
#include "postgres/array.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

constexpr int64_t kTimeoutMaxMs = 5000;

bool IsTimeout(std::string_view setting) {  // PostgreSQL's 0 is "no limit"
  int64_t ms = 0;
  return absl::SimpleAtoi(std::string(setting), &ms) && ms > 0 && ms <= kTimeoutMaxMs;
}
bool IsIso(std::string_view setting) { return setting.starts_with("ISO"); }
bool IsOff(std::string_view setting) { return setting == "off"; }

struct Needed {
  const char* name;  // as in pg_settings, where time-outs are milliseconds
  const char* value;
  bool (*fits)(std::string_view setting);
  bool must;
};

// What connection.cc sets for a session of our own, but for two. Times are written and read with
// their offset, so no time zone is needed. plan_cache_mode is about prepared statements, and there
// are none.
constexpr Needed kNeeded[] = {
    {"statement_timeout", "5s", &IsTimeout, true},
    {"lock_timeout", "2s", &IsTimeout, true},
    {"idle_in_transaction_session_timeout", "2s", &IsTimeout, true},
    {"DateStyle", "ISO", &IsIso, true},
    {"enable_seqscan", "off", &IsOff, false},
    {"enable_hashjoin", "off", &IsOff, false},
    {"enable_mergejoin", "off", &IsOff, false},
};

// A role's settings may be those of one database, and then leave its others alone.
constexpr char kRead[] =
    "SELECT setting, format('ALTER ROLE %I IN DATABASE %I SET ', session_user, current_database()) "
    "FROM unnest($1::text[]) WITH ORDINALITY AS needed(name, place) LEFT JOIN pg_settings USING "
    "(name) "
    "ORDER BY place";

}  // namespace

absl::Status CheckRoleSettings(Session& session) {
  Array names(Element::kText);
  for (const Needed& needed : kNeeded) names.Text(needed.name);
  ASSIGN_OR_RETURN(const Rows rows, session.Execute(kRead, Params().Add(names)));
  std::vector<std::string> harmful, statements;
  for (int row = 0; row < rows.size(); ++row) {
    const Needed& needed = kNeeded[row];
    const std::string setting(rows.Text(row, 0));
    if (needed.fits(setting)) continue;
    if (needed.must) harmful.push_back(absl::StrCat(needed.name, " = ", setting));
    statements.push_back(
        absl::StrCat(std::string(rows.Text(row, 1)), needed.name, " = '", needed.value, "';"));
  }
  const std::string remedy = absl::StrJoin(statements, " ");
  if (harmful.empty()) {
    if (!statements.empty()) {
      Log(LogLevel::kWarning, "role_settings_missing",
          {{"why", "plans of young tables stay slow"}, {"run", remedy}});
    }
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "--pgbouncer: the database's role has ", absl::StrJoin(harmful, ", "),
      ", and through pgbouncer a session cannot set its own; run these statements on the database, "
      "then RECONNECT on pgbouncer's console, because open connections keep what they have: ",
      remedy));
}

}  // namespace bursar::postgres
