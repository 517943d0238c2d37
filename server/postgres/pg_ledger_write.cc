#include "postgres/array.h"
#include "postgres/json.h"
#include "postgres/pg_ledger_store.h"
#include "postgres/unnest.h"
#include "status_macros.h"

// What a batch writes, in the canonical order: counters, reservations, usage ids, records.
namespace bursar::postgres {
namespace {

using ledger::Counter;
using ledger::Id;
using ledger::Reservation;
using usage::TokenClass;

// A record with what all of its batch share.
struct RecordRow {
  const ledger::StoredRecord* stored;
  absl::Time receive_time;

  const usage::UsageRecord& used() const { return stored->record.usage; }
};

void AddText(Array& array, const std::string& value) {
  value.empty() ? array.Null() : array.Text(value);
}
void AddId(Array& array, const Id& id) { array.Raw(ToUuid(id)); }
void AddMicros(Array& array, const std::optional<absl::Duration>& value) {
  value ? array.Int(absl::ToInt64Microseconds(*value)) : array.Null();
}
template <typename Map>
void AddJson(Array& array, const Map& values) {
  values.empty() ? array.Null() : array.Text(EncodeJson(values));
}
// A column of arrays: each travels as text.
template <typename Items, typename Add>
void AddArray(Array& array, const Items& items, Add add) {
  Array inner;
  for (const auto& item : items) add(inner, item);
  array.Text(inner.Literal());
}

// A column a line.
// clang-format off
constexpr Column<Counter> kCounterColumns[] = {
    {"id", "uuid", "", [](const Counter& c, Array& a) { AddId(a, c.id); }},
    {"budget_uid", "uuid", "", [](const Counter& c, Array& a) { AddId(a, c.budget_uid); }},
    {"group_values", "text", "::jsonb",
     [](const Counter& c, Array& a) { a.Text(EncodeJson(c.group)); }},
    {"window_start", "timestamptz", "", [](const Counter& c, Array& a) { a.Time(c.window_start); }},
    {"window_end", "timestamptz", "", [](const Counter& c, Array& a) { a.Time(c.window_end); }},
    {"spent", "bigint", "", [](const Counter& c, Array& a) { a.Int(c.spent); }},
    {"reserved", "bigint", "", [](const Counter& c, Array& a) { a.Int(c.reserved); }},
    {"version", "bigint", "", [](const Counter& c, Array& a) { a.Int(c.version + 1); }},
};

#define BURSAR_ROW [](const Reservation& r, Array& a)
constexpr Column<Reservation> kReservationColumns[] = {
    {"id", "uuid", "", BURSAR_ROW { AddId(a, r.key); }},
    {"request_id", "text", "", BURSAR_ROW { a.Text(r.request_id); }},
    {"state", "smallint", "", BURSAR_ROW { a.Int(static_cast<int>(r.state)); }},
    {"subject", "text", "::jsonb", BURSAR_ROW { a.Text(EncodeJson(r.subject)); }},
    {"model", "text", "::jsonb", BURSAR_ROW { a.Text(EncodeJson(r.model)); }},
    {"event_type", "text", "", BURSAR_ROW { a.Text(r.event_type); }},
    {"reserved_nanousd", "bigint", "", BURSAR_ROW { a.Int(r.reserved_nanousd); }},
    {"reserved_tokens", "bigint", "", BURSAR_ROW { a.Int(r.reserved_tokens); }},
    {"observed_nanousd", "bigint", "", BURSAR_ROW { a.Int(r.observed_nanousd); }},
    {"observed_tokens", "bigint", "", BURSAR_ROW { a.Int(r.observed_tokens); }},
    {"max_output_tokens", "bigint", "", BURSAR_ROW { a.Int(r.max_output_tokens); }},
    {"price_version", "text", "", BURSAR_ROW { a.Text(r.price_version); }},
    {"priced_as", "text", "", BURSAR_ROW { a.Text(r.priced_as); }},
    {"create_time", "timestamptz", "", BURSAR_ROW { a.Time(r.create_time); }},
    {"expire_time", "timestamptz", "", BURSAR_ROW { a.Time(r.expire_time); }},
    {"hold_counters", "text", "::uuid[]",
     BURSAR_ROW { AddArray(a, r.holds, [](Array& i, auto& h) { AddId(i, h.counter); }); }},
    {"hold_units", "text", "::smallint[]",
     BURSAR_ROW {
       AddArray(a, r.holds, [](Array& i, auto& h) { i.Int(static_cast<int>(h.unit)); });
     }},
    {"hold_amounts", "text", "::bigint[]",
     BURSAR_ROW { AddArray(a, r.holds, [](Array& i, auto& h) { i.Int(h.amount); }); }},
    {"fingerprint", "uuid", "", BURSAR_ROW { AddId(a, r.fingerprint); }},
};

// Of a reservation, what changes after it was made.
constexpr Column<Reservation> kReservationUpdates[] = {
    {"id", "uuid", "", BURSAR_ROW { AddId(a, r.key); }},
    {"state", "smallint", "", BURSAR_ROW { a.Int(static_cast<int>(r.state)); }},
    {"reserved_nanousd", "bigint", "", BURSAR_ROW { a.Int(r.reserved_nanousd); }},
    {"reserved_tokens", "bigint", "", BURSAR_ROW { a.Int(r.reserved_tokens); }},
    {"observed_nanousd", "bigint", "", BURSAR_ROW { a.Int(r.observed_nanousd); }},
    {"observed_tokens", "bigint", "", BURSAR_ROW { a.Int(r.observed_tokens); }},
    {"expire_time", "timestamptz", "", BURSAR_ROW { a.Time(r.expire_time); }},
    {"hold_amounts", "text", "::bigint[]",
     BURSAR_ROW { AddArray(a, r.holds, [](Array& i, auto& h) { i.Int(h.amount); }); }},
};
#undef BURSAR_ROW

#define BURSAR_ROW [](const RecordRow& r, Array& a)
#define BURSAR_TOKENS(name, token_class) \
  {name, "bigint", "", BURSAR_ROW { a.Int(r.stored->answer.tokens[TokenClass::token_class]); }}
constexpr Column<RecordRow> kUsageIdColumns[] = {
    {"id", "uuid", "", BURSAR_ROW { AddId(a, r.stored->record.key); }},
    {"receive_time", "timestamptz", "", BURSAR_ROW { a.Time(r.receive_time); }},
    {"fingerprint", "uuid", "", BURSAR_ROW { AddId(a, r.stored->record.fingerprint); }},
};

constexpr Column<RecordRow> kRecordColumns[] = {
    {"receive_time", "timestamptz", "", BURSAR_ROW { a.Time(r.receive_time); }},
    {"id", "uuid", "", BURSAR_ROW { AddId(a, r.stored->record.key); }},
    {"usage_id", "text", "", BURSAR_ROW { a.Text(r.used().usage_id); }},
    {"reservation_id", "text", "", BURSAR_ROW { AddText(a, r.used().reservation_id); }},
    {"charge_time", "timestamptz", "", BURSAR_ROW { a.Time(r.stored->charge_time); }},
    {"occur_time", "timestamptz", "",
     BURSAR_ROW { r.used().occur_time ? a.Time(*r.used().occur_time) : a.Null(); }},
    {"project", "text", "", BURSAR_ROW { AddText(a, r.used().subject.project); }},
    {"team", "text", "", BURSAR_ROW { AddText(a, r.used().subject.team); }},
    {"user_name", "text", "", BURSAR_ROW { AddText(a, r.used().subject.user); }},
    {"agent", "text", "", BURSAR_ROW { AddText(a, r.used().subject.agent); }},
    {"workflow", "text", "", BURSAR_ROW { AddText(a, r.used().subject.workflow); }},
    {"tool", "text", "", BURSAR_ROW { AddText(a, r.used().subject.tool); }},
    {"run", "text", "", BURSAR_ROW { AddText(a, r.used().subject.run); }},
    {"parent_run", "text", "", BURSAR_ROW { AddText(a, r.used().subject.parent_run); }},
    {"root_run", "text", "", BURSAR_ROW { AddText(a, r.used().subject.root_run); }},
    {"labels", "text", "::jsonb", BURSAR_ROW { AddJson(a, r.used().subject.labels); }},
    {"provider", "text", "", BURSAR_ROW { AddText(a, r.used().model.provider); }},
    {"model", "text", "", BURSAR_ROW { AddText(a, r.used().model.name); }},
    {"service_tier", "text", "", BURSAR_ROW { AddText(a, r.used().model.service_tier); }},
    {"region", "text", "", BURSAR_ROW { AddText(a, r.used().model.region); }},
    {"requested_model", "text", "", BURSAR_ROW { AddText(a, r.used().model.requested_name); }},
    {"account", "text", "", BURSAR_ROW { AddText(a, r.used().model.account); }},
    {"event_type", "text", "", BURSAR_ROW { a.Text(r.used().event_type); }},
    {"step", "text", "", BURSAR_ROW { AddText(a, r.used().step); }},
    {"outcome", "smallint", "", BURSAR_ROW { a.Int(static_cast<int>(r.used().outcome)); }},
    {"attempt", "integer", "", BURSAR_ROW { a.Int(r.used().attempt); }},
    {"error_type", "text", "", BURSAR_ROW { AddText(a, r.used().error.type); }},
    {"error_category", "smallint", "", BURSAR_ROW { a.Int(r.used().error.category); }},
    {"error_severity", "smallint", "", BURSAR_ROW { a.Int(r.used().error.severity); }},
    {"guardrails", "text", "::jsonb", BURSAR_ROW { AddJson(a, r.used().guardrail_hits); }},
    {"cost_nanousd", "bigint", "", BURSAR_ROW { a.Int(r.stored->answer.cost_nanousd); }},
    {"cost_basis", "smallint", "",
     BURSAR_ROW { a.Int(static_cast<int>(r.stored->answer.cost_basis)); }},
    {"price_version", "text", "", BURSAR_ROW { a.Text(r.stored->answer.price_version); }},
    {"priced_as", "text", "", BURSAR_ROW { AddText(a, r.stored->priced_as); }},
    BURSAR_TOKENS("uncached_input_tokens", kUncachedInput),
    BURSAR_TOKENS("cache_read_tokens", kCacheRead),
    BURSAR_TOKENS("cache_write_5m_tokens", kCacheWrite5m),
    BURSAR_TOKENS("cache_write_1h_tokens", kCacheWrite1h),
    BURSAR_TOKENS("visible_output_tokens", kVisibleOutput),
    BURSAR_TOKENS("reasoning_tokens", kReasoning),
    BURSAR_TOKENS("input_audio_tokens", kInputAudio),
    BURSAR_TOKENS("output_audio_tokens", kOutputAudio),
    BURSAR_TOKENS("input_image_tokens", kInputImage),
    BURSAR_TOKENS("output_image_tokens", kOutputImage),
    {"other_tokens", "text", "::jsonb",
     BURSAR_ROW { AddJson(a, r.stored->answer.tokens.other_tokens); }},
    {"billed_units", "text", "::jsonb",
     BURSAR_ROW { AddJson(a, r.stored->answer.tokens.billed_units); }},
    {"latency_us", "bigint", "", BURSAR_ROW { AddMicros(a, r.used().latency); }},
    {"first_token_us", "bigint", "", BURSAR_ROW { AddMicros(a, r.used().time_to_first_token); }},
    {"trace_id", "text", "", BURSAR_ROW { AddText(a, r.used().trace.trace_id); }},
    {"span_id", "text", "", BURSAR_ROW { AddText(a, r.used().trace.span_id); }},
    {"parent_span_id", "text", "", BURSAR_ROW { AddText(a, r.used().trace.parent_span_id); }},
    {"provider_request_id", "text", "", BURSAR_ROW { AddText(a, r.used().provider_request_id); }},
    {"charged_counters", "text", "::uuid[]",
     BURSAR_ROW {
       AddArray(a, r.stored->charges, [](Array& i, auto& c) { AddId(i, c.counter); });
     }},
    {"charged_amounts", "text", "::bigint[]",
     BURSAR_ROW { AddArray(a, r.stored->charges, [](Array& i, auto& c) { i.Int(c.amount); }); }},
    {"released_nanousd", "bigint", "", BURSAR_ROW { a.Int(r.stored->answer.released_nanousd); }},
    {"overrun_nanousd", "bigint", "", BURSAR_ROW { a.Int(r.stored->answer.overrun_nanousd); }},
    {"late", "boolean", "", BURSAR_ROW { a.Bool(r.stored->answer.late); }},
};
#undef BURSAR_TOKENS
#undef BURSAR_ROW
// clang-format on

template <typename Row, size_t N>
std::string InsertSql(const char* table, const Column<Row> (&columns)[N]) {
  return absl::StrCat("INSERT INTO ", table, " (tenant_id, ",
                      ColumnNames(std::span<const Column<Row>>(columns)), ") ",
                      SelectUnnested(std::span<const Column<Row>>(columns)));
}

// Counters were sorted; new and known ones alike. One whose version is not the expected one is not
// written, and then nothing is. RETURNING is counted: ROW_COUNT lies on Citus.
std::string WriteCountersSql() {
  return absl::StrCat("WITH written AS (", InsertSql("counter", kCounterColumns),
                      " ON CONFLICT (id, tenant_id) DO UPDATE SET spent = excluded.spent, "
                      "reserved = excluded.reserved, version = excluded.version "
                      "WHERE counter.version = excluded.version - 1 RETURNING 1) "
                      "SELECT expect_rows((SELECT count(*) FROM written), $",
                      std::size(kCounterColumns) + 2, "::bigint)");
}

std::string UpdateReservationsSql() {
  return absl::StrCat(
      "UPDATE reservation r SET state = n.state, reserved_nanousd = n.reserved_nanousd, "
      "reserved_tokens = n.reserved_tokens, observed_nanousd = n.observed_nanousd, "
      "observed_tokens = n.observed_tokens, expire_time = n.expire_time, "
      "hold_amounts = n.hold_amounts, "
      "end_time = CASE WHEN n.state = 1 THEN NULL ELSE clock_timestamp() END FROM (",
      SelectUnnested(std::span<const Column<Reservation>>(kReservationUpdates)),
      ") AS n(tenant_id, ", ColumnNames(std::span<const Column<Reservation>>(kReservationUpdates)),
      ") WHERE r.id = n.id AND r.tenant_id = n.tenant_id");
}

template <typename Row, size_t N>
Params ParamsFor(absl::string_view tenant, const Column<Row> (&columns)[N],
                 const std::vector<const Row*>& rows) {
  return UnnestParams(tenant, std::span<const Column<Row>>(columns),
                      std::span<const Row* const>(rows));
}

std::vector<const Reservation*> Pick(const ledger::State& state, const std::set<Id>& keys) {
  std::vector<const Reservation*> picked;
  for (const Id& key : keys) picked.push_back(&state.reservations.at(key));
  return picked;
}

void AddCounters(absl::string_view tenant, const ledger::State& state,
                 const ledger::Changes& changes, std::vector<Statement>& statements) {
  static const std::string sql = WriteCountersSql();
  std::vector<const Counter*> rows;
  for (const Id& id : changes.counters) rows.push_back(&state.counters.at(id));
  Params params = ParamsFor(tenant, kCounterColumns, rows);
  params.Int(static_cast<int64_t>(rows.size()));
  statements.push_back({sql.c_str(), std::move(params)});
}

void AddReservations(absl::string_view tenant, const ledger::State& state,
                     const ledger::Changes& changes, std::vector<Statement>& statements) {
  static const std::string insert = InsertSql("reservation", kReservationColumns);
  static const std::string update = UpdateReservationsSql();
  std::set<Id> updated;
  for (const Id& key : changes.updated_reservations) {
    if (!changes.inserted_reservations.contains(key)) updated.insert(key);
  }
  if (!changes.inserted_reservations.empty()) {
    statements.push_back({insert.c_str(), ParamsFor(tenant, kReservationColumns,
                                                    Pick(state, changes.inserted_reservations))});
  }
  if (!updated.empty()) {
    statements.push_back(
        {update.c_str(), ParamsFor(tenant, kReservationUpdates, Pick(state, updated))});
  }
}

void AddRecords(absl::string_view tenant, const ledger::State& state,
                const ledger::Changes& changes, std::vector<Statement>& statements) {
  static const std::string insert_ids = InsertSql("usage_id", kUsageIdColumns);
  static const std::string insert_records = InsertSql("usage_record", kRecordColumns);
  std::vector<Id> sorted = changes.records;
  std::sort(sorted.begin(), sorted.end());
  std::vector<RecordRow> rows;
  for (const Id& id : sorted) rows.push_back({&state.records.at(id), state.now});
  std::vector<const RecordRow*> pointers;
  for (const RecordRow& row : rows) pointers.push_back(&row);
  statements.push_back({insert_ids.c_str(), ParamsFor(tenant, kUsageIdColumns, pointers)});
  statements.push_back({insert_records.c_str(), ParamsFor(tenant, kRecordColumns, pointers)});
}

}  // namespace

absl::Status PgLedgerStore::Write(absl::string_view tenant, const ledger::State& state,
                                  const ledger::Changes& changes) {
  std::vector<Statement> statements;
  if (!changes.counters.empty()) AddCounters(tenant, state, changes, statements);
  AddReservations(tenant, state, changes, statements);
  if (!changes.records.empty()) AddRecords(tenant, state, changes, statements);
  if (changes.window_end != absl::InfiniteFuture()) {
    statements.push_back({"SELECT expect_before($1)", Params().Time(changes.window_end)});
  }
  statements.push_back({"COMMIT", {}});
  return session_->Pipeline(std::move(statements)).status();
}

}  // namespace bursar::postgres
