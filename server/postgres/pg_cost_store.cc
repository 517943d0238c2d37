#include "postgres/pg_cost_store.h"

#include "absl/strings/str_cat.h"
#include "postgres/placeholders.h"
#include "postgres/record_columns.h"
#include "postgres/seen_by.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

using history::Bucket;
using history::CostQuery;
using history::CostRow;

// What is summed, in the order that ReadRow expects. An adjustment has the dimensions of its
// record, and changes its cost and tokens; the call and all that happened in it are counted once.
constexpr char kMeasures[] =
    "coalesce(sum(calls), 0)::bigint AS calls, "
    "count(*) FILTER (WHERE outcome = 2 AND adjusts IS NULL) AS failed_calls, "
    "count(*) FILTER (WHERE attempt > 1) AS retried_calls, "
    "count(*) FILTER (WHERE attempt > 1 AND outcome = 1) AS recovered_calls, "
    "coalesce(sum(jsonb_array_length(guardrails)) FILTER (WHERE adjusts IS NULL), 0)::bigint "
    "AS guardrail_hits, "
    "coalesce(sum(cost_nanousd), 0)::bigint AS cost, "
    "coalesce(sum(unpriced), 0)::bigint AS unpriced_calls, "
    "coalesce(sum(cost_nanousd) FILTER (WHERE cost_basis <> 1), 0)::bigint AS estimated, "
    "count(*) FILTER (WHERE outcome = 1 AND adjusts IS NULL) AS succeeded, "
    "percentile_disc(0.50) WITHIN GROUP (ORDER BY latency_us) AS latency_p50, "
    "percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_us) AS latency_p95, "
    "percentile_disc(0.99) WITHIN GROUP (ORDER BY latency_us) AS latency_p99, "
    "max(latency_us) AS latency_max";
constexpr int kMeasureCount = 13;

absl::string_view BucketUnit(Bucket bucket) {
  static constexpr absl::string_view kUnits[] = {"", "hour", "day", "week", "month"};
  return kUnits[static_cast<int>(bucket)];
}

// One SQL text and its parameters, grown together.
class CostSql {
 public:
  CostSql(absl::string_view tenant, const CostQuery& query) : query_(query) {
    where_ = absl::StrCat("tenant_id = ", values_.Text(tenant),
                          " AND charge_time >= ", values_.Time(query.start), " AND charge_time < ",
                          query.end == absl::InfiniteFuture() ? "now()" : values_.Time(query.end));
    if (query.as_of) {
      absl::StrAppend(&where_, " AND ",
                      SeenBy(values_.Time(*query.as_of), values_.Text(query.view)));
    }
    for (const auto& filter : query.filters) {
      absl::StrAppend(&where_, " AND ", RecordFilter(filter, values_));
    }
  }

  std::string Rows(int limit) {
    std::string keys;
    if (query_.bucket != Bucket::kNone) {
      absl::StrAppend(&keys, "date_trunc('", BucketUnit(query_.bucket), "', charge_time, ",
                      values_.Text(query_.time_zone), ") AS bucket, ");
    }
    std::string group;
    const size_t key_count = query_.group_by.size() + (query_.bucket != Bucket::kNone ? 1 : 0);
    for (const auto& dimension : query_.group_by) {
      absl::StrAppend(&keys, RecordDimension(dimension, values_), ", ");
    }
    std::string positions;
    for (size_t i = 1; i <= key_count; ++i) {
      absl::StrAppend(&positions, i == 1 ? "" : ", ", i);
    }
    const std::string direction = query_.descending ? " DESC NULLS LAST" : " ASC NULLS LAST";
    const std::string tie_break = query_.order_by == "bucket" ? ", cost DESC" : "";
    return absl::StrCat(
        "SELECT ", keys, kMeasures, TokenSums(), " FROM usage_record WHERE ", where_,
        key_count == 0 ? " HAVING count(*) > 0" : absl::StrCat(" GROUP BY ", positions),
        " ORDER BY ", query_.order_by, direction, tie_break,
        key_count == 0 ? "" : absl::StrCat(", ", positions), " LIMIT ", limit, " OFFSET ",
        query_.offset);
  }

