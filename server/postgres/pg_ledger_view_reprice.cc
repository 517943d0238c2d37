#include "absl/strings/str_cat.h"
#include "postgres/pg_ledger_view.h"
#include "postgres/record_columns.h"
#include "status_macros.h"
#include "usage/limits.h"

namespace bursar::postgres {
namespace {

// The adjustments of a record, one of which was made by hand.
#define BURSAR_ADJUSTED                                                          \
  "SELECT FROM usage_record a WHERE a.adjusts = r.id AND a.adjusts IS NOT NULL " \
  "AND a.tenant_id || '' = r.tenant_id"

// Without those of the ledger's own: what an expiry charged is an estimate, and is corrected by the
// settlement.
constexpr char kRepriceable[] =
    "r.adjusts IS NULL AND r.cost_basis IN (1, 2, 4) "
    "AND r.usage_id !~ '^(expiry|correction|release):' "
    "AND (r.uncached_input_tokens + r.cache_read_tokens + r.cache_write_5m_tokens + "
    "r.cache_write_1h_tokens + r.visible_output_tokens + r.reasoning_tokens + "
    "r.input_audio_tokens + r.output_audio_tokens + r.input_image_tokens + "
    "r.output_image_tokens > 0 OR r.other_tokens IS NOT NULL OR r.billed_units IS NOT NULL)";

std::string RepriceSql(absl::string_view tenant, const ledger::RepriceQuery& query,
                       Placeholders& values) {
  std::string where = absl::StrCat("r.tenant_id = ", values.Text(tenant),
                                   " AND r.charge_time >= ", values.Time(query.start),
                                   "::timestamptz AND r.charge_time < ", values.Time(query.end),
                                   "::timestamptz AND ", kRepriceable);
  if (query.only_unpriced) {
    absl::StrAppend(&where, " AND r.unpriced = 1 AND NOT EXISTS (" BURSAR_ADJUSTED ")");
  } else {
    absl::StrAppend(&where, " AND NOT EXISTS (" BURSAR_ADJUSTED " AND NOT starts_with(a.usage_id, ",
                    values.Text(absl::StrCat(usage::kAdjustmentIdPrefix, usage::kRepriceIdPrefix)),
                    "))");
  }
  for (const auto& filter : query.filters) {
    absl::StrAppend(&where, " AND ", RecordFilter(filter, values));
  }
  if (query.after) {
    absl::StrAppend(&where, " AND (r.charge_time, r.id) > (", values.Time(query.after->time),
                    "::timestamptz, ", values.Text(ledger::ToUuid(query.after->id)), "::uuid)");
  }
  return absl::StrCat(
      "SELECT r.id, r.charge_time, r.usage_id, r.provider, r.model, r.service_tier, r.region, "
      "adjusted.cost, r.unpriced + adjusted.unpriced, " BURSAR_AMOUNTS
      " FROM usage_record r CROSS JOIN LATERAL (SELECT coalesce(sum(a.cost_nanousd), 0)::bigint "
      "AS cost, coalesce(sum(a.unpriced), 0)::bigint AS unpriced FROM usage_record a "
      "WHERE a.adjusts = r.id AND a.adjusts IS NOT NULL AND a.tenant_id || '' = r.tenant_id) "
      "adjusted WHERE ",
      where, " ORDER BY r.charge_time, r.id LIMIT ", query.page_size + 1);
}
#undef BURSAR_ADJUSTED

}  // namespace

absl::StatusOr<ledger::RepricePage> PgLedgerView::ListRepriceable(
    absl::string_view tenant, const ledger::RepriceQuery& query) {
  constexpr int kFirstOfAmounts = 9;
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  Placeholders values;
  const std::string sql = RepriceSql(tenant, query, values);
  std::vector<Statement> statements;
  statements.push_back({sql.c_str(), values.Take(), /*once=*/true});
  ASSIGN_OR_RETURN(const auto results, session->Pipeline(std::move(statements)));
  const Rows& rows = results[0];
  ledger::RepricePage page;
  for (int row = 0; row < std::min(rows.size(), query.page_size); ++row) {
    ledger::RecordAnswer amounts;
    ReadAmounts(rows, row, kFirstOfAmounts, amounts);
    page.records.push_back({.usage_id = std::string(rows.Text(row, 2)),
                            .model = {.provider = std::string(rows.Text(row, 3)),
                                      .name = std::string(rows.Text(row, 4)),
                                      .service_tier = std::string(rows.Text(row, 5)),
                                      .region = std::string(rows.Text(row, 6))},
                            .tokens = std::move(amounts.tokens),
                            .cost_nanousd = amounts.cost_nanousd + rows.Int(row, 7),
                            .unpriced = rows.Int(row, 8) > 0,
                            .charge_time = rows.Time(row, 1)});
    if (row + 1 == query.page_size && rows.size() > query.page_size) {
      page.next = {rows.Time(row, 1), ledger::FromUuid(rows.Text(row, 0))};
    }
  }
  return page;
}

}  // namespace bursar::postgres
