#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "fail_point.h"
#include "postgres/array.h"
#include "postgres/json.h"
#include "postgres/pg_budget_rows.h"
#include "postgres/pg_ledger_store.h"
#include "postgres/record_columns.h"
#include "status_macros.h"
#include "usage/field_error.h"

// What a batch reads, in the order in which it must be read: locks first, everything else after
// them.
namespace bursar::postgres {
namespace {

using ledger::Id;

// The counters of reservations, and of records that are to be adjusted, are found here too, so that
// one round trip locks all; one that another replica commits meanwhile is not, and then the batch
// starts over.
//
// What looks a record up says `tenant_id || ''`, here and below: a plan made while the table is
// young would else walk all records of the tenant, by charge time, for each one.
#define BURSAR_LOCK_COUNTERS(more)                                                               \
  "SELECT id, budget_uid, group_values, window_start, window_end, spent, reserved, version, "    \
  "notified_percent, notified_limit FROM counter WHERE tenant_id = $1 AND id = ANY ($2::uuid[] " \
  "|| ARRAY("                                                                                    \
  "SELECT unnest(hold_counters) FROM reservation WHERE id = ANY ($3::uuid[]) AND tenant_id = "   \
  "$1)" more ") ORDER BY id FOR NO KEY UPDATE"
constexpr char kLockCounters[] = BURSAR_LOCK_COUNTERS("");
constexpr char kLockCountersOfRecordsToo[] = BURSAR_LOCK_COUNTERS(
    " || ARRAY(SELECT unnest(r.charged_counters) FROM usage_id u JOIN usage_record r "
    "ON r.receive_time = u.receive_time AND r.id = u.id AND r.tenant_id || '' = u.tenant_id "
    "WHERE u.id = ANY ($4::uuid[]) AND u.tenant_id = $1)");
#undef BURSAR_LOCK_COUNTERS

constexpr char kLockReservations[] =
    "SELECT id, request_id, state, subject, model, event_type, reserved_nanousd, reserved_tokens, "
    "observed_nanousd, observed_tokens, max_output_tokens, price_version, priced_as, create_time, "
    "expire_time, hold_counters, hold_units, hold_amounts, fingerprint, hold_expiry_charges, "
    "expiry_nanousd, end_time, version, call_counted "
    "FROM reservation WHERE id = ANY ($2::uuid[]) AND tenant_id = $1 ORDER BY id FOR NO KEY UPDATE";

// Of records that are to be adjusted: one that charged no counter has no other row that two
// replicas would meet at.
constexpr char kLockUsageIds[] =
    "SELECT id FROM usage_id WHERE id = ANY ($2::uuid[]) AND tenant_id = $1 "
    "ORDER BY id FOR NO KEY UPDATE";

constexpr char kReadRecords[] =
    "SELECT u.id, u.fingerprint, r.cost_basis, r.price_version, r.released_nanousd, "
    "r.overrun_nanousd, r.late, " BURSAR_AMOUNTS
    " FROM usage_id u LEFT JOIN usage_record r "
    "ON r.receive_time = u.receive_time AND r.id = u.id AND r.tenant_id || '' = u.tenant_id "
    "WHERE u.id = ANY ($2::uuid[]) AND u.tenant_id = $1";

// Records that are to be adjusted, each with its earlier adjustments.
#define BURSAR_STANDINGS                                                                    \
  "(SELECT u.id AS target, r.* FROM usage_id u JOIN usage_record r "                        \
  "ON r.receive_time = u.receive_time AND r.id = u.id AND r.tenant_id || '' = u.tenant_id " \
  "WHERE u.id = ANY ($2::uuid[]) AND u.tenant_id = $1 "                                     \
  "UNION ALL SELECT r.adjusts, r.* FROM usage_record r "                                    \
  "WHERE r.adjusts = ANY ($2::uuid[]) AND r.adjusts IS NOT NULL AND r.tenant_id || '' = $1) r"
constexpr char kReadStandings[] =
    "SELECT r.target, r.adjusts IS NULL, r.usage_id, r.reservation_id, r.charge_time, "
    "r.price_version, r.unpriced, " BURSAR_CALL ", " BURSAR_AMOUNTS " FROM " BURSAR_STANDINGS;
constexpr char kReadCharges[] =
    "SELECT r.target, c.id, b.unit, sum(charge.amount)::bigint FROM " BURSAR_STANDINGS
    " CROSS JOIN LATERAL unnest(r.charged_counters, r.charged_amounts) AS charge(counter, amount) "
    "JOIN counter c ON c.id = charge.counter AND c.tenant_id || '' = $1 "
    "JOIN budget b ON b.uid = c.budget_uid GROUP BY 1, 2, 3 ORDER BY 1, 2";
#undef BURSAR_STANDINGS

constexpr char kReadEpoch[] =
    "SELECT budget_epoch, clock_timestamp() FROM tenant WHERE tenant_id = $1";

constexpr char kReadSettings[] =
    "SELECT budget_epoch, default_max_output_tokens, charge_on_expiry FROM tenant "
    "WHERE tenant_id = $1";

// The clock is read once, by a query of its own: an index cannot be searched for what changes from
// row to row, and every active hold would be read, however long it lives.
constexpr char kFindOverdue[] =
    "SELECT id FROM reservation WHERE state = 1 AND expire_time <= (SELECT clock_timestamp()) "
    "AND tenant_id = $1 AND hold_counters && $2::uuid[] ORDER BY expire_time LIMIT 256";

// Bounded: a counter with few holds among a million others must not read them all.
constexpr char kFindNextExpiry[] =
    "SELECT min(expire_time) FILTER (WHERE hold_counters && $2::uuid[]) FROM ("
    "SELECT expire_time, hold_counters FROM reservation WHERE state = 1 "
    "AND expire_time > (SELECT clock_timestamp()) AND tenant_id = $1 ORDER BY expire_time LIMIT "
    "1000) soon";

constexpr char kFindAllOverdue[] =
    "SELECT tenant_id, id FROM reservation WHERE state = 1 "
    "AND expire_time <= (SELECT clock_timestamp()) AND tenant_id <> ALL ($2::text[]) "
    "ORDER BY expire_time LIMIT $1";

Array UuidArray(const std::set<Id>& ids) {
  Array array(Element::kUuid);
  for (const Id& id : ids) array.Id(id);
  return array;
}

// Of an array of values without quotes: "{1,2}".
std::vector<absl::string_view> SplitArray(absl::string_view literal) {
  literal.remove_prefix(1);
  literal.remove_suffix(1);
  return absl::StrSplit(literal, ',', absl::SkipEmpty());
}

int64_t ToInt(absl::string_view text) {
  int64_t value = 0;
  return absl::SimpleAtoi(text, &value) ? value : 0;
}

void ReadCounters(const Rows& rows, const ledger::Recollection& known, ledger::State& state) {
  for (int row = 0; row < rows.size(); ++row) {
    const Id id = ledger::FromUuid(rows.Text(row, 0));
    const ledger::Counter* same = known.FindCounter(id);
    ledger::Counter counter{
        .id = id,
        .budget_uid = ledger::FromUuid(rows.Text(row, 1)),
        .group = same != nullptr ? same->group : ledger::Group(DecodeTexts(rows.Text(row, 2))),
        .window_start = rows.Time(row, 3),
        .window_end = rows.Time(row, 4),
        .spent = rows.Int(row, 5),
        .reserved = rows.Int(row, 6),
        .notified_percent = static_cast<int32_t>(rows.Int(row, 8)),
        .notified_limit = rows.Int(row, 9),
        .version = rows.Int(row, 7)};
    state.locked.insert(counter.id);
    state.counters.emplace(counter.id, std::move(counter));
  }
}

std::vector<ledger::Hold> ReadHolds(const Rows& rows, int row) {
  const auto counters = SplitArray(rows.Text(row, 15));
  const auto units = SplitArray(rows.Text(row, 16));
  const auto amounts = SplitArray(rows.Text(row, 17));
  const auto expiry_charges = SplitArray(rows.Text(row, 19));
  std::vector<ledger::Hold> holds;
  for (size_t i = 0; i < counters.size(); ++i) {
    holds.push_back({ledger::FromUuid(counters[i]), static_cast<ledger::Unit>(ToInt(units[i])),
                     ToInt(amounts[i]), ToInt(expiry_charges[i])});
  }
  return holds;
}

void ReadReservations(const Rows& rows, ledger::State& state) {
  for (int row = 0; row < rows.size(); ++row) {
    auto read = std::make_shared<ledger::Reservation>(
        ledger::Reservation{.key = ledger::FromUuid(rows.Text(row, 0)),
                            .request_id = std::string(rows.Text(row, 1)),
                            .state = static_cast<ledger::ReservationState>(rows.Int(row, 2)),
                            .subject = DecodeSubject(rows.Text(row, 3)),
                            .model = DecodeModel(rows.Text(row, 4)),
                            .event_type = std::string(rows.Text(row, 5)),
                            .reserved_nanousd = rows.Int(row, 6),
                            .reserved_tokens = rows.Int(row, 7),
                            .observed_nanousd = rows.Int(row, 8),
                            .observed_tokens = rows.Int(row, 9),
                            .max_output_tokens = rows.Int(row, 10),
                            .expiry_nanousd = rows.Int(row, 20),
                            .call_counted = rows.Bool(row, 23),
                            .price_version = std::string(rows.Text(row, 11)),
                            .priced_as = std::string(rows.Text(row, 12)),
                            .create_time = rows.Time(row, 13),
                            .expire_time = rows.Time(row, 14),
                            .holds = ReadHolds(rows, row),
                            .version = rows.Int(row, 22),
                            .fingerprint = ledger::FromUuid(rows.Text(row, 18))});
    if (!rows.IsNull(row, 21)) read->end_time = rows.Time(row, 21);
    state.reservations.emplace(read->key, std::move(read));
  }
}

void ReadRecords(const Rows& rows, ledger::State& state) {
  for (int row = 0; row < rows.size(); ++row) {
    ledger::StoredRecord stored;
    stored.record.key = ledger::FromUuid(rows.Text(row, 0));
    stored.record.fingerprint = ledger::FromUuid(rows.Text(row, 1));
    ledger::RecordAnswer& answer = stored.answer;
    answer.cost_basis = static_cast<usage::CostBasis>(rows.Int(row, 2));
    answer.price_version = std::string(rows.Text(row, 3));
    answer.released_nanousd = rows.Int(row, 4);
    answer.overrun_nanousd = rows.Int(row, 5);
    answer.late = rows.Bool(row, 6);
    ReadAmounts(rows, row, 7, answer);
    state.records.emplace(stored.record.key, std::move(stored));
  }
}

void ReadStandings(const Rows& rows, ledger::State& state) {
  constexpr int kFirstOfCall = 7;
  for (int row = 0; row < rows.size(); ++row) {
    const ledger::Id target = ledger::FromUuid(rows.Text(row, 0));
    ledger::StoredRecord& standing = state.standings[target];
    usage::UsageRecord said;
    ledger::RecordAnswer amounts;
    ReadAmounts(rows, row, ReadCall(rows, row, kFirstOfCall, said), amounts);
    standing.answer.cost_nanousd += amounts.cost_nanousd;
    standing.answer.tokens += amounts.tokens;
    const bool adjustment = !rows.Bool(row, 1);
    const int64_t unpriced = rows.Int(row, 6);
    standing.unpriced += static_cast<int>(unpriced);
    if (unpriced == (adjustment ? -1 : 0)) {  // the one that gave it its price
      standing.answer.price_version = std::string(rows.Text(row, 5));
    }
    if (adjustment) continue;
    standing.record.key = target;
    standing.charge_time = rows.Time(row, 4);
    said.usage_id = std::string(rows.Text(row, 2));
    said.reservation_id = std::string(rows.Text(row, 3));
    standing.record.usage = std::move(said);
  }
}

void ReadCharges(const Rows& rows, ledger::State& state) {
  for (int row = 0; row < rows.size(); ++row) {
    const auto standing = state.standings.find(ledger::FromUuid(rows.Text(row, 0)));
    if (standing == state.standings.end()) continue;  // committed since the standings were read
    standing->second.charges.push_back({ledger::FromUuid(rows.Text(row, 1)),
                                        static_cast<ledger::Unit>(rows.Int(row, 2)),
                                        rows.Int(row, 3)});
  }
}

absl::Status NoSuchTenant(absl::string_view tenant) {
  return usage::WithReason(absl::NotFoundError(absl::StrCat("there is no tenant \"", tenant, "\"")),
                           "TENANT_NOT_FOUND");
}

}  // namespace

absl::Status PgLedgerStore::EnsureConnected() {
  if (BURSAR_PLANTED("answer_before_commit")) session_->Execute("COMMIT").status().IgnoreError();
  return session_->connected() ? absl::OkStatus() : session_->Reconnect();
}

absl::StatusOr<ledger::BudgetBook> PgLedgerStore::ReadBook(absl::string_view tenant) {
  RETURN_IF_ERROR(EnsureConnected());
  // One snapshot: the epoch must be that of these budgets.
  std::vector<Statement> statements;
  statements.push_back({"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", {}});
  statements.push_back({kReadSettings, Params().Text(tenant)});
  statements.push_back(
      {BURSAR_SPOILED("dropped_tenant_filter", kReadBudgets, "tenant_id = $1", "$1 <> ''"),
       Params().Text(tenant)});
  statements.push_back({"COMMIT", {}});
  ASSIGN_OR_RETURN(auto results, session_->Pipeline(std::move(statements)));
  const Rows& settings = results[1];
  if (settings.size() == 0) return NoSuchTenant(tenant);
  ledger::BudgetBook book{.epoch = settings.Int(0, 0),
                          .default_max_output_tokens = settings.Int(0, 1),
                          .charge_on_expiry = settings.Bool(0, 2)};
  for (int row = 0; row < results[2].size(); ++row) {
    book.budgets.push_back(ReadBudget(results[2], row));
    // Another zone than the other replicas' would give the same window another span.
    if (!ledger::LoadZone(book.budgets.back().window.time_zone).ok()) {
      return absl::UnavailableError(absl::StrCat(
          "this server does not know the time zone \"", book.budgets.back().window.time_zone,
          "\" of budget \"", book.budgets.back().id, "\": install tzdata"));
    }
  }
  return book;
}

absl::StatusOr<ledger::LedgerStore::Locked> PgLedgerStore::Lock(absl::string_view tenant,
                                                                const ledger::Footprint& footprint,
                                                                const ledger::Recollection& known) {
  RETURN_IF_ERROR(EnsureConnected());
  BURSAR_FAIL_POINT("before_begin", );
  const Array reservations = UuidArray(footprint.reservations);
  const Array adjusted = UuidArray(footprint.adjusted);
  const bool adjusts = !footprint.adjusted.empty();  // then their own ids are among the records
  std::vector<Statement> statements;
  auto add = [&](const char* sql) -> Params& {
    statements.push_back({sql, Params().Text(tenant)});
    return statements.back().params;
  };
  statements.push_back({"BEGIN", {}});
  const char* const lock = BURSAR_SPOILED(
      "unsorted_locks",
      BURSAR_SPOILED("check_then_act", kLockCounters, "ORDER BY id FOR NO KEY UPDATE", ""),
      "ORDER BY id", "ORDER BY md5(id::text || pg_backend_pid())");
  Params& counters = add(adjusts ? kLockCountersOfRecordsToo : lock);
  counters.Add(UuidArray(footprint.counters)).Add(reservations);
  if (adjusts) counters.Add(adjusted);
  add(kLockReservations).Add(reservations);
  if (adjusts) add(kLockUsageIds).Add(adjusted);
  const size_t unlocked = statements.size();  // from here on nothing waits for others
  add(kReadEpoch);
  if (!footprint.records.empty()) add(kReadRecords).Add(UuidArray(footprint.records));
  if (adjusts) add(kReadStandings).Add(adjusted);
  if (adjusts) add(kReadCharges).Add(adjusted);
  ASSIGN_OR_RETURN(const auto results, session_->Pipeline(std::move(statements)));
  Locked locked;
  locked.state.locked.insert(footprint.counters.begin(), footprint.counters.end());
  ReadCounters(results[1], known, locked.state);
  ReadReservations(results[2], locked.state);
  const Rows& epoch = results[unlocked];
  if (!footprint.records.empty()) ReadRecords(results[unlocked + 1], locked.state);
  if (adjusts) ReadStandings(results[unlocked + 2], locked.state);
  if (adjusts) ReadCharges(results[unlocked + 3], locked.state);
  if (epoch.size() == 0) {
    RETURN_IF_ERROR(Abandon());
    return NoSuchTenant(tenant);
  }
  locked.book_epoch = epoch.Int(0, 0);
  locked.state.now = epoch.Time(0, 1);
  if (BURSAR_PLANTED("local_clock")) locked.state.now -= absl::Hours(3);  // a clock that is wrong
  BURSAR_FAIL_POINT("after_lock", Abandon().IgnoreError());
  return locked;
}

absl::Status PgLedgerStore::Abandon() { return session_->Execute("ROLLBACK").status(); }

absl::StatusOr<ledger::OverdueHolds> PgLedgerStore::FindOverdue(absl::string_view tenant,
                                                                const std::vector<Id>& counters) {
  RETURN_IF_ERROR(EnsureConnected());
  const Array ids = UuidArray({counters.begin(), counters.end()});
  std::vector<Statement> statements;
  statements.push_back({kFindOverdue, Params().Text(tenant).Add(ids)});
  statements.push_back({kFindNextExpiry, Params().Text(tenant).Add(ids)});
  ASSIGN_OR_RETURN(auto results, session_->Pipeline(std::move(statements)));
  ledger::OverdueHolds overdue;
  for (int row = 0; row < results[0].size(); ++row) {
    overdue.reservations.push_back(ledger::FromUuid(results[0].Text(row, 0)));
  }
  overdue.next_expiry = results[1].Time(0, 0);
  return overdue;
}

absl::StatusOr<std::vector<ledger::Overdue>> PgLedgerStore::FindAllOverdue(
    int limit, const std::vector<std::string>& but_of) {
  RETURN_IF_ERROR(EnsureConnected());
  Array tenants(Element::kText);
  for (const std::string& tenant : but_of) tenants.Text(tenant);
  ASSIGN_OR_RETURN(const Rows rows,
                   session_->Execute(kFindAllOverdue, Params().Int(limit).Add(tenants)));
  std::map<std::string, std::vector<Id>> by_tenant;
  for (int row = 0; row < rows.size(); ++row) {
    by_tenant[std::string(rows.Text(row, 0))].push_back(ledger::FromUuid(rows.Text(row, 1)));
  }
  std::vector<ledger::Overdue> overdue;
  for (auto& [tenant, reservations] : by_tenant) overdue.push_back({tenant, reservations});
  return overdue;
}

}  // namespace bursar::postgres
