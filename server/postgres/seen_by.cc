#include "postgres/seen_by.h"

#include "absl/strings/str_cat.h"

namespace bursar::postgres {

std::string SeenBy(const std::string& as_of, const std::string& snapshot,
                   const std::string& written_by) {
  const std::string newest =
      absl::StrCat("pg_snapshot_xmax(", snapshot, "::pg_snapshot)::text::bigint");
  return absl::StrCat("CASE WHEN receive_time < ", as_of, "::timestamptz - interval '1 minute' ",
                      "THEN true ELSE pg_visible_in_snapshot((", newest, " + ((", written_by,
                      "::text::bigint - ", newest,
                      " + 2147483648) & 4294967295) - 2147483648)::text::xid8, ", snapshot,
                      "::pg_snapshot) END");
}

}  // namespace bursar::postgres
