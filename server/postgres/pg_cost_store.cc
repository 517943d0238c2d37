#include "postgres/pg_cost_store.h"

#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"
#include "history/latency.h"
#include "history/rollup.h"
#include "postgres/cost_sql.h"
#include "status_macros.h"
#include "usage/field_error.h"

namespace bursar::postgres {
namespace {

using history::CostQuery;
using history::CostRow;
using history::LatencyHistogram;

struct MeasuredRow {
  CostRow row;
  int64_t succeeded_calls = 0;
  int64_t latency_max_us = -1;  // -1: no latency was given
  LatencyHistogram latencies;
};

// The rates and percentiles, from the sums.
CostRow Finish(MeasuredRow measured) {
  CostRow& row = measured.row;
  row.success_rate = row.calls == 0 ? 0
                                    : static_cast<double>(measured.succeeded_calls) /
                                          static_cast<double>(row.calls);
  row.latency_p50 = measured.latencies.Percentile(0.50);
  row.latency_p95 = measured.latencies.Percentile(0.95);
  row.latency_p99 = measured.latencies.Percentile(0.99);
  const auto bound = measured.latencies.UpperBound();
  if (!bound || measured.latency_max_us < 0) return std::move(row);
  // Of a later page, the greatest may be a call that its first page had not seen.
  row.latency_max = std::min(absl::Microseconds(measured.latency_max_us), *bound);
  // Nothing is slower than the slowest, whatever a bucket's middle says.
  for (auto* percentile : {&row.latency_p50, &row.latency_p95, &row.latency_p99}) {
    *percentile = std::min(**percentile, *row.latency_max);
  }
  return std::move(row);
}

// In the order of kRollupSums.
MeasuredRow ReadMeasures(const Rows& rows, int row, int column) {
  MeasuredRow out;
  CostRow& sums = out.row;
  int64_t* const fields[] = {&sums.calls,
                             &out.succeeded_calls,
                             &sums.failed_calls,
                             &sums.retried_calls,
                             &sums.recovered_calls,
                             &sums.guardrail_hits,
                             &sums.unpriced_calls,
                             &sums.cost_nanousd,
                             &sums.estimated_nanousd,
                             &sums.cache_savings_nanousd};
  ++column;  // records
  for (int64_t* field : fields) *field = rows.Int(row, column++);
  for (int64_t& tokens : sums.tokens.tokens) tokens = rows.Int(row, column++);
  if (!rows.IsNull(row, column)) out.latency_max_us = rows.Int(row, column);
  out.latencies.Add(rows.Text(row, column + 1));
  return out;
}

MeasuredRow ReadRow(const Rows& rows, int row, const CostQuery& query,
                    std::span<const absl::Time> bucket_starts) {
  int column = 1;
  MeasuredRow out = ReadMeasures(rows, row, column + static_cast<int>(query.group_by.size()));
  if (query.bucket != history::Bucket::kNone) {
    out.row.bucket_start = bucket_starts[rows.Int(row, 0) - 1];
  }
  for (const auto& dimension : query.group_by) {
    out.row.group[dimension] = std::string(rows.Text(row, column++));
  }
  return out;
}

void AddTo(MeasuredRow& total, const MeasuredRow& part) {
  CostRow& sum = total.row;
  const CostRow& row = part.row;
  sum.calls += row.calls;
  total.succeeded_calls += part.succeeded_calls;
  sum.failed_calls += row.failed_calls;
  sum.retried_calls += row.retried_calls;
  sum.recovered_calls += row.recovered_calls;
  sum.guardrail_hits += row.guardrail_hits;
  sum.unpriced_calls += row.unpriced_calls;
  sum.cost_nanousd += row.cost_nanousd;
  sum.estimated_nanousd += row.estimated_nanousd;
  sum.cache_savings_nanousd += row.cache_savings_nanousd;
  sum.tokens += row.tokens;
  total.latency_max_us = std::max(total.latency_max_us, part.latency_max_us);
  total.latencies.Add(part.latencies);
}

// By latency_p95, which PostgreSQL does not know; rows without one last, equal ones as they came.
void SortByLatency(std::vector<CostRow>& rows, bool descending) {
  std::stable_sort(rows.begin(), rows.end(), [&](const CostRow& a, const CostRow& b) {
    if (!a.latency_p95 || !b.latency_p95) return a.latency_p95.has_value() && !b.latency_p95;
    return descending ? *a.latency_p95 > *b.latency_p95 : *a.latency_p95 < *b.latency_p95;
  });
}

// One question: first its time, then its rows, then the total unless the rows are all there is.
class CostReader {
 public:
  CostReader(Session& session, absl::string_view tenant, const CostQuery& query)
      : session_(session), tenant_(tenant), query_(query) {}

