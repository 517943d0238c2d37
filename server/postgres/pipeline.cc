#include "postgres/pipeline.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "fail_point.h"
#include "log.h"
#include "postgres/error.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

using ResultPtr = std::unique_ptr<pg_result, void (*)(pg_result*)>;

// One answer that the server owes: to a Prepare (with the new name) or to a statement (without).
struct Reply {
  const char* sql;
  std::string new_name;
};

// One run of a pipeline.
class Run {
 public:
  Run(pg_conn* connection, PreparedNames* prepared, absl::Time deadline)
      : connection_(connection), prepared_(prepared), deadline_(deadline) {}

  absl::Status Send(const std::vector<Statement>& statements);
  absl::StatusOr<std::vector<Rows>> Receive();

 private:
  bool SendStatement(const Statement& statement);
  // The name to run `sql` by; sends a Prepare if it is new. Null: libpq refused.
  const std::string* PreparedName(const char* sql);
  absl::Status Flush();
  absl::Status Accept(const Reply& reply, ResultPtr result, std::vector<Rows>& rows);
  absl::StatusOr<ResultPtr> NextResult();
  absl::Status WaitFor(short events);

  pg_conn* const connection_;
  PreparedNames* const prepared_;
  const absl::Time deadline_;
  std::vector<Reply> replies_;
};

absl::Status Run::Send(const std::vector<Statement>& statements) {
  if (PQenterPipelineMode(connection_) != 1) return LostConnection();
  replies_.reserve(statements.size() * 2);
  for (const Statement& statement : statements) {
    if (!SendStatement(statement)) return LostConnection();
  }
  if (PQpipelineSync(connection_) != 1) return LostConnection();
  return Flush();
}

bool Run::SendStatement(const Statement& statement) {
  const std::vector<std::optional<std::string>>& parameters = statement.params.values();
  std::vector<const char*> values;
  std::vector<int> lengths;
  values.reserve(parameters.size());
  lengths.reserve(parameters.size());
  for (const auto& value : parameters) {
    values.push_back(value ? value->c_str() : nullptr);
    lengths.push_back(value ? static_cast<int>(value->size()) : 0);
  }
  const int* formats = statement.params.formats().data();
  const int count = static_cast<int>(values.size());
  if (prepared_ == nullptr || statement.once) {
    replies_.push_back({statement.sql, ""});
    return PQsendQueryParams(connection_, statement.sql, count, nullptr, values.data(),
                             lengths.data(), formats, 0) == 1;
  }
  const std::string* name = PreparedName(statement.sql);
  if (name == nullptr) return false;
  const bool sent = PQsendQueryPrepared(connection_, name->c_str(), count, values.data(),
                                        lengths.data(), formats, 0) == 1;
  replies_.push_back({statement.sql, ""});
  return sent;
}

const std::string* Run::PreparedName(const char* sql) {
  if (const std::string* name = prepared_->Find(sql)) return name;
  for (const Reply& reply : replies_) {  // prepared earlier in this very pipeline
    if (!reply.new_name.empty() && std::string_view(reply.sql) == sql) return &reply.new_name;
  }
  const Reply& reply = replies_.emplace_back(Reply{sql, prepared_->NewName()});
  if (PQsendPrepare(connection_, reply.new_name.c_str(), sql, 0, nullptr) != 1) return nullptr;
  return &reply.new_name;
}

// Reads while it writes: the server stops reading when nobody takes its answers.
absl::Status Run::Flush() {
  int left;
  while ((left = PQflush(connection_)) == 1) {
    RETURN_IF_ERROR(WaitFor(POLLIN | POLLOUT));
    if (PQconsumeInput(connection_) != 1) return LostConnection();
  }
  return left == 0 ? absl::OkStatus() : LostConnection();
}

absl::StatusOr<std::vector<Rows>> Run::Receive() {
  std::vector<Rows> rows;
  rows.reserve(replies_.size());
  absl::Status first_error;
  for (const Reply& reply : replies_) {
    ASSIGN_OR_RETURN(ResultPtr result, NextResult());
    if (result == nullptr) return first_error.ok() ? LostConnection() : first_error;
    if (absl::Status status = Accept(reply, std::move(result), rows); !status.ok()) {
      if (first_error.ok()) first_error = status;
      if (PQstatus(connection_) != CONNECTION_OK) return first_error;
    }
    ASSIGN_OR_RETURN(const ResultPtr end, NextResult());  // each answer ends with a null
    if (end != nullptr) return first_error.ok() ? LostConnection() : first_error;
  }
  ASSIGN_OR_RETURN(const ResultPtr sync, NextResult());
  if (sync == nullptr || PQresultStatus(sync.get()) != PGRES_PIPELINE_SYNC ||
      PQexitPipelineMode(connection_) != 1) {
    return first_error.ok() ? LostConnection() : first_error;
  }
  if (!first_error.ok()) return first_error;
  return rows;
}

absl::Status Run::Accept(const Reply& reply, ResultPtr result, std::vector<Rows>& rows) {
  switch (PQresultStatus(result.get())) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
      break;
    case PGRES_PIPELINE_ABORTED:  // not run: an earlier statement failed, and that is the answer
      return absl::OkStatus();
    default:
      return StatusOf(result.get(), reply.sql);
  }
  if (!reply.new_name.empty()) {
    prepared_->Add(reply.sql, reply.new_name);
    return absl::OkStatus();
  }
  if (absl::StartsWithIgnoreCase(reply.sql, "COMMIT") &&
      std::string_view(PQcmdStatus(result.get())) == "ROLLBACK" &&
      !BURSAR_PLANTED("ignored_rollback")) {
    return CommitRolledBack();
  }
  rows.emplace_back(result.release());
  return absl::OkStatus();
}

absl::StatusOr<ResultPtr> Run::NextResult() {
  while (PQisBusy(connection_) == 1) {
    RETURN_IF_ERROR(WaitFor(POLLIN));
    if (PQconsumeInput(connection_) != 1) break;  // PQgetResult has the server's last words, if any
  }
  return ResultPtr(PQgetResult(connection_), &PQclear);
}

absl::Status Run::WaitFor(short events) {
  pollfd watched = {PQsocket(connection_), events, 0};
  while (true) {
    const absl::Duration left = deadline_ - absl::Now();
    const int timeout_ms =
        left == absl::InfiniteDuration()
            ? -1
            : static_cast<int>(absl::ToInt64Milliseconds(std::clamp(
                  absl::Ceil(left, absl::Milliseconds(1)), absl::ZeroDuration(), absl::Hours(1))));
    const int ready = poll(&watched, 1, timeout_ms);
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return LostConnection();
    if (ready == 0 && absl::Now() >= deadline_) {
      Log(LogLevel::kWarning, "database_silent");
      return WithSqlState(
          absl::UnavailableError("the database did not answer in time: try again soon"), "08006");
    }
  }
}

}  // namespace

const std::string* PreparedNames::Find(std::string_view sql) const {
  const auto found = names_.find(sql);
  return found == names_.end() ? nullptr : &found->second;
}

std::string PreparedNames::NewName() { return absl::StrCat("s", ++next_); }

absl::StatusOr<std::vector<Rows>> RunPipeline(pg_conn* connection, PreparedNames* prepared,
                                              const std::vector<Statement>& statements,
                                              absl::Time deadline) {
  Run run(connection, prepared, deadline);
  RETURN_IF_ERROR(run.Send(statements));
  return run.Receive();
}

}  // namespace bursar::postgres
