#include "postgres/pg_usage_view.h"

#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "history/cost_query.h"
#include "postgres/array.h"
#include "postgres/json.h"
#include "postgres/record_columns.h"
#include "postgres/seen_by.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

using history::FirstLook;
using history::KeptRecord;
using history::UsageQuery;
using ledger::Filter;
using ledger::Id;

// A filter by run that the index of runs can answer.
bool FindsByRun(const Filter& filter) {
  return filter.dimension == "run" && !filter.exclude &&
         std::find(filter.values.begin(), filter.values.end(), "") == filter.values.end();
}

std::string IsOneOf(absl::string_view column, const std::vector<std::string>& of,
                    Placeholders& values) {
  Array texts(Element::kText);
  for (const auto& value : of) texts.Text(value);
  return absl::StrCat(column, " = ANY (", values.Add(texts), "::text[])");
}

// The rows of a page, one more than it has. A trace or a run is few records among many, found by
// its own index: `tenant_id || ''` keeps a plan from walking all of the tenant's by charge time
// until it has met enough of them.
std::string PageSql(absl::string_view tenant, const UsageQuery& query, Placeholders& values) {
  const bool by_run = std::any_of(query.filters.begin(), query.filters.end(), FindsByRun);
  const bool few = by_run || !query.trace_id.empty();
  std::string where = absl::StrCat(few ? "tenant_id || '' = " : "tenant_id = ", values.Text(tenant),
                                   " AND charge_time >= ", values.Time(query.start),
                                   "::timestamptz AND charge_time < ");
  const bool open = query.end == absl::InfiniteFuture();
  if (!open || query.after) {
    absl::StrAppend(&where, values.Time(open ? query.after->look.as_of : query.end),
                    "::timestamptz");
  } else {
    absl::StrAppend(&where, "now()");
  }
  if (!query.trace_id.empty()) {
    absl::StrAppend(&where,
                    " AND trace_id IS NOT NULL AND trace_id = ", values.Text(query.trace_id));
  }
  for (const Filter& filter : query.filters) {
    absl::StrAppend(&where, " AND ",
                    FindsByRun(filter) ? IsOneOf("run IS NOT NULL AND run", filter.values, values)
                                       : RecordFilter(filter, values));
  }
  if (query.after) {
    const UsageQuery::Place& after = *query.after;
    absl::StrAppend(&where, " AND (charge_time, id) > (", values.Time(after.last.time),
                    "::timestamptz, ", values.Text(ledger::ToUuid(after.last.id)), "::uuid) AND ",
                    SeenBy(values.Time(after.look.as_of), values.Text(after.look.snapshot)));
  }
  return absl::StrCat("SELECT * FROM usage_record WHERE ", where,
                      " ORDER BY charge_time, id LIMIT ", query.page_size + 1);
}

// What an adjustment corrects counts at the same time as it.
std::string UsageSql(absl::string_view tenant, const UsageQuery& query, Placeholders& values) {
  return absl::StrCat(
      "SELECT r.id, r.charge_time, r.receive_time, r.usage_id, r.reservation_id, r.occur_time, "
      "r.attempt, r.latency_us, r.first_token_us, r.trace_id, r.span_id, r.parent_span_id, "
      "r.provider_request_id, r.cost_basis, r.price_version, "
      "array_to_string(r.charged_counters, ','), array_to_string(r.charged_amounts, ','), "
      "target.usage_id, r.adjust_reason, " BURSAR_CALL ", " BURSAR_AMOUNTS " FROM (",
      PageSql(tenant, query, values),
      ") r LEFT JOIN LATERAL (SELECT t.usage_id FROM usage_record t WHERE r.adjusts IS NOT NULL "
      "AND t.tenant_id = r.tenant_id AND t.charge_time = r.charge_time AND t.id = r.adjusts) "
      "target ON true ORDER BY r.charge_time, r.id");
}

std::optional<absl::Duration> Micros(const Rows& rows, int row, int column) {
  if (rows.IsNull(row, column)) return std::nullopt;
  return absl::Microseconds(rows.Int(row, column));
}

KeptRecord ReadRecord(const Rows& rows, int row) {
  KeptRecord kept;
  usage::UsageRecord& used = kept.usage;
  auto text = [&](int column) { return std::string(rows.Text(row, column)); };
  kept.charge_time = rows.Time(row, 1);
  kept.receive_time = rows.Time(row, 2);
  used.usage_id = text(3);
  used.reservation_id = text(4);
  if (!rows.IsNull(row, 5)) used.occur_time = rows.Time(row, 5);
  used.attempt = static_cast<int32_t>(rows.Int(row, 6));
  used.latency = Micros(rows, row, 7);
  used.time_to_first_token = Micros(rows, row, 8);
  used.trace = {text(9), text(10), text(11)};
  used.provider_request_id = text(12);
  kept.answer.cost_basis = static_cast<usage::CostBasis>(rows.Int(row, 13));
  kept.answer.price_version = text(14);
  kept.adjusts = text(17);
  kept.adjust_reason = text(18);
  ReadAmounts(rows, row, ReadCall(rows, row, 19, used), kept.answer);
  return kept;
}