  absl::StatusOr<history::CostAnswer> Read() {
    RETURN_IF_ERROR(Begin());
    RETURN_IF_ERROR(ReadRows());
    if (answer_.more || query_.offset > 0) {
      RETURN_IF_ERROR(ReadTotal());
    } else {
      answer_.total = Finish(std::move(sum_));
    }
    RETURN_IF_ERROR(session_.Execute("COMMIT").status());
    return std::move(answer_);
  }

 private:
  absl::Status Begin() {
    ASSIGN_OR_RETURN(const auto begun,
                     session_.Pipeline({{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", {}},
                                        {"SELECT now(), pg_current_snapshot()", {}},
                                        {kUnmerged, Params().Text(tenant_)}}));
    unmerged_ = UnmergedOf(begun[2]);
    answer_.as_of = query_.as_of.value_or(begun[1].Time(0, 0));
    answer_.view = query_.as_of ? query_.view : std::string(begun[1].Text(0, 1));
    ASSIGN_OR_RETURN(range_, history::RangeOf(query_, answer_.as_of));
    bucket_starts_ = history::BucketStarts(query_, range_);
    return absl::OkStatus();
  }

  absl::Status ReadRows() {
    const bool by_latency = query_.order_by == "latency_p95";
    CostSql sql(tenant_, query_, range_, bucket_starts_, /*grouped=*/true, unmerged_);
    answer_.source = sql.source();
    const int limit = by_latency ? history::kSortedRowsMax + 1 : query_.page_size + 1;
    const std::string text = sql.Rows(limit, by_latency ? 0 : query_.offset);
    ASSIGN_OR_RETURN(const auto read, Ask(text, sql.TakeParams()));
    if (by_latency && read.size() > history::kSortedRowsMax) {
      return usage::FieldError(
          "order_by", absl::StrCat("cannot be latency_p95 for more than ", history::kSortedRowsMax,
                                   " rows; ask for fewer groups, or for another order"));
    }
    std::vector<CostRow> rows;
    for (int row = 0; row < read.size(); ++row) {
      MeasuredRow measured = ReadRow(read, row, query_, bucket_starts_);
      AddTo(sum_, measured);
      rows.push_back(Finish(std::move(measured)));
    }
    if (by_latency) {
      SortByLatency(rows, query_.descending);
      rows.erase(rows.begin(), rows.begin() + std::min<int64_t>(query_.offset, std::ssize(rows)));
    }
    answer_.more = rows.size() > static_cast<size_t>(query_.page_size);
    if (answer_.more) rows.resize(query_.page_size);
    answer_.rows = std::move(rows);
    return absl::OkStatus();
  }

  absl::Status ReadTotal() {
    CostQuery of_all = query_;
    of_all.bucket = history::Bucket::kNone;
    of_all.group_by.clear();
    const std::vector<absl::Time> one = history::BucketStarts(of_all, range_);
    CostSql sql(tenant_, of_all, range_, one, /*grouped=*/false, unmerged_);
    const std::string text = sql.Rows(1, 0);
    ASSIGN_OR_RETURN(const auto read, Ask(text, sql.TakeParams()));
    answer_.total = read.size() == 0 ? CostRow{} : Finish(ReadMeasures(read, 0, 1));
    return absl::OkStatus();
  }

  absl::StatusOr<Rows> Ask(const std::string& text, Params params) {
    std::vector<Statement> statements;
    statements.push_back({text.c_str(), std::move(params), /*once=*/true});
    auto read = session_.Pipeline(std::move(statements));
    if (SqlState(read.status()) == "22P02") return history::NoPageToken();  // no snapshot
    if (!read.ok()) return read.status();
    return std::move(read->front());
  }

  Session& session_;
  const absl::string_view tenant_;
  const CostQuery& query_;
  history::TimeRange range_;
  std::vector<absl::Time> bucket_starts_;
  std::vector<absl::Time> unmerged_;  // as of this snapshot
  MeasuredRow sum_;                   // of the rows that were read
  history::CostAnswer answer_;
};

}  // namespace

absl::StatusOr<history::CostAnswer> PgCostStore::Query(absl::string_view tenant,
                                                       const CostQuery& query) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  auto answer = CostReader(*session, tenant, query).Read();
  // What is refused between two statements leaves the transaction open.
  if (!answer.ok() && session->connected()) session->Execute("ROLLBACK").IgnoreError();
  return answer;
}

}  // namespace bursar::postgres
