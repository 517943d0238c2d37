#include "postgres/pg_budget_store.h"

#include "absl/strings/str_cat.h"
#include "postgres/json.h"
#include "postgres/pg_budget_rows.h"
#include "status_macros.h"
#include "usage/field_error.h"

namespace bursar::postgres {
namespace {

using ledger::Budget;

// The order of the tables is that of every writer: budget, then tenant.
constexpr char kNextEpoch[] =
    "UPDATE tenant SET budget_epoch = budget_epoch + 1 WHERE tenant_id = $1";

constexpr char kInsert[] =
    "INSERT INTO budget (tenant_id, uid, budget_id, display_name, selector, group_by, "
    "require_group, unit, limit_amount, window_kind, time_zone, mode, overrides, "
    "threshold_percents, frozen, expire_time, etag, create_time, update_time) "
    "VALUES ($1, gen_random_uuid(), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
    "gen_random_uuid()::text, clock_timestamp(), clock_timestamp()) "
    "RETURNING " BURSAR_BUDGET_COLUMNS;

constexpr char kUpdate[] =
    "UPDATE budget SET display_name = $3, limit_amount = $4, mode = $5, overrides = $6, "
    "threshold_percents = $7, frozen = $8, expire_time = $9, etag = gen_random_uuid()::text, "
    "update_time = clock_timestamp() "
    "WHERE tenant_id = $1 AND budget_id = $2 AND delete_time IS NULL "
    "RETURNING " BURSAR_BUDGET_COLUMNS;

constexpr char kGet[] =
    "SELECT " BURSAR_BUDGET_COLUMNS
    " FROM budget WHERE tenant_id = $1 AND budget_id = $2 AND delete_time IS NULL";

constexpr char kGetLocked[] =
    "SELECT " BURSAR_BUDGET_COLUMNS
    " FROM budget WHERE tenant_id = $1 AND budget_id = $2 AND delete_time IS NULL FOR UPDATE";

constexpr char kList[] =
    "SELECT " BURSAR_BUDGET_COLUMNS
    " FROM budget WHERE tenant_id = $1 AND delete_time IS NULL AND budget_id > $2 "
    "ORDER BY budget_id LIMIT $3";

constexpr char kDelete[] =
    "UPDATE budget SET delete_time = clock_timestamp() "
    "WHERE tenant_id = $1 AND budget_id = $2 AND delete_time IS NULL";

void AddTime(Params& params, absl::Time time) {
  time == absl::InfiniteFuture() ? params.Null() : params.Time(time);
}

absl::Status NotFound(absl::string_view id) {
  return usage::WithReason(
      absl::NotFoundError(absl::StrCat("there is no budget \"budgets/", id, "\"")),
      "BUDGET_NOT_FOUND");
}

absl::Status CheckEtag(absl::string_view given, const Budget& budget) {
  if (given.empty() || given == budget.etag) return absl::OkStatus();
  return usage::WithReason(
      absl::AbortedError(absl::StrCat("budget \"budgets/", budget.id,
                                      "\" was changed since its etag was read; read it again")),
      "ETAG_MISMATCH");
}

// Reads the budget and locks it, in a transaction that is then open.
absl::StatusOr<Budget> BeginWith(Session* session, absl::string_view tenant, absl::string_view id,
                                 absl::string_view etag) {
  std::vector<Statement> statements;
  statements.push_back({"BEGIN", {}});
  statements.push_back({kGetLocked, Params().Text(tenant).Text(id)});
  ASSIGN_OR_RETURN(auto results, session->Pipeline(std::move(statements)));
  absl::Status status = absl::OkStatus();
  if (results[1].size() == 0) {
    status = NotFound(id);
  } else {
    Budget budget = ReadBudget(results[1], 0);
    status = CheckEtag(etag, budget);
    if (status.ok()) return budget;
  }
  RETURN_IF_ERROR(session->Execute("ROLLBACK").status());
  return status;
}

}  // namespace

Budget ReadBudget(const Rows& rows, int row) {
  Budget budget{.id = std::string(rows.Text(row, 1)),
                .uid = ledger::FromUuid(rows.Text(row, 0)),
                .display_name = std::string(rows.Text(row, 2)),
                .selector = DecodeFilters(rows.Text(row, 3)),
                .group_by = DecodeTextList(rows.Text(row, 4)),
                .require_group = rows.Bool(row, 5),
                .unit = static_cast<ledger::Unit>(rows.Int(row, 6)),
                .limit = rows.Int(row, 7),
                .mode = static_cast<ledger::Mode>(rows.Int(row, 10)),
                .overrides = DecodeOverrides(rows.Text(row, 11)),
                .threshold_percents = DecodeIntList(rows.Text(row, 12)),
                .frozen = rows.Bool(row, 13),
                .expire_time = rows.Time(row, 14),
                .etag = std::string(rows.Text(row, 15)),
                .create_time = rows.Time(row, 16),
                .update_time = rows.Time(row, 17)};
  budget.window.kind = static_cast<ledger::WindowKind>(rows.Int(row, 8));
  budget.window.time_zone = std::string(rows.Text(row, 9));
  if (auto zone = ledger::LoadZone(budget.window.time_zone); zone.ok()) budget.window.zone = *zone;
  return budget;
}

absl::StatusOr<Budget> PgBudgetStore::Create(absl::string_view tenant, Budget budget) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  Params params;
  params.Text(tenant).Text(budget.id).Text(budget.display_name).Text(EncodeJson(budget.selector));
  params.Text(EncodeJson(budget.group_by)).Bool(budget.require_group);
  params.Int(static_cast<int>(budget.unit)).Int(budget.limit);
  params.Int(static_cast<int>(budget.window.kind)).Text(budget.window.time_zone);
  params.Int(static_cast<int>(budget.mode)).Text(EncodeJson(budget.overrides));
  params.Text(EncodeJson(budget.threshold_percents)).Bool(budget.frozen);
  AddTime(params, budget.expire_time);
  std::vector<Statement> statements;
  statements.push_back({"BEGIN", {}});
  statements.push_back({kInsert, std::move(params)});
  statements.push_back({kNextEpoch, Params().Text(tenant)});
  statements.push_back({"COMMIT", {}});
  auto results = session->Pipeline(std::move(statements));
  if (!results.ok()) {
    if (SqlState(results.status()) != "23505") return results.status();
    return usage::WithReason(
        absl::AlreadyExistsError(absl::StrCat("there is a budget \"budgets/", budget.id,
                                              "\" already; update it or choose another id")),
        "BUDGET_EXISTS");
  }
  return ReadBudget((*results)[1], 0);
}

