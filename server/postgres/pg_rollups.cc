#include "postgres/pg_rollups.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "history/rollup.h"
#include "postgres/rollup_columns.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

using history::Family;
using history::Grain;

constexpr char kDue[] =
    "SELECT tenant_id FROM unmerged_batch GROUP BY tenant_id "
    "HAVING sum(records) >= 2000 OR min(receive_time) < now() - interval '5 seconds' "
    "ORDER BY sum(records) DESC";

// One replica at a time for each tenant, so that nobody waits for a row of another's merge.
constexpr char kAlone[] =
    "SELECT pg_try_advisory_xact_lock(hashtext('bursar rollups'), hashtext($1))";

// So many records at most in a transaction, a little more with the last batch.
constexpr int64_t kRecordsMax = 20'000;

// The oldest batches, together as many records; then the records.
constexpr char kTaken[] =
    "WITH taken AS (DELETE FROM unmerged_batch WHERE tenant_id = $1 AND receive_time IN ("
    "SELECT receive_time FROM (SELECT receive_time, "
    "sum(records) OVER (ORDER BY receive_time) - records AS before FROM ("
    "SELECT * FROM unmerged_batch WHERE tenant_id = $1 ORDER BY receive_time LIMIT 10000) oldest"
    ") running WHERE before < $2::bigint) RETURNING receive_time), "
    "used AS MATERIALIZED (SELECT u.*, date_trunc('hour', u.charge_time, 'UTC') AS hour, "
    "date_trunc('day', u.charge_time, 'UTC') AS day FROM taken CROSS JOIN LATERAL ("
    "SELECT * FROM counted_usage WHERE tenant_id = $1 AND receive_time = taken.receive_time "
    "OFFSET 0) u)";

bool Keeps(const Family& family, absl::string_view dimension) {
  return std::find(family.dimensions.begin(), family.dimensions.end(), dimension) !=
         family.dimensions.end();
}

// Every dimension's column, NULL where the family has it not; with a comma behind each.
std::string DimensionList(const Family* family) {
  std::string list;
  for (const auto& [dimension, column, type] : kRollupDimensions) {
    if (family == nullptr || Keeps(*family, dimension)) {
      absl::StrAppend(&list, column, ", ");
    } else {
      absl::StrAppend(&list, "NULL::", type, " AS ", column, ", ");
    }
  }
  return list;
}

std::string SumList() {
  std::string list;
  for (const auto column : kRollupSums) {
    absl::StrAppend(&list, "sum(", column, ")::bigint AS ", column, ", ");
  }
  return absl::StrCat(list,
                      "max(latency_max_us) AS latency_max_us, "
                      "string_agg(latencies, ' ') AS latencies");
}

// The finest rows of each family, from the records.
std::string FinestRows() {
  std::vector<std::string> arms;
  for (const Family& family : history::Families()) {
    const absl::string_view start = family.finest == Grain::kDay ? "day" : "hour";
    std::string keys(start);
    for (const auto& [dimension, column, type] : kRollupDimensions) {
      if (Keeps(family, dimension)) absl::StrAppend(&keys, ", ", column);
    }
    arms.push_back(absl::StrCat("SELECT ", family.number, "::smallint AS family, ",
                                static_cast<int>(family.finest), "::smallint AS grain, ", start,
                                " AS start_time, ", DimensionList(&family), SumList(),
                                " FROM used GROUP BY ", keys));
  }
  return absl::StrJoin(arms, " UNION ALL ");
}

// Those of the next grain, of the families that have it, from the finer ones.
std::string CoarserRows(Grain grain, const std::string& from) {
  std::vector<std::string> families;
  for (const Family& family : history::Families()) {
    if (family.finest < grain && grain <= family.coarsest) {
      families.push_back(absl::StrCat(family.number));
    }
  }
  std::string keys = "1, 2, 3";
  for (size_t i = 0; i < std::size(kRollupDimensions); ++i) absl::StrAppend(&keys, ", ", i + 4);
  return absl::StrCat("SELECT family, ", static_cast<int>(grain), "::smallint AS grain, ",
                      "date_trunc('", grain == Grain::kDay ? "day" : "month",
                      "', start_time, 'UTC') AS start_time, ", DimensionList(nullptr), SumList(),
                      " FROM ", from, " WHERE family IN (", absl::StrJoin(families, ", "),
                      ") GROUP BY ", keys);
}

