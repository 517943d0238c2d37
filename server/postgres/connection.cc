#include "postgres/connection.h"

#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "log.h"
#include "postgres/error.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

constexpr std::string_view kFailed = " failed: ";
constexpr std::string_view kFatal = "FATAL:  ";

using ConnectionPtr = std::unique_ptr<pg_conn, void (*)(pg_conn*)>;

// What the URL says, so far as it matters here.
struct Target {
  std::string name;  // "HOST:PORT/DB" for people
  bool several_hosts = false;
};

std::string OptionValue(const PQconninfoOption* options, std::string_view keyword) {
  for (; options->keyword != nullptr; ++options) {
    if (keyword == options->keyword) return options->val == nullptr ? "" : options->val;
  }
  return "";
}

// "h1:5432,h2:5433/bursar" of hosts "h1,h2" and ports "5432,5433"; one port holds for all hosts.
std::string NameOf(const std::string& hosts, const std::string& ports,
                   const std::string& database) {
  const std::vector<std::string> host_list = absl::StrSplit(hosts, ',');
  const std::vector<std::string> port_list = absl::StrSplit(ports, ',');
  std::vector<std::string> names;
  for (size_t i = 0; i < host_list.size(); ++i) {
    const std::string& port = port_list[std::min(i, port_list.size() - 1)];
    names.push_back(absl::StrCat(host_list[i], ":", port.empty() ? "5432" : port.c_str()));
  }
  return absl::StrCat(absl::StrJoin(names, ","), "/", database);
}

absl::StatusOr<Target> ReadUrl(const std::string& url) {
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfoParse(url.c_str(), nullptr), &PQconninfoFree);
  if (options == nullptr) {  // libpq's reason would show a part of the URL, maybe the password
    return absl::InvalidArgumentError(
        "the database URL cannot be read: give postgresql://USER@HOST:PORT/DATABASE or "
        "\"host=HOST port=PORT user=USER dbname=DATABASE\"");
  }
  std::string hosts = OptionValue(options.get(), "host");
  if (hosts.empty()) hosts = OptionValue(options.get(), "hostaddr");
  if (hosts.empty()) hosts = "localhost";
  std::string database = OptionValue(options.get(), "dbname");
  if (database.empty()) database = OptionValue(options.get(), "user");
  return Target{NameOf(hosts, OptionValue(options.get(), "port"), database),
                hosts.find(',') != std::string::npos};
}

// libpq's reason without its hints (lines that begin with a tab), on one line.
std::string ReasonOf(const pg_conn* connection, bool several_hosts) {
  std::vector<std::string> reasons;
  const std::vector<std::string> lines = absl::StrSplit(PQerrorMessage(connection), '\n');
  for (std::string_view line : lines) {
    if (line.empty() || line[0] == '\t') continue;
    const size_t prefix_end = line.find(kFailed);
    if (!several_hosts && line.starts_with("connection to server ") &&
        prefix_end != std::string_view::npos) {
      line.remove_prefix(prefix_end + kFailed.size());
    }
    if (line.starts_with(kFatal)) line.remove_prefix(kFatal.size());
    reasons.emplace_back(line);
  }
  return reasons.empty() ? "no reason given" : absl::StrJoin(reasons, "; ");
}

std::string Milliseconds(absl::Duration duration) {  // PostgreSQL: 0 is "no limit"
  if (duration == absl::InfiniteDuration() || duration <= absl::ZeroDuration()) return "0";
  return absl::StrCat(std::max<int64_t>(1, absl::ToInt64Milliseconds(duration)));
}

// The settings of a session of our own. pgbouncer would give them to other clients or lose them, so
// there they belong to the role (ALTER ROLE ... SET), as docs/operations.md says.
std::string SettingsSql(const SessionOptions& options) {
  std::string sql = absl::StrCat(
      "SET statement_timeout = ", Milliseconds(options.statement_timeout),
      "; SET lock_timeout = ", Milliseconds(options.lock_timeout),
      "; SET idle_in_transaction_session_timeout = ",
      Milliseconds(options.idle_in_transaction_timeout),
      "; SET timezone = 'UTC'; SET datestyle = 'ISO'; SET standard_conforming_strings = on");
  if (options.scans_off) {
    absl::StrAppend(&sql,
                    "; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = "
                    "off; SET plan_cache_mode = force_generic_plan");
  }
  return sql;
}

void LogNotice(void*, const pg_result* result) {
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  Log(LogLevel::kDebug, "database_notice",
      {{"sqlstate", std::string(sqlstate == nullptr ? "" : sqlstate)},
       {"message", std::string(message == nullptr ? "" : message)}});
}

// Later keywords win: first what the URL may change, then the URL, then what it may not.
ConnectionPtr Connect(const SessionOptions& options, bool several_hosts) {
  const std::string timeout =
      absl::StrCat(std::max<int64_t>(1, absl::ToInt64Seconds(options.connect_timeout)));
  const std::vector<std::pair<const char*, const char*>> settings = {
      {"connect_timeout", timeout.c_str()},
      {"target_session_attrs", several_hosts ? "read-write" : "any"},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "5"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "15000"},
      {"dbname", options.url.c_str()},
      {"application_name", options.application_name.c_str()},
      {"client_encoding", "UTF8"},
  };
  std::vector<const char*> keywords, values;
  for (const auto& [keyword, value] : settings) {
    keywords.push_back(keyword);
    values.push_back(value);
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  return {PQconnectdbParams(keywords.data(), values.data(), /*expand_dbname=*/1), &PQfinish};
}

}  // namespace

std::string QuoteConnectionValue(std::string_view value) {
  std::string quoted = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

absl::StatusOr<pg_conn*> OpenConnection(const SessionOptions& options) {
  ASSIGN_OR_RETURN(const Target target, ReadUrl(options.url));
  ConnectionPtr connection = Connect(options, target.several_hosts);
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return WithSqlState(
        absl::UnavailableError(absl::StrCat("the database at ", target.name, " cannot be reached: ",
                                            ReasonOf(connection.get(), target.several_hosts))),
        "08001");
  }
  PQsetNoticeReceiver(connection.get(), &LogNotice, nullptr);
  if (!options.pgbouncer) {
    const std::string sql = SettingsSql(options);
    const std::unique_ptr<pg_result, void (*)(pg_result*)> result(
        PQexec(connection.get(), sql.c_str()), &PQclear);
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) return StatusOf(result.get(), sql);
  }
  // With a blocking socket both sides can wait for the other to read when the parameters are big.
  if (PQsetnonblocking(connection.get(), 1) != 0) return LostConnection();
  return connection.release();
}

}  // namespace bursar::postgres