absl::StatusOr<Budget> PgBudgetStore::Get(absl::string_view tenant, absl::string_view id) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  ASSIGN_OR_RETURN(const Rows rows, session->Execute(kGet, Params().Text(tenant).Text(id)));
  if (rows.size() == 0) return NotFound(id);
  return ReadBudget(rows, 0);
}

absl::StatusOr<std::vector<Budget>> PgBudgetStore::List(absl::string_view tenant,
                                                        absl::string_view after, int limit) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  ASSIGN_OR_RETURN(const Rows rows,
                   session->Execute(kList, Params().Text(tenant).Text(after).Int(limit)));
  std::vector<Budget> budgets;
  for (int row = 0; row < rows.size(); ++row) budgets.push_back(ReadBudget(rows, row));
  return budgets;
}

absl::StatusOr<Budget> PgBudgetStore::Update(absl::string_view tenant, absl::string_view id,
                                             absl::string_view etag,
                                             const std::function<absl::Status(Budget&)>& change) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  ASSIGN_OR_RETURN(Budget budget, BeginWith(session.operator->(), tenant, id, etag));
  if (absl::Status refused = change(budget); !refused.ok()) {
    RETURN_IF_ERROR(session->Execute("ROLLBACK").status());
    return refused;
  }
  Params params;
  params.Text(tenant).Text(id).Text(budget.display_name).Int(budget.limit);
  params.Int(static_cast<int>(budget.mode)).Text(EncodeJson(budget.overrides));
  params.Text(EncodeJson(budget.threshold_percents)).Bool(budget.frozen);
  AddTime(params, budget.expire_time);
  std::vector<Statement> statements;
  statements.push_back({kUpdate, std::move(params)});
  statements.push_back({kNextEpoch, Params().Text(tenant)});
  statements.push_back({"COMMIT", {}});
  ASSIGN_OR_RETURN(auto results, session->Pipeline(std::move(statements)));
  return ReadBudget(results[0], 0);
}

absl::Status PgBudgetStore::Delete(absl::string_view tenant, absl::string_view id,
                                   absl::string_view etag) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  RETURN_IF_ERROR(BeginWith(session.operator->(), tenant, id, etag).status());
  std::vector<Statement> statements;
  statements.push_back({kDelete, Params().Text(tenant).Text(id)});
  statements.push_back({kNextEpoch, Params().Text(tenant)});
  statements.push_back({"COMMIT", {}});
  return session->Pipeline(std::move(statements)).status();
}

}  // namespace bursar::postgres
