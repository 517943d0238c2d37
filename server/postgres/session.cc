#include "postgres/session.h"

#include <libpq-fe.h>

#include <charconv>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "postgres/array.h"
#include "postgres/connection.h"
#include "postgres/error.h"
#include "postgres/pipeline.h"
#include "postgres/timestamp.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

// How much later than its own time-out the server's answer may be before the connection counts as
// dead.
constexpr absl::Duration kSilence = absl::Seconds(2);

absl::Time DeadlineOf(absl::Duration statement_timeout) {
  if (statement_timeout <= absl::ZeroDuration()) return absl::InfiniteFuture();
  return absl::Now() + statement_timeout + kSilence;  // infinite stays infinite
}

bool Starts(const char* sql, const char* keyword) {
  return absl::StartsWithIgnoreCase(sql, keyword);
}

// A COMMIT outside a transaction would succeed with a warning and hide that the work is lost.
bool CommitsNothing(const std::vector<Statement>& statements, bool open) {
  for (const Statement& statement : statements) {
    if (Starts(statement.sql, "BEGIN")) open = true;
    if (Starts(statement.sql, "COMMIT") && !open) return true;
  }
  return false;
}

absl::Status CheckParameters(const std::vector<Statement>& statements) {
  for (const Statement& statement : statements) {
    const auto& values = statement.params.values();
    for (size_t i = 0; i < values.size(); ++i) {
      const auto& value = values[i];
      if (statement.params.formats()[i] == 0 && value && value->find('\0') != std::string::npos) {
        return WithSqlState(absl::InvalidArgumentError("a text holds a NUL byte: remove it"),
                            "22021");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

Params& Params::Push(std::optional<std::string> value, int format) & {
  values_.push_back(std::move(value));
  formats_.push_back(format);
  return *this;
}

Params& Params::Text(std::string_view value) & { return Push(std::string(value), 0); }

Params& Params::Text(std::string&& value) & { return Push(std::move(value), 0); }

Params& Params::Int(int64_t value) & { return Push(absl::StrCat(value), 0); }

Params& Params::Bool(bool value) & { return Push(value ? "t" : "f", 0); }

Params& Params::Time(absl::Time value) & { return Push(FormatTimestamp(value), 0); }

Params& Params::Null() & { return Push(std::nullopt, 0); }

Params& Params::Add(const Array& array) & { return Push(array.Binary(), 1); }
Params& Params::AddOnly(const Array& array) & { return Push(array.Only(), 1); }

int Rows::size() const { return PQntuples(result_.get()); }

bool Rows::IsNull(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) == 1;
}

absl::string_view Rows::Text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<size_t>(PQgetlength(result_.get(), row, column))};
}

int64_t Rows::Int(int row, int column) const {
  const absl::string_view text = Text(row, column);
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool Rows::Bool(int row, int column) const { return Text(row, column) == "t"; }

absl::Time Rows::Time(int row, int column) const {
  const absl::string_view text = Text(row, column);
  return ParseTimestamp({text.data(), text.size()});
}

void Rows::Clear(pg_result* result) { PQclear(result); }

Session::Session(SessionOptions options) : options_(std::move(options)) {}

Session::~Session() { PQfinish(connection_); }

absl::StatusOr<std::unique_ptr<Session>> Session::Connect(SessionOptions options) {
  std::unique_ptr<Session> session(new Session(std::move(options)));
  RETURN_IF_ERROR(session->Reconnect());
  return session;
}

absl::Status Session::Reconnect() {
  PQfinish(connection_);
  connection_ = nullptr;
  prepared_ = options_.pgbouncer ? nullptr : std::make_unique<PreparedNames>();
  ASSIGN_OR_RETURN(connection_, OpenConnection(options_));
  return absl::OkStatus();
}

bool Session::connected() const {
  return connection_ != nullptr && PQstatus(connection_) == CONNECTION_OK;
}

absl::StatusOr<Rows> Session::Execute(const char* sql, Params params) {
  std::vector<Statement> statements;
  statements.push_back({sql, std::move(params)});
  ASSIGN_OR_RETURN(std::vector<Rows> rows, Pipeline(std::move(statements)));
  return std::move(rows.front());
}

absl::StatusOr<std::vector<Rows>> Session::Pipeline(std::vector<Statement> statements) {
  if (!connected()) return LostConnection();
  if (statements.empty()) return std::vector<Rows>();
  if (CommitsNothing(statements, PQtransactionStatus(connection_) != PQTRANS_IDLE)) {
    return CommitRolledBack();
  }
  absl::Status valid = CheckParameters(statements);
  absl::StatusOr<std::vector<Rows>> rows = valid.ok() ? Run(statements) : valid;
  if (!rows.ok()) RollBackIfOpen();
  return rows;
}

absl::StatusOr<std::vector<Rows>> Session::Run(const std::vector<Statement>& statements) {
  absl::StatusOr<std::vector<Rows>> rows =
      RunPipeline(connection_, prepared_.get(), statements, DeadlineOf(options_.statement_timeout));
  CloseIfLost();
  if (rows.ok() || prepared_ == nullptr) return rows;
  // A statement that the server forgot (DISCARD ALL), or whose plan a migration has outdated.
  const std::string sqlstate = SqlState(rows.status());
  if (sqlstate == "26000" || sqlstate == "0A000") prepared_->Clear();
  return rows;
}

absl::Status Session::ExecuteScript(const std::string& sql) {
  if (!connected()) return LostConnection();
  pg_result* const result = PQexec(connection_, sql.c_str());
  const ExecStatusType outcome = PQresultStatus(result);
  const bool done =
      outcome == PGRES_COMMAND_OK || outcome == PGRES_TUPLES_OK || outcome == PGRES_EMPTY_QUERY;
  const absl::Status status = done ? absl::OkStatus() : StatusOf(result, sql);
  PQclear(result);
  CloseIfLost();
  if (!status.ok()) RollBackIfOpen();
  return status;
}

void Session::RollBackIfOpen() {
  if (!connected() || PQtransactionStatus(connection_) == PQTRANS_IDLE) return;
  if (!Run({{"ROLLBACK", {}}}).ok()) {  // what is left open then ends with the connection
    PQfinish(connection_);
    connection_ = nullptr;
  }
}

void Session::CloseIfLost() {
  if (connected() && PQpipelineStatus(connection_) == PQ_PIPELINE_OFF) return;
  PQfinish(connection_);
  connection_ = nullptr;
}

}  // namespace bursar::postgres
