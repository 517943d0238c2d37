#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "log.h"

namespace bursar {

enum class MigrateMode { kAuto, kOnly, kOff };

// Everything a user can set, each by flag --like-this, environment variable BURSAR_LIKE_THIS, or a
// line `like-this = value` in the file that --config (or BURSAR_CONFIG) names. A flag beats the
// environment, which beats the file; an empty environment variable counts as none.
struct Config {
  // --database-url, or the file that BURSAR_DATABASE_URL_FILE names. Empty: embedded PostgreSQL.
  std::string database_url;
  // --pgbouncer: the URL leads to pgbouncer, which pools by transaction.
  bool pgbouncer = false;
  // --data-dir: of the embedded PostgreSQL and the first key.
  std::string data_dir = "bursar-data";
  // --listen: gRPC, host:port; port 0 picks a free one.
  std::string listen = "127.0.0.1:50051";
  // --http: /metrics, /healthz, /readyz. Empty (--http=off): none.
  std::string http = "127.0.0.1:9464";
  // --admin-key-file: where the first start writes the admin key. ParseConfig fills in the default:
  // DATA_DIR/admin.key, or ~/.config/bursar/admin.key with a URL.
  std::string admin_key_file;
  // --migrate=auto|only|off
  MigrateMode migrate = MigrateMode::kAuto;
  // --insecure-no-auth: every caller is admin of tenant "default"; loopback only.
  bool insecure_no_auth = false;
  // --database-connections: ledger transactions at once, 1..64.
  int database_connections = 12;
  // --ledger-horizon, like 45d, 12h; 1h to 3650d.
  absl::Duration ledger_horizon = absl::Hours(24 * 45);
  // --drain-timeout, like 20s, up to 1h: from SIGTERM to the end of calls.
  absl::Duration drain_timeout = absl::Seconds(20);
  // --log-level=debug|info|warning|error
  LogLevel log_level = LogLevel::kInfo;
  // --log-format=json|text; default text on a terminal, else json.
  LogFormat log_format = LogFormat::kJson;
};

// Reads flags, environment and file. Errors: INVALID_ARGUMENT with one sentence that names the flag
// (or the variable, or the file's line), its value and what is allowed. OUT_OF_RANGE carries text
// to print with exit code 0 (--help, --version).
absl::StatusOr<Config> ParseConfig(int argc, const char* const* argv);

}  // namespace bursar
