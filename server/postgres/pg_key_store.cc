#include "postgres/pg_key_store.h"

#include "absl/strings/escaping.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

constexpr char kListLive[] =
    "SELECT key_id, tenant_id, display_name, role, encode(secret_sha256, 'hex'), create_time, "
    "expire_time, revoke_time FROM api_key "
    "WHERE coalesce(expire_time, 'infinity') > now() AND coalesce(revoke_time, 'infinity') > now()";

constexpr char kLockKeys[] = "LOCK TABLE api_key IN SHARE ROW EXCLUSIVE MODE";

constexpr char kInsertFirst[] =
    "INSERT INTO api_key (key_id, tenant_id, display_name, role, secret_sha256) "
    "SELECT $1, $2, $3, $4, decode($5, 'hex') WHERE NOT EXISTS (SELECT FROM api_key) RETURNING 1";

}  // namespace

absl::StatusOr<std::vector<access::ApiKey>> PgKeyStore::ListLive() {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  ASSIGN_OR_RETURN(const Rows rows, session->Execute(kListLive));
  std::vector<access::ApiKey> keys;
  for (int row = 0; row < rows.size(); ++row) {
    keys.push_back({.id = std::string(rows.Text(row, 0)),
                    .tenant = std::string(rows.Text(row, 1)),
                    .display_name = std::string(rows.Text(row, 2)),
                    .role = static_cast<access::Role>(rows.Int(row, 3)),
                    .secret_sha256 = absl::HexStringToBytes(rows.Text(row, 4)),
                    .create_time = rows.Time(row, 5),
                    .expire_time = rows.Time(row, 6),
                    .revoke_time = rows.Time(row, 7)});
  }
  return keys;
}

absl::StatusOr<bool> PgKeyStore::InsertFirst(const access::ApiKey& key) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  Params params;
  params.Text(key.id).Text(key.tenant).Text(key.display_name).Int(static_cast<int>(key.role));
  params.Text(absl::BytesToHexString(key.secret_sha256));
  std::vector<Statement> statements;
  statements.push_back({"BEGIN", {}});
  statements.push_back({kLockKeys, {}});
  statements.push_back({kInsertFirst, std::move(params)});
  statements.push_back({"COMMIT", {}});
  ASSIGN_OR_RETURN(auto results, session->Pipeline(std::move(statements)));
  return results[2].size() == 1;
}

}  // namespace bursar::postgres