// What a row is told apart by, besides its family, grain and time.
std::string RowId() {
  std::vector<absl::string_view> columns;
  for (const auto& dimension : kRollupDimensions) columns.push_back(dimension.column);
  return absl::StrCat("md5(ROW(", absl::StrJoin(columns, ", "), ")::text)::uuid");
}

// Histograms grow by being written one behind the other, and are made short now and then.
constexpr char kLatencies[] =
    "latencies = CASE WHEN length(r.latencies) + length(excluded.latencies) > 1500 "
    "THEN compact_latencies(r.latencies || ' ' || excluded.latencies) "
    "ELSE coalesce(r.latencies || ' ' || excluded.latencies, r.latencies, excluded.latencies) END";

std::string Upsert() {
  std::string columns, sets;
  for (const auto& dimension : kRollupDimensions) {
    absl::StrAppend(&columns, dimension.column, ", ");
  }
  for (const auto column : kRollupSums) {
    absl::StrAppend(&columns, column, ", ");
    absl::StrAppend(&sets, column, " = r.", column, " + excluded.", column, ", ");
  }
  return absl::StrCat(
      "INSERT INTO rollup AS r (tenant_id, family, grain, start_time, id, ", columns,
      "latency_max_us, latencies) SELECT $1, family, grain, start_time, ", RowId(), ", ", columns,
      "latency_max_us, CASE WHEN length(latencies) > 1500 THEN compact_latencies(latencies) "
      "ELSE latencies END FROM ("
      "SELECT * FROM finest UNION ALL SELECT * FROM days UNION ALL SELECT * FROM months) all_rows "
      "ON CONFLICT (tenant_id, family, grain, start_time, id) DO UPDATE SET ",
      sets, "latency_max_us = greatest(r.latency_max_us, excluded.latency_max_us), ", kLatencies);
}

std::string MergeSql() {
  return absl::StrCat(
      kTaken, ", finest AS MATERIALIZED (", FinestRows(), "), days AS MATERIALIZED (",
      CoarserRows(Grain::kDay, "finest"), "), months AS (",
      CoarserRows(Grain::kMonth,
                  "(SELECT * FROM days UNION ALL SELECT * FROM finest WHERE grain = 2) by_day"),
      "), merged AS (", Upsert(), " RETURNING 1) ",
      "SELECT (SELECT count(*) FROM used), (SELECT count(*) FROM merged)");
}

// How many records it was.
absl::StatusOr<int64_t> MergeOnce(Session& session, const std::string& tenant,
                                  int64_t records_max) {
  static const std::string merge = MergeSql();
  ASSIGN_OR_RETURN(auto alone, session.Pipeline({{"BEGIN", {}}, {kAlone, Params().Text(tenant)}}));
  if (!alone[1].Bool(0, 0)) {
    RETURN_IF_ERROR(session.Execute("ROLLBACK").status());
    return 0;
  }
  // Planned each time: a plan that was made while the tables were young would scan them.
  ASSIGN_OR_RETURN(auto merged,
                   session.Pipeline({{merge.c_str(), Params().Text(tenant).Int(records_max),
                                      /*once=*/true},
                                     {"COMMIT", {}}}));
  return merged[0].Int(0, 0);
}

}  // namespace

absl::Status MergeRollups(Session& session, const std::function<bool()>& stopping) {
  absl::Status first;
  bool more = true;
  while (more && !stopping()) {
    more = false;
    ASSIGN_OR_RETURN(const Rows due, session.Execute(kDue));
    for (int row = 0; row < due.size() && !stopping(); ++row) {
      const std::string tenant(due.Text(row, 0));
      auto merged = MergeOnce(session, tenant, kRecordsMax);
      // Too long for one transaction: a tenth of it, next time more again.
      if (SqlState(merged.status()) == "57014") {
        merged = MergeOnce(session, tenant, kRecordsMax / 10);
      }
      if (!merged.ok() && !session.connected()) return merged.status();
      if (first.ok()) first = merged.status();
      more = more || (merged.ok() && *merged >= kRecordsMax / 10);
    }
  }
  return first;
}

}  // namespace bursar::postgres
