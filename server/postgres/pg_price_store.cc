#include "postgres/pg_price_store.h"

#include "absl/strings/str_cat.h"
#include "postgres/error.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

constexpr char kListVersions[] =
    "SELECT tenant_id, version, create_time FROM price_book ORDER BY tenant_id, version";

constexpr char kReadDocument[] =
    "SELECT document FROM price_book WHERE tenant_id = $1 AND version = $2";

// Nothing where another version came first, or the first one would be of no tenant.
constexpr char kAppend[] =
    "INSERT INTO price_book (tenant_id, version, document, create_time) "
    "SELECT $1, $2 + 1, $3, clock_timestamp() "
    "WHERE $2 = (SELECT coalesce(max(version), 0) FROM price_book WHERE tenant_id = $1) "
    "AND ($1 = '' OR EXISTS (SELECT FROM tenant WHERE tenant_id = $1)) "
    "ON CONFLICT DO NOTHING RETURNING version, create_time";

}  // namespace

absl::StatusOr<std::vector<pricing::PriceVersion>> PgPriceStore::ListVersions() {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  ASSIGN_OR_RETURN(const Rows rows, session->Execute(kListVersions));
  std::vector<pricing::PriceVersion> versions;
  for (int row = 0; row < rows.size(); ++row) {
    versions.push_back({std::string(rows.Text(row, 0)), rows.Int(row, 1), rows.Time(row, 2)});
  }
  return versions;
}

absl::StatusOr<std::string> PgPriceStore::ReadDocument(absl::string_view owner, int64_t version) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  ASSIGN_OR_RETURN(const Rows rows,
                   session->Execute(kReadDocument, Params().Text(owner).Int(version)));
  if (rows.size() == 0) {
    return absl::NotFoundError(absl::StrCat("there is no price version ", version));
  }
  return std::string(rows.Text(0, 0));
}

absl::StatusOr<pricing::PriceVersion> PgPriceStore::Append(absl::string_view owner, int64_t newest,
                                                           absl::string_view document) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  ASSIGN_OR_RETURN(const Rows rows,
                   session->Execute(kAppend, Params().Text(owner).Int(newest).Text(document)));
  if (rows.size() == 0) return absl::AbortedError("another version came first");
  return pricing::PriceVersion{std::string(owner), rows.Int(0, 0), rows.Time(0, 1)};
}

}  // namespace bursar::postgres