// What each record charged; the counters are looked up together.
class Charges {
 public:
  void Add(size_t record, absl::string_view counters, absl::string_view amounts) {
    const std::vector<absl::string_view> ids = absl::StrSplit(counters, ',', absl::SkipEmpty());
    const std::vector<absl::string_view> numbers = absl::StrSplit(amounts, ',', absl::SkipEmpty());
    for (size_t i = 0; i < std::min(ids.size(), numbers.size()); ++i) {
      Charge charge{record, ledger::FromUuid(ids[i]), 0};
      if (absl::SimpleAtoi(numbers[i], &charge.amount)) charges_.push_back(charge);
    }
  }

  // A counter that is older than the ledger's horizon may be gone, and its charge is left out.
  absl::Status Fill(Session& session, absl::string_view tenant,
                    std::vector<KeptRecord>& records) const {
    static constexpr char kCounters[] =
        "SELECT c.id, b.budget_id, b.display_name, c.group_values, b.unit, b.mode, c.window_start, "
        "c.window_end FROM counter c JOIN budget b ON b.uid = c.budget_uid AND b.tenant_id = $1 "
        "WHERE c.id = ANY ($2::uuid[]) AND c.tenant_id = $1";
    std::map<Id, ledger::BudgetStatus> counters;
    for (const Charge& charge : charges_) counters[charge.counter];
    if (counters.empty()) return absl::OkStatus();
    Array ids(Element::kUuid);
    for (const auto& [id, status] : counters) ids.Id(id);
    ASSIGN_OR_RETURN(const Rows rows, session.Execute(kCounters, Params().Text(tenant).Add(ids)));
    for (int row = 0; row < rows.size(); ++row) {
      counters[ledger::FromUuid(rows.Text(row, 0))] = {
          .budget_id = std::string(rows.Text(row, 1)),
          .display_name = std::string(rows.Text(row, 2)),
          .group = DecodeTexts(rows.Text(row, 3)),
          .unit = static_cast<ledger::Unit>(rows.Int(row, 4)),
          .mode = static_cast<ledger::Mode>(rows.Int(row, 5)),
          .window_start = rows.Time(row, 6),
          .window_end = rows.Time(row, 7)};
    }
    for (const Charge& charge : charges_) {
      ledger::BudgetStatus status = counters[charge.counter];
      if (status.budget_id.empty() || charge.record >= records.size()) continue;
      status.spent = charge.amount;
      records[charge.record].answer.budgets.push_back(std::move(status));
    }
    return absl::OkStatus();
  }

 private:
  struct Charge {
    size_t record;
    Id counter;
    int64_t amount;
  };
  std::vector<Charge> charges_;
};

}  // namespace

absl::StatusOr<history::UsagePage> PgUsageView::ListUsage(absl::string_view tenant,
                                                          const UsageQuery& query) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  Placeholders values;
  const std::string sql = UsageSql(tenant, query, values);
  std::vector<Statement> statements;
  statements.push_back({"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", {}});
  statements.push_back({"SELECT now(), pg_current_snapshot()", {}});
  statements.push_back({sql.c_str(), values.Take(), /*once=*/true});
  statements.push_back({"COMMIT", {}});
  auto answered = session->Pipeline(std::move(statements));
  if (SqlState(answered.status()) == "22P02") return history::NoPageToken();  // no snapshot
  if (!answered.ok()) return answered.status();
  const Rows& now = (*answered)[1];
  const Rows& rows = (*answered)[2];
  history::UsagePage page;
  Charges charges;
  for (int row = 0; row < std::min(rows.size(), query.page_size); ++row) {
    charges.Add(page.records.size(), rows.Text(row, 15), rows.Text(row, 16));
    page.records.push_back(ReadRecord(rows, row));
  }
  if (rows.size() > query.page_size) {
    const int last = query.page_size - 1;
    page.next = {
        query.after ? query.after->look : FirstLook{now.Time(0, 0), std::string(now.Text(0, 1))},
        {rows.Time(last, 1), ledger::FromUuid(rows.Text(last, 0))}};
  }
  RETURN_IF_ERROR(charges.Fill(*session.operator->(), tenant, page.records));
  return page;
}

}  // namespace bursar::postgres
