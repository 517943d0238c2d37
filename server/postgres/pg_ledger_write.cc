#include "fail_point.h"
#include "postgres/array.h"
#include "postgres/json.h"
#include "postgres/pg_ledger_store.h"
#include "postgres/unnest.h"
#include "status_macros.h"

// What a batch writes, in the canonical order: counters, reservations, usage ids, records, events;
// of the first two, rows that are known before new ones.
namespace bursar::postgres {
namespace {

using enum Element;
using ledger::Charge;
using ledger::CostEvent;
using ledger::Counter;
using ledger::Hold;
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
void AddMicros(Array& array, const std::optional<absl::Duration>& value) {
  value ? array.Int(absl::ToInt64Microseconds(*value)) : array.Null();
}
template <typename Map>
void AddJson(Array& array, const Map& values) {
  values.empty() ? array.Null() : array.Text(EncodeJson(values));
}

// A column a line.
// clang-format off
constexpr Column<Counter> kCounterColumns[] = {
    {"id", kUuid, "", [](const Counter& c, Array& a) { a.Id(c.id); }},
    {"budget_uid", kUuid, "", [](const Counter& c, Array& a) { a.Id(c.budget_uid); }},
    {"group_values", kText, "", [](const Counter& c, Array& a) { a.Text(EncodeJson(c.group)); }},
    {"window_start", kTimestamptz, "", [](const Counter& c, Array& a) { a.Time(c.window_start); }},
    {"window_end", kTimestamptz, "", [](const Counter& c, Array& a) { a.Time(c.window_end); }},
    {"spent", kBigint, "", [](const Counter& c, Array& a) { a.Int(c.spent); }},
    {"reserved", kBigint, "", [](const Counter& c, Array& a) { a.Int(c.reserved); }},
    {"notified_percent", kSmallint, "",
     [](const Counter& c, Array& a) { a.Int(c.notified_percent); }},
    {"notified_limit", kBigint, "", [](const Counter& c, Array& a) { a.Int(c.notified_limit); }},
    {"version", kBigint, "", [](const Counter& c, Array& a) { a.Int(c.version + 1); }},
};

// Of a counter, what changes after it was made.
constexpr Column<Counter> kCounterUpdates[] = {
    {"id", kUuid, "", [](const Counter& c, Array& a) { a.Id(c.id); }},
    {"spent", kBigint, "", [](const Counter& c, Array& a) { a.Int(c.spent); }},
    {"reserved", kBigint, "", [](const Counter& c, Array& a) { a.Int(c.reserved); }},
    {"notified_percent", kSmallint, "",
     [](const Counter& c, Array& a) { a.Int(c.notified_percent); }},
    {"notified_limit", kBigint, "", [](const Counter& c, Array& a) { a.Int(c.notified_limit); }},
    {"version", kBigint, "", [](const Counter& c, Array& a) { a.Int(c.version + 1); }},
};

#define BURSAR_ROW [](const Reservation& r, Array& a)
constexpr Column<Reservation> kReservationColumns[] = {
    {"id", kUuid, "", BURSAR_ROW { a.Id(r.key); }},
    {"request_id", kText, "", BURSAR_ROW { a.Text(r.request_id); }},
    {"state", kSmallint, "", BURSAR_ROW { a.Int(static_cast<int>(r.state)); }},
    {"subject", kText, "", BURSAR_ROW { a.Text(EncodeJson(r.subject)); }},
    {"model", kText, "", BURSAR_ROW { a.Text(EncodeJson(r.model)); }},
    {"event_type", kText, "", BURSAR_ROW { a.Text(r.event_type); }},
    {"reserved_nanousd", kBigint, "", BURSAR_ROW { a.Int(r.reserved_nanousd); }},
    {"reserved_tokens", kBigint, "", BURSAR_ROW { a.Int(r.reserved_tokens); }},
    {"observed_nanousd", kBigint, "", BURSAR_ROW { a.Int(r.observed_nanousd); }},
    {"observed_tokens", kBigint, "", BURSAR_ROW { a.Int(r.observed_tokens); }},
    {"max_output_tokens", kBigint, "", BURSAR_ROW { a.Int(r.max_output_tokens); }},
    {"expiry_nanousd", kBigint, "", BURSAR_ROW { a.Int(r.expiry_nanousd); }},
    {"call_counted", kBool, "", BURSAR_ROW { a.Bool(r.call_counted); }},
    {"price_version", kText, "", BURSAR_ROW { a.Text(r.price_version); }},
    {"priced_as", kText, "", BURSAR_ROW { a.Text(r.priced_as); }},
    {"create_time", kTimestamptz, "", BURSAR_ROW { a.Time(r.create_time); }},
    {"expire_time", kTimestamptz, "", BURSAR_ROW { a.Time(r.expire_time); }},
    {"fingerprint", kUuid, "", BURSAR_ROW { a.Id(r.fingerprint); }},
    {"end_time", kTimestamptz, "", BURSAR_ROW { r.end_time ? a.Time(*r.end_time) : a.Null(); }},
    {"version", kBigint, "", BURSAR_ROW { a.Int(r.version + 1); }},
};

// Of a reservation, what changes after it was made.
constexpr Column<Reservation> kReservationUpdates[] = {
    {"id", kUuid, "", BURSAR_ROW { a.Id(r.key); }},
    {"state", kSmallint, "", BURSAR_ROW { a.Int(static_cast<int>(r.state)); }},
    {"reserved_nanousd", kBigint, "", BURSAR_ROW { a.Int(r.reserved_nanousd); }},
    {"reserved_tokens", kBigint, "", BURSAR_ROW { a.Int(r.reserved_tokens); }},
    {"observed_nanousd", kBigint, "", BURSAR_ROW { a.Int(r.observed_nanousd); }},
    {"observed_tokens", kBigint, "", BURSAR_ROW { a.Int(r.observed_tokens); }},
    {"expire_time", kTimestamptz, "", BURSAR_ROW { a.Time(r.expire_time); }},
    {"expiry_nanousd", kBigint, "", BURSAR_ROW { a.Int(r.expiry_nanousd); }},
    {"call_counted", kBool, "", BURSAR_ROW { a.Bool(r.call_counted); }},
    {"end_time", kTimestamptz, "", BURSAR_ROW { r.end_time ? a.Time(*r.end_time) : a.Null(); }},
    {"version", kBigint, "", BURSAR_ROW { a.Int(r.version + 1); }},
};
constexpr ListColumn<Reservation> kHolds[] = {
    {"hold_counters", kUuid, BURSAR_ROW { for (const Hold& h : r.holds) a.Id(h.counter); }},
    {"hold_units", kSmallint,
     BURSAR_ROW { for (const Hold& h : r.holds) a.Int(static_cast<int>(h.unit)); }},
    {"hold_amounts", kBigint, BURSAR_ROW { for (const Hold& h : r.holds) a.Int(h.amount); }},
    {"hold_expiry_charges", kBigint,
     BURSAR_ROW { for (const Hold& h : r.holds) a.Int(h.expiry_charge); }},
};
constexpr ListColumn<Reservation> kHoldUpdates[] = {kHolds[2], kHolds[3]};
#undef BURSAR_ROW

#define BURSAR_ROW [](const RecordRow& r, Array& a)
#define BURSAR_TOKENS(name, token_class) \
  {name, kBigint, "", BURSAR_ROW { a.Int(r.stored->answer.tokens[TokenClass::token_class]); }}
constexpr Column<RecordRow> kUsageIdColumns[] = {
    {"id", kUuid, "", BURSAR_ROW { a.Id(r.stored->record.key); }},
    {"receive_time", kTimestamptz, "", BURSAR_ROW { a.Time(r.receive_time); }},
    {"fingerprint", kUuid, "", BURSAR_ROW { a.Id(r.stored->record.fingerprint); }},
};

constexpr Column<RecordRow> kRecordColumns[] = {
    {"receive_time", kTimestamptz, "", BURSAR_ROW { a.Time(r.receive_time); }},
    {"id", kUuid, "", BURSAR_ROW { a.Id(r.stored->record.key); }},
    {"usage_id", kText, "", BURSAR_ROW { a.Text(r.used().usage_id); }},
    {"reservation_id", kText, "", BURSAR_ROW { AddText(a, r.used().reservation_id); }},
    {"charge_time", kTimestamptz, "", BURSAR_ROW { a.Time(r.stored->charge_time); }},
    {"occur_time", kTimestamptz, "",
     BURSAR_ROW { r.used().occur_time ? a.Time(*r.used().occur_time) : a.Null(); }},
    {"project", kText, "", BURSAR_ROW { AddText(a, r.used().subject.project); }},
    {"team", kText, "", BURSAR_ROW { AddText(a, r.used().subject.team); }},
    {"user_name", kText, "", BURSAR_ROW { AddText(a, r.used().subject.user); }},
    {"agent", kText, "", BURSAR_ROW { AddText(a, r.used().subject.agent); }},
    {"workflow", kText, "", BURSAR_ROW { AddText(a, r.used().subject.workflow); }},
    {"tool", kText, "", BURSAR_ROW { AddText(a, r.used().subject.tool); }},
    {"run", kText, "", BURSAR_ROW { AddText(a, r.used().subject.run); }},
    {"parent_run", kText, "", BURSAR_ROW { AddText(a, r.used().subject.parent_run); }},
    {"root_run", kText, "", BURSAR_ROW { AddText(a, r.used().subject.root_run); }},
    {"labels", kText, "::jsonb", BURSAR_ROW { AddJson(a, r.used().subject.labels); }},
    {"provider", kText, "", BURSAR_ROW { AddText(a, r.used().model.provider); }},
    {"model", kText, "", BURSAR_ROW { AddText(a, r.used().model.name); }},
    {"service_tier", kText, "", BURSAR_ROW { AddText(a, r.used().model.service_tier); }},
    {"region", kText, "", BURSAR_ROW { AddText(a, r.used().model.region); }},
    {"requested_model", kText, "", BURSAR_ROW { AddText(a, r.used().model.requested_name); }},
    {"account", kText, "", BURSAR_ROW { AddText(a, r.used().model.account); }},
    {"event_type", kText, "", BURSAR_ROW { a.Text(r.used().event_type); }},
    {"step", kText, "", BURSAR_ROW { AddText(a, r.used().step); }},
    {"outcome", kSmallint, "", BURSAR_ROW { a.Int(static_cast<int>(r.used().outcome)); }},
    {"calls", kSmallint, "", BURSAR_ROW { a.Int(r.stored->calls); }},
    {"attempt", kInteger, "", BURSAR_ROW { a.Int(r.used().attempt); }},
    {"error_type", kText, "", BURSAR_ROW { AddText(a, r.used().error.type); }},
    {"error_category", kSmallint, "", BURSAR_ROW { a.Int(r.used().error.category); }},
    {"error_severity", kSmallint, "", BURSAR_ROW { a.Int(r.used().error.severity); }},
    {"guardrails", kText, "::jsonb", BURSAR_ROW { AddJson(a, r.used().guardrail_hits); }},
    {"cost_nanousd", kBigint, "", BURSAR_ROW { a.Int(r.stored->answer.cost_nanousd); }},
    {"cost_basis", kSmallint, "",
     BURSAR_ROW { a.Int(static_cast<int>(r.stored->answer.cost_basis)); }},
    {"cache_savings_nanousd", kBigint, "",
     BURSAR_ROW { a.Int(r.stored->cache_savings_nanousd); }},
    {"price_version", kText, "", BURSAR_ROW { a.Text(r.stored->answer.price_version); }},
    {"priced_as", kText, "", BURSAR_ROW { AddText(a, r.stored->priced_as); }},
    {"unpriced", kSmallint, "", BURSAR_ROW { a.Int(r.stored->unpriced); }},
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
    {"other_tokens", kText, "::jsonb",
     BURSAR_ROW { AddJson(a, r.stored->answer.tokens.other_tokens); }},
    {"billed_units", kText, "::jsonb",
     BURSAR_ROW { AddJson(a, r.stored->answer.tokens.billed_units); }},
    {"latency_us", kBigint, "", BURSAR_ROW { AddMicros(a, r.used().latency); }},
    {"first_token_us", kBigint, "", BURSAR_ROW { AddMicros(a, r.used().time_to_first_token); }},
    {"trace_id", kText, "", BURSAR_ROW { AddText(a, r.used().trace.trace_id); }},
    {"span_id", kText, "", BURSAR_ROW { AddText(a, r.used().trace.span_id); }},
    {"parent_span_id", kText, "", BURSAR_ROW { AddText(a, r.used().trace.parent_span_id); }},
    {"provider_request_id", kText, "", BURSAR_ROW { AddText(a, r.used().provider_request_id); }},
    {"released_nanousd", kBigint, "", BURSAR_ROW { a.Int(r.stored->answer.released_nanousd); }},
    {"overrun_nanousd", kBigint, "", BURSAR_ROW { a.Int(r.stored->answer.overrun_nanousd); }},
    {"late", kBool, "", BURSAR_ROW { a.Bool(r.stored->answer.late); }},
    {"adjusts", kUuid, "",
     BURSAR_ROW { r.stored->adjusts ? a.Id(*r.stored->adjusts) : a.Null(); }},
    {"adjust_reason", kText, "", BURSAR_ROW { AddText(a, r.stored->adjust_reason); }},
};
constexpr ListColumn<RecordRow> kCharges[] = {
    {"charged_counters", kUuid,
     BURSAR_ROW { for (const Charge& c : r.stored->charges) a.Id(c.counter); }},
    {"charged_amounts", kBigint,
     BURSAR_ROW { for (const Charge& c : r.stored->charges) a.Int(c.amount); }},
};
#undef BURSAR_TOKENS
#undef BURSAR_ROW

// An event with its time.
struct EventRow {
  const CostEvent* event;
  absl::Time time;
};

// Of what it tells, which happens once at a time: a batch that is run again, for nobody knows
// whether it was committed, has the same.
Id EventId(const CostEvent& event) {
  ledger::IdHash hash("event");
  hash.Add(static_cast<int64_t>(event.kind)).Add(event.request_id).Add(event.usage_id);
  hash.Add(event.reason).Add(int64_t{event.threshold_percent});
  if (event.counter) {
    hash.Add(static_cast<int64_t>(event.counter->high));
    hash.Add(static_cast<int64_t>(event.counter->low));
  }
  return hash.Finish();
}
#define BURSAR_ROW [](const EventRow& r, Array& a)
#define BURSAR_STATUS(value) \
  BURSAR_ROW { const auto& s = r.event->status; s ? value : a.Null(); }
constexpr Column<EventRow> kEventColumns[] = {
    {"event_time", kTimestamptz, "", BURSAR_ROW { a.Time(r.time); }},
    {"id", kUuid, "", BURSAR_ROW { a.Id(EventId(*r.event)); }},
    {"kind", kSmallint, "", BURSAR_ROW { a.Int(static_cast<int>(r.event->kind)); }},
    {"counter_id", kUuid, "",
     BURSAR_ROW { r.event->counter ? a.Id(*r.event->counter) : a.Null(); }},
    {"budget_id", kText, "", BURSAR_STATUS(a.Text(s->budget_id))},
    {"display_name", kText, "", BURSAR_STATUS(a.Text(s->display_name))},
    {"group_values", kText, "", BURSAR_STATUS(a.Text(EncodeJson(s->group)))},
    {"unit", kSmallint, "", BURSAR_STATUS(a.Int(static_cast<int>(s->unit)))},
    {"mode", kSmallint, "", BURSAR_STATUS(a.Int(static_cast<int>(s->mode)))},
    {"limit_amount", kBigint, "", BURSAR_STATUS(a.Int(s->limit))},
    {"spent", kBigint, "", BURSAR_STATUS(a.Int(s->spent))},
    {"reserved", kBigint, "", BURSAR_STATUS(a.Int(s->reserved))},
    {"window_start", kTimestamptz, "", BURSAR_STATUS(a.Time(s->window_start))},
    {"window_end", kTimestamptz, "", BURSAR_STATUS(a.Time(s->window_end))},
    {"subject", kText, "", BURSAR_ROW { a.Text(EncodeJson(r.event->subject)); }},
    {"model", kText, "", BURSAR_ROW { a.Text(EncodeJson(r.event->model)); }},
    {"request_id", kText, "", BURSAR_ROW { a.Text(r.event->request_id); }},
    {"usage_id", kText, "", BURSAR_ROW { a.Text(r.event->usage_id); }},
    {"reason", kText, "", BURSAR_ROW { a.Text(r.event->reason); }},
    {"message", kText, "", BURSAR_ROW { a.Text(r.event->message); }},
    {"amount", kBigint, "", BURSAR_ROW { a.Int(r.event->amount); }},
    {"threshold_percent", kSmallint, "", BURSAR_ROW { a.Int(r.event->threshold_percent); }},
    {"count", kBigint, "", BURSAR_ROW { a.Int(r.event->count); }},
};
#undef BURSAR_STATUS
#undef BURSAR_ROW
// clang-format on

const Columns<Counter> kNewCounter{kCounterColumns};
const Columns<Counter> kKnownCounter{kCounterUpdates};
size_t HoldCount(const Reservation& reservation) { return reservation.holds.size(); }
const Columns<Reservation> kNewReservation{kReservationColumns, kHolds, HoldCount};
const Columns<Reservation> kKnownReservation{kReservationUpdates, kHoldUpdates, HoldCount};
const Columns<RecordRow> kUsageId{kUsageIdColumns};
const Columns<RecordRow> kRecord{kRecordColumns, kCharges,
                                 [](const RecordRow& row) { return row.stored->charges.size(); }};

const Columns<EventRow> kEvent{kEventColumns};

// The text of a write, for one row and for many.
struct WriteSql {
  std::string one, many;
};

template <typename Row>
WriteSql InsertSql(const char* table, const Columns<Row>& columns) {
  const std::string into =
      absl::StrCat("INSERT INTO ", table, " (tenant_id, ", ColumnNames(columns), ") ");
  return {into + SelectOne(columns), into + SelectUnnested(columns)};
}

WriteSql Then(const WriteSql& write, const char* clause) {
  return {write.one + clause, write.many + clause};
}

// All rows of a write, or an error that ends the transaction: somebody was faster. RETURNING is
// counted, for ROW_COUNT lies on Citus. The last parameter is how many rows there are.
template <typename Row>
WriteSql AllRowsOf(const WriteSql& write, const Columns<Row>& columns) {
  auto counted = [](const std::string& sql, size_t parameters) {
    return absl::StrCat("WITH written AS (", sql,
                        " RETURNING 1) SELECT expect_rows((SELECT count(*) FROM written), $",
                        parameters + 1, "::bigint)");
  };
  // The tenant, the plain columns, the two bounds of a slice, the lists.
  const size_t one = 1 + columns.plain.size() + columns.lists.size();
  return {counted(write.one, one), counted(write.many, one + (columns.lists.empty() ? 0 : 2))};
}

// Joins with unnested rows say `tenant_id || ''`: a plan made while the table is young would else
// walk the whole primary key by its second column for ever, instead of looking each id up.
template <typename Row>
WriteSql UpdateSql(const char* table, const Columns<Row>& columns) {
  std::string sets;
  auto set = [&](const char* name) {
    absl::StrAppend(&sets, sets.empty() ? "" : ", ", name, " = n.", name);
  };
  for (const auto& column : columns.plain.subspan(1)) set(column.name);  // the first is the id
  for (const auto& list : columns.lists) set(list.name);
  const char* const unchanged =
      BURSAR_SPOILED(columns.lists.empty() ? "check_then_act" : "reservation_version_unchecked",
                     "AND t.version = n.version - 1", "AND t.version = n.version - 1", "");
  auto update = [&](const std::string& rows) {
    return absl::StrCat("UPDATE ", table, " t SET ", sets, " FROM (", rows,
                        ") n WHERE t.id = n.id AND t.tenant_id || '' = n.tenant_id ", unchanged);
  };
  return AllRowsOf({update(SelectOne(columns)), update(SelectUnnested(columns))}, columns);
}

// One that is there already is not waited for, as ON CONFLICT alone would: whoever is changing it
// may be waiting for a counter of ours.
WriteSql InsertCountersSql() {
  auto insert_absent = [](const std::string& rows) {
    return absl::StrCat("INSERT INTO counter (tenant_id, ", ColumnNames(kNewCounter),
                        ") SELECT n.* FROM (", rows,
                        ") n WHERE NOT EXISTS (SELECT FROM counter c WHERE c.id = n.id "
                        "AND c.tenant_id || '' = n.tenant_id)");
  };
  const WriteSql insert{insert_absent(SelectOne(kNewCounter)),
                        insert_absent(SelectUnnested(kNewCounter))};
  const char* const conflict =
      BURSAR_SPOILED("new_counter_overwrites", " ON CONFLICT DO NOTHING", "DO NOTHING",
                     "(id, tenant_id) DO UPDATE SET spent = excluded.spent, reserved = "
                     "excluded.reserved, version = excluded.version");
  return AllRowsOf(Then(insert, conflict), kNewCounter);
}

template <typename Row>
Statement Write(const WriteSql& sql, absl::string_view tenant, const Columns<Row>& columns,
                const std::vector<const Row*>& rows) {
  if (rows.size() == 1) return {sql.one.c_str(), OneRowParams(tenant, columns, *rows.front())};
  return {sql.many.c_str(), UnnestParams(tenant, columns, std::span<const Row* const>(rows))};
}

std::vector<const Reservation*> Pick(const ledger::State& state, const std::set<Id>& keys) {
  std::vector<const Reservation*> picked;
  picked.reserve(keys.size());
  for (const Id& key : keys) picked.push_back(state.reservations.at(key).get());
  return picked;
}

// Rows that others know first (counters, then reservations), then those that are new to all: in
// this order the locked way takes its locks too.
void AddCountersAndReservations(absl::string_view tenant, const ledger::State& state,
                                const ledger::Changes& changes,
                                std::vector<Statement>& statements) {
  static const WriteSql update_counters = UpdateSql("counter", kKnownCounter);
  static const WriteSql update_reservations = UpdateSql("reservation", kKnownReservation);
  static const WriteSql insert_counters = InsertCountersSql();
  static const WriteSql insert_reservations = InsertSql("reservation", kNewReservation);
  std::vector<const Counter*> known, made;
  for (const Id& id : changes.counters) {
    const Counter& counter = state.counters.at(id);
    (counter.version == 0 ? made : known).push_back(&counter);
  }
  std::set<Id> updated;
  for (const Id& key : changes.updated_reservations) {
    if (!changes.inserted_reservations.contains(key)) updated.insert(key);
  }
  auto add = [&](const WriteSql& sql, const auto& columns, const auto& rows) {
    if (rows.empty()) return;
    statements.push_back(Write(sql, tenant, columns, rows));
    statements.back().params.Int(static_cast<int64_t>(rows.size()));
  };
  add(update_counters, kKnownCounter, known);
  add(update_reservations, kKnownReservation, Pick(state, updated));
  add(insert_counters, kNewCounter, made);
  if (changes.inserted_reservations.empty()) return;
  statements.push_back(Write(insert_reservations, tenant, kNewReservation,
                             Pick(state, changes.inserted_reservations)));
}

void AddRecords(absl::string_view tenant, const ledger::State& state,
                const ledger::Changes& changes, std::vector<Statement>& statements) {
  static const WriteSql insert_ids = InsertSql("usage_id", kUsageId);
  static const WriteSql insert_records = InsertSql("usage_record", kRecord);
  std::vector<Id> sorted = changes.records;
  std::sort(sorted.begin(), sorted.end());
  std::vector<RecordRow> rows;
  for (const Id& id : sorted) rows.push_back({&state.records.at(id), state.now});
  std::vector<const RecordRow*> pointers;
  for (const RecordRow& row : rows) pointers.push_back(&row);
  statements.push_back(Write(insert_ids, tenant, kUsageId, pointers));
  statements.push_back(Write(insert_records, tenant, kRecord, pointers));
  if (BURSAR_PLANTED("rollup_forgotten")) return;
  // For the rollups. That no other batch of the tenant has this time is its key's to say.
  statements.push_back(
      {"INSERT INTO unmerged_batch (tenant_id, receive_time, records) "
       "VALUES ($1, $2, $3)",
       Params().Text(tenant).Time(state.now).Int(int64_t(rows.size()))});
}

void AddEvents(absl::string_view tenant, const ledger::State& state, const ledger::Changes& changes,
               std::vector<Statement>& statements) {
  static const WriteSql insert = Then(InsertSql("cost_event", kEvent), " ON CONFLICT DO NOTHING");
  std::vector<EventRow> rows;
  for (const CostEvent& event : changes.events) {
    rows.push_back({&event, event.time.value_or(state.now)});
  }
  std::vector<const EventRow*> pointers;
  for (const EventRow& row : rows) pointers.push_back(&row);
  statements.push_back(Write(insert, tenant, kEvent, pointers));
}

void AddChanges(absl::string_view tenant, const ledger::State& state,
                const ledger::Changes& changes, std::vector<Statement>& statements) {
  AddCountersAndReservations(tenant, state, changes, statements);
  if (!changes.records.empty()) AddRecords(tenant, state, changes, statements);
  if (!changes.events.empty()) AddEvents(tenant, state, changes, statements);
}

// Of counters that were only looked at: as many are as they were as were known, and no others are
// there.
constexpr char kExpectUnchanged[] =
    "SELECT expect_rows((SELECT count(*) - 2 * count(*) FILTER (WHERE c.version <> n.version) "
    "FROM unnest($2::uuid[], $3::bigint[]) AS n(id, version) "
    "JOIN counter c ON c.id = n.id AND c.tenant_id || '' = $1), $4::bigint)";

constexpr char kExpectNoReservations[] =
    "SELECT expect_rows((SELECT count(*) FROM reservation "
    "WHERE id = ANY ($2::uuid[]) AND tenant_id = $1), 0)";

void AddExpectations(absl::string_view tenant, const ledger::Expectations& expected,
                     std::vector<Statement>& statements) {
  if (!expected.unchanged.empty() && !BURSAR_PLANTED("denial_from_memory")) {
    Array ids(kUuid), versions(kBigint);
    int64_t known = 0;
    for (const auto& [id, version] : expected.unchanged) {
      ids.Id(id);
      versions.Int(version);
      known += version > 0 ? 1 : 0;
    }
    statements.push_back({kExpectUnchanged, Params()});
    statements.back().params.Text(tenant).Add(ids).Add(versions).Int(known);
  }
  if (!expected.absent_reservations.empty() && !BURSAR_PLANTED("absent_ids_unchecked")) {
    Array ids(kUuid);
    for (const Id& id : expected.absent_reservations) ids.Id(id);
    statements.push_back({kExpectNoReservations, Params()});
    statements.back().params.Text(tenant).Add(ids);
  }
  // Last, for the writes may have waited for somebody's lock.
  statements.push_back({"SELECT expect_epoch_and_clock($1, $2, $3, $4)", Params()});
  Params& params = statements.back().params;
  params.Text(tenant).Int(expected.book_epoch).Time(expected.earliest).Time(expected.latest);
}

}  // namespace

absl::Status PgLedgerStore::Write(absl::string_view tenant, const ledger::State& state,
                                  const ledger::Changes& changes) {
  std::vector<Statement> statements;
  AddChanges(tenant, state, changes, statements);
  if (changes.window_end != absl::InfiniteFuture()) {
    statements.push_back({"SELECT expect_before($1)", Params().Time(changes.window_end)});
  }
  return Commit(std::move(statements));
}

absl::Status PgLedgerStore::Commit(std::vector<Statement> statements) {
  if (BURSAR_PLANTED("answer_before_commit")) {
    return session_->Pipeline(std::move(statements)).status();
  }
  if (BURSAR_FAIL_POINT_IS_SET("before_commit")) {
    RETURN_IF_ERROR(session_->Pipeline(std::exchange(statements, {})).status());
    BURSAR_FAIL_POINT("before_commit", Abandon().IgnoreError());
  }
  statements.push_back({"COMMIT", {}});
  RETURN_IF_ERROR(session_->Pipeline(std::move(statements)).status());
  BURSAR_FAIL_POINT("after_commit", );
  return absl::OkStatus();
}

absl::Status PgLedgerStore::WriteIfAgreed(absl::string_view tenant, const ledger::State& state,
                                          const ledger::Changes& changes,
                                          const ledger::Expectations& expected) {
  RETURN_IF_ERROR(EnsureConnected());
  BURSAR_FAIL_POINT("before_begin", );
  std::vector<Statement> statements;
  if (!changes.empty()) {
    statements.push_back({"BEGIN", {}});
    AddChanges(tenant, state, changes, statements);
  }
  AddExpectations(tenant, expected, statements);
  if (!changes.empty()) return Commit(std::move(statements));
  return session_->Pipeline(std::move(statements)).status();
}

}  // namespace bursar::postgres
