#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct pg_conn;
struct pg_result;

namespace bursar::postgres {

class Array;
class PreparedNames;

// The parameters of one statement, in order, as PostgreSQL's text form. Values must hold no NUL
// byte and be valid UTF-8: requests are checked for both at the door. (A NUL, which would cut the
// value short, is refused once more when it is sent: INVALID_ARGUMENT.)
class Params {
 public:
  Params& Text(std::string_view value) &;
  Params& Text(std::string&& value) &;
  Params& Text(const char* value) & { return Text(std::string_view(value)); }
  // Abseil's own view, where it is not the standard's.
  template <typename View>
  requires std::same_as<View, absl::string_view> Params& Text(const View& value) & {
    return Text(std::string_view(value.data(), value.size()));
  }
  Params& Int(int64_t value) &;
  Params& Bool(bool value) &;
  Params& Time(absl::Time value) &;  // timestamptz, to the microsecond; infinity as itself
  Params& Null() &;
  Params& Add(const Array& array) &;      // in binary form
  Params& AddOnly(const Array& array) &;  // the one element of it, likewise

  // The same on a temporary, so that `Params().Text(big)` is moved and not copied.
  Params&& Text(std::string_view value) && { return std::move(Text(value)); }
  Params&& Text(std::string&& value) && { return std::move(Text(std::move(value))); }
  Params&& Text(const char* value) && { return std::move(Text(value)); }
  template <typename View>
  requires std::same_as<View, absl::string_view> Params && Text(const View& value) && {
    return std::move(Text(value));
  }
  Params&& Int(int64_t value) && { return std::move(Int(value)); }
  Params&& Bool(bool value) && { return std::move(Bool(value)); }
  Params&& Time(absl::Time value) && { return std::move(Time(value)); }
  Params&& Null() && { return std::move(Null()); }
  Params&& Add(const Array& array) && { return std::move(Add(array)); }

  const std::vector<std::optional<std::string>>& values() const { return values_; }
  const std::vector<int>& formats() const { return formats_; }  // libpq's: 0 text, 1 binary

 private:
  Params& Push(std::optional<std::string> value, int format) &;

  std::vector<std::optional<std::string>> values_;
  std::vector<int> formats_;
};

// One statement of a pipeline. Its text is the key of the prepared statement, so it must be a
// constant: values belong in `params`.
struct Statement {
  const char* sql;
  Params params;
  bool once = false;  // not prepared: a text made for this question, which may never come again
};

// The rows that one statement gave. Accessors check nothing: the SQL beside them says the types.
class Rows {
 public:
  explicit Rows(pg_result* result) : result_(result, &Clear) {}

  int size() const;
  bool IsNull(int row, int column) const;
  absl::string_view Text(int row, int column) const;  // valid while this lives; empty for NULL
  int64_t Int(int row, int column) const;             // 0 for NULL
  bool Bool(int row, int column) const;               // false for NULL
  absl::Time Time(int row, int column) const;         // of a timestamptz; InfiniteFuture for NULL

 private:
  static void Clear(pg_result* result);
  std::unique_ptr<pg_result, void (*)(pg_result*)> result_;
};

struct SessionOptions {
  // libpq connection string or URI. Several hosts are allowed: the one that takes writes is used,
  // unless the URL says target_session_attrs itself.
  std::string url;
  std::string application_name = "bursar-server";     // shown in pg_stat_activity
  absl::Duration connect_timeout = absl::Seconds(5);  // for each host
  // For each statement. A call whose answer is 2 s later than that gives the connection up.
  // Zero or infinite: no limit.
  absl::Duration statement_timeout = absl::Seconds(5);
  absl::Duration lock_timeout = absl::Seconds(2);
  absl::Duration idle_in_transaction_timeout = absl::Seconds(2);
  bool scans_off = false;  // index scans only, so that plans made while tables are young stay good
  // Transaction pooling between us and PostgreSQL: no prepared statements, and none of the settings
  // above but connect_timeout; they belong to the role then (ALTER ROLE ... SET).
  bool pgbouncer = false;
};

// One connection to PostgreSQL.
//
// Statements are prepared on first use and sent as a pipeline: any number of them in one round
// trip. A session that lost its connection answers UNAVAILABLE until Reconnect() succeeds.
//
// Errors: every PostgreSQL error becomes an absl::Status here and nowhere else. Its message is safe
// to show a client (no SQL, no values); SqlState() gives the code. UNAVAILABLE: lost or refused
// connections, shutdown, out of resources, read-only server, time-out of a transaction (classes 08,
// 53, 57; 25006, 25P03, 25P04), a month without a partition (23514). ABORTED: somebody was faster,
// run it again (23505, 40001, 40P01, 55P03, and Bursar's own class BU). INVALID_ARGUMENT: a value
// that PostgreSQL refuses (class 22, the rest of class 23). INTERNAL: the rest. Details go to the
// log.
//
// Not thread-safe: one thread at a time.
class Session {
 public:
  static absl::StatusOr<std::unique_ptr<Session>> Connect(SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Runs one statement in a transaction of its own (or in the open one).
  absl::StatusOr<Rows> Execute(const char* sql, Params params = {});

  // Runs several statements in one round trip and gives the rows of each. They share a transaction:
  // the open one, that which a leading BEGIN opens (and a COMMIT ends), or else one of their own.
  // After an error the rest is not run and the first error is the answer; an open transaction is
  // rolled back. A COMMIT that commits nothing, because the transaction had failed or is gone, is
  // an error (ABORTED).
  absl::StatusOr<std::vector<Rows>> Pipeline(std::vector<Statement> statements);

  // Runs a script of several statements without parameters, as psql would: for migrations. It waits
  // as long as the script takes.
  absl::Status ExecuteScript(const std::string& sql);

  bool connected() const;
  absl::Status Reconnect();

 private:
  explicit Session(SessionOptions options);
  absl::StatusOr<std::vector<Rows>> Run(const std::vector<Statement>& statements);
  void RollBackIfOpen();
  void CloseIfLost();

  SessionOptions options_;
  pg_conn* connection_ = nullptr;
  std::unique_ptr<PreparedNames> prepared_;  // null with pgbouncer
};

// The SQLSTATE behind a status of this folder: "23505"; empty if it has none.
std::string SqlState(const absl::Status& status);

}  // namespace bursar::postgres