  std::string Total() const {
    return absl::StrCat("SELECT ", kMeasures, TokenSums(), " FROM usage_record WHERE ", where_);
  }

  Params TakeParams() { return values_.Take(); }

 private:
  // Each class, then all of them as "tokens" to order by.
  static std::string TokenSums() {
    std::string sums, all;
    for (int i = 0; i < usage::kTokenClasses; ++i) {
      const auto name = usage::TokenClassName(static_cast<usage::TokenClass>(i));
      absl::StrAppend(&sums, ", coalesce(sum(", name, "), 0)::bigint");
      absl::StrAppend(&all, i == 0 ? "" : " + ", name);
    }
    return absl::StrCat(sums, ", coalesce(sum(", all, "), 0)::bigint AS tokens");
  }

  const CostQuery& query_;
  Placeholders values_;
  std::string where_;
};

std::optional<absl::Duration> Micros(const Rows& rows, int row, int column) {
  if (rows.IsNull(row, column)) return std::nullopt;
  return absl::Microseconds(rows.Int(row, column));
}

void ReadMeasures(const Rows& rows, int row, int first, CostRow& out) {
  out.calls = rows.Int(row, first);
  out.failed_calls = rows.Int(row, first + 1);
  out.retried_calls = rows.Int(row, first + 2);
  out.recovered_calls = rows.Int(row, first + 3);
  out.guardrail_hits = rows.Int(row, first + 4);
  out.cost_nanousd = rows.Int(row, first + 5);
  out.unpriced_calls = rows.Int(row, first + 6);
  out.estimated_nanousd = rows.Int(row, first + 7);
  const int64_t succeeded = rows.Int(row, first + 8);
  out.success_rate =
      out.calls == 0 ? 0 : static_cast<double>(succeeded) / static_cast<double>(out.calls);
  out.latency_p50 = Micros(rows, row, first + 9);
  out.latency_p95 = Micros(rows, row, first + 10);
  out.latency_p99 = Micros(rows, row, first + 11);
  out.latency_max = Micros(rows, row, first + 12);
  for (int i = 0; i < usage::kTokenClasses; ++i) {
    out.tokens.tokens[i] = rows.Int(row, first + kMeasureCount + i);
  }
}

CostRow ReadRow(const Rows& rows, int row, const CostQuery& query) {
  CostRow out;
  int column = 0;
  if (query.bucket != Bucket::kNone) out.bucket_start = rows.Time(row, column++);
  for (const auto& dimension : query.group_by) {
    out.group[dimension] = std::string(rows.Text(row, column++));
  }
  ReadMeasures(rows, row, column, out);
  return out;
}

}  // namespace

absl::StatusOr<history::CostAnswer> PgCostStore::Query(absl::string_view tenant,
                                                       const CostQuery& query) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  CostSql for_rows(tenant, query), for_total(tenant, query);
  const std::string rows_sql = for_rows.Rows(query.page_size + 1), total_sql = for_total.Total();
  std::vector<Statement> statements;
  statements.push_back({"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", {}});
  statements.push_back({"SELECT now(), pg_current_snapshot()", {}});
  statements.push_back({rows_sql.c_str(), for_rows.TakeParams(), /*once=*/true});
  statements.push_back({total_sql.c_str(), for_total.TakeParams(), /*once=*/true});
  statements.push_back({"COMMIT", {}});
  auto answered = session->Pipeline(std::move(statements));
  if (SqlState(answered.status()) == "22P02") return history::NoPageToken();  // no snapshot
  if (!answered.ok()) return answered.status();
  const std::vector<Rows>& results = *answered;
  history::CostAnswer answer{.as_of = query.as_of.value_or(results[1].Time(0, 0)),
                             .view = query.as_of ? query.view : std::string(results[1].Text(0, 1)),
                             .source = "events"};
  for (int row = 0; row < results[2].size(); ++row) {
    answer.rows.push_back(ReadRow(results[2], row, query));
  }
  if (answer.rows.size() > static_cast<size_t>(query.page_size)) {
    answer.more = true;
    answer.rows.pop_back();
  }
  ReadMeasures(results[3], 0, 0, answer.total);
  return answer;
}

}  // namespace bursar::postgres
