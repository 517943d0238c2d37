#include "postgres/cost_sql.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "postgres/array.h"
#include "postgres/record_columns.h"
#include "postgres/rollup_columns.h"
#include "postgres/seen_by.h"
#include "usage/limits.h"

namespace bursar::postgres {
namespace {

using history::Grain;
using history::Stretch;

std::string SumList() {
  std::string list;
  for (const auto column : kRollupSums) absl::StrAppend(&list, "sum(", column, ")::bigint, ");
  return absl::StrCat(list, "max(latency_max_us), string_agg(latencies, ' ')");
}

std::string OrderText(const history::CostQuery& query) {
  std::string column = query.order_by;
  if (column == "cost") column = "sum(cost_nanousd)";
  if (column == "calls" || column == "failed_calls") {
    column = absl::StrCat("sum(", query.order_by, ")");
  }
  if (column == "tokens") {
    column.clear();
    for (int i = 0; i < usage::kTokenClasses; ++i) {
      const auto name = usage::TokenClassName(static_cast<usage::TokenClass>(i));
      absl::StrAppend(&column, i == 0 ? "" : " + ", "sum(", name, ")");
    }
  }
  if (column == "latency_p95") column = "bucket";  // sorted when the percentiles are known
  std::string text = absl::StrCat(column, query.descending ? " DESC" : " ASC",
                                  query.order_by == "bucket" ? ", sum(cost_nanousd) DESC" : "");
  absl::StrAppend(&text, ", 1");
  for (size_t i = 0; i < query.group_by.size(); ++i) absl::StrAppend(&text, ", ", i + 2);
  return text;
}

}  // namespace

std::vector<absl::Time> UnmergedOf(const Rows& rows) {
  std::vector<absl::Time> times;
  for (int row = 0; row < rows.size(); ++row) times.push_back(rows.Time(row, 0));
  return times;
}

CostSql::CostSql(absl::string_view tenant, const history::CostQuery& query,
                 const history::TimeRange& range, std::span<const absl::Time> bucket_starts,
                 bool grouped, std::span<const absl::Time> unmerged)
    : query_(query) {
  const history::Family* family = history::FamilyWith(history::DimensionsOf(query, grouped));
  stretches_ = history::Cover(range, bucket_starts, family);
  tenant_ = values_.Text(tenant);
  Array starts(Element::kTimestamptz);
  for (const absl::Time start : bucket_starts) starts.Time(start);
  buckets_ = values_.Add(starts) + "::timestamptz[]";
  for (const auto& dimension : query.group_by) keys_.push_back(Dimension(dimension));
  for (const auto& filter : query.filters) {
    Array allowed(Element::kText);
    for (const auto& value : filter.values) allowed.Text(value);
    const std::string expression = Dimension(filter.dimension);
    absl::StrAppend(&filters_, " AND ", filter.exclude ? "NOT " : "", expression, " = ANY (",
                    values_.Add(allowed), "::text[])");
  }
  const auto of_records = [](const Stretch& s) { return s.grain == Grain::kRecord; };
  if (family != nullptr && !std::all_of(stretches_.begin(), stretches_.end(), of_records)) {
    AddRollups(*family);
    if (!unmerged.empty()) AddUnmerged(unmerged);
  }
  if (std::any_of(stretches_.begin(), stretches_.end(), of_records)) AddRecords();
  if (range.end < range.summed_until) TakeAwayLater(range);
  if (query.as_of) TakeAwayUnseen(range);
}

std::string CostSql::Rows(int limit, int64_t offset) const {
  std::string group = "1";
  for (size_t i = 0; i < keys_.size(); ++i) absl::StrAppend(&group, ", ", i + 2);
  std::string keys;
  for (size_t i = 0; i < keys_.size(); ++i) absl::StrAppend(&keys, "k", i, ", ");
  static const std::string sums = SumList();
  return absl::StrCat("SELECT bucket, ", keys, sums, " FROM (", absl::StrJoin(arms_, " UNION ALL "),
                      ") counted GROUP BY ", group, " HAVING sum(records) > 0 ORDER BY ",
                      OrderText(query_), " LIMIT ", limit, " OFFSET ", offset);
}

// The same in the rollups as in the records.
std::string CostSql::Dimension(absl::string_view dimension) {
  if (dimension == "guardrail") return "coalesce(guardrail, '')";
  return RecordDimension(dimension, values_);
}

// The stretches that the records, or that rollups answer: (grain, first, last).
std::string CostSql::StretchTable(bool of_records) {
  Array grains(Element::kSmallint), firsts(Element::kTimestamptz), lasts(Element::kTimestamptz);
  for (const Stretch& stretch : stretches_) {
    if ((stretch.grain == Grain::kRecord) != of_records) continue;
    grains.Int(static_cast<int>(stretch.grain));
    firsts.Time(stretch.start);
    lasts.Time(stretch.end);
  }
  return absl::StrCat("unnest(", values_.Add(grains), "::smallint[], ", values_.Add(firsts),
                      "::timestamptz[], ", values_.Add(lasts),
                      "::timestamptz[]) AS stretch(grain, first, last)");
}

// OFFSET 0 keeps each source a subquery of its own: found by its index for each stretch, whatever
// the planner makes of the number of stretches.
std::string CostSql::Arm(const std::string& from, const std::string& time, bool taken_away) const {
  std::string columns = absl::StrCat("SELECT width_bucket(", time, ", ", buckets_, ") AS bucket, ");
  for (size_t i = 0; i < keys_.size(); ++i) absl::StrAppend(&columns, keys_[i], " AS k", i, ", ");
  for (const auto column : kRollupSums) {
    absl::StrAppend(&columns, taken_away ? "-" : "", column, " AS ", column, ", ");
  }
  absl::StrAppend(&columns, "latency_max_us, latencies",
                  taken_away ? " || ':-1' AS latencies" : "");
  return absl::StrCat(columns, " FROM ", from);
}

void CostSql::AddRollups(const history::Family& family) {
  arms_.push_back(
      Arm(absl::StrCat(StretchTable(false), " CROSS JOIN LATERAL (SELECT * FROM rollup ",
                       "WHERE tenant_id = ", tenant_, " AND family = ", family.number,
                       "::smallint AND grain = stretch.grain AND start_time >= stretch.first "
                       "AND start_time < stretch.last",
                       filters_, " OFFSET 0) r"),
          "start_time", false));
}

void CostSql::AddRecords() {
  const auto first = std::find_if(stretches_.begin(), stretches_.end(),
                                  [](const Stretch& s) { return s.grain == Grain::kRecord; });
  arms_.push_back(
      Arm(absl::StrCat(StretchTable(true), " CROSS JOIN LATERAL (SELECT * FROM counted_usage ",
                       "WHERE tenant_id = ", tenant_,
                       " AND charge_time >= stretch.first AND charge_time < stretch.last "
                       "AND receive_time >= ",
                       values_.Time(first->start - usage::kFutureMax), "::timestamptz", filters_,
                       " OFFSET 0) r"),
          "charge_time", false));
}

void CostSql::AddUnmerged(std::span<const absl::Time> unmerged) {
  Array times(Element::kTimestamptz);
  for (const absl::Time time : unmerged) times.Time(time);
  arms_.push_back(
      Arm(absl::StrCat("(SELECT * FROM counted_usage WHERE tenant_id = ", tenant_,
                       " AND receive_time = ANY (", values_.Add(times), "::timestamptz[])",
                       filters_, " OFFSET 0) r JOIN ", StretchTable(false),
                       " ON charge_time >= stretch.first AND charge_time < stretch.last"),
          "charge_time", false));
}

void CostSql::TakeAwayLater(const history::TimeRange& range) {
  arms_.push_back(
      Arm(absl::StrCat("(SELECT * FROM counted_usage WHERE tenant_id = ", tenant_,
                       " AND charge_time >= ", values_.Time(range.end), " AND charge_time < ",
                       values_.Time(range.summed_until), " AND receive_time >= ",
                       values_.Time(range.end - usage::kFutureMax), filters_, " OFFSET 0) r"),
          "charge_time", true));
}

// Every sum can be taken back, and a histogram's counts; the greatest latency cannot.
void CostSql::TakeAwayUnseen(const history::TimeRange& range) {
  const std::string as_of = values_.Time(*query_.as_of), view = values_.Text(query_.view);
  arms_.push_back(
      Arm(absl::StrCat("(SELECT * FROM counted_usage WHERE tenant_id = ", tenant_,
                       " AND receive_time >= ", as_of, "::timestamptz - interval '1 minute'",
                       " AND charge_time >= ", values_.Time(range.start), " AND charge_time < ",
                       values_.Time(range.end), filters_, " AND NOT ",
                       SeenBy(as_of, view, "written_by"), " OFFSET 0) r"),
          "charge_time", true));
}

}  // namespace bursar::postgres
