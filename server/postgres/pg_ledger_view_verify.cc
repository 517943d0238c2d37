#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "history/cost_query.h"
#include "history/rollup.h"
#include "ledger/verification.h"
#include "postgres/array.h"
#include "postgres/pg_ledger_view.h"
#include "postgres/seen_by.h"
#include "status_macros.h"

// The pages of Verify, each read in one snapshot. What a page needs of another table it looks up
// row by row (LATERAL with OFFSET 0, which PostgreSQL does not turn into a join of whole tables).
namespace bursar::postgres {
namespace {

using ledger::Breach;
using ledger::Id;
using ledger::Verification;
using ledger::VerifiedPage;
using Step = Verification::Step;

// Every page is the next rows in the order of an index. A planner that thinks a table small,
// because nothing has analyzed it yet, would rather collect and sort all the rest of it for each
// page.
constexpr char kIndexOrder[] =
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', "
    "true), "
    "set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true)";

// ---- I5: what ended holds nothing; what is active is held by counters that are there.

#define BURSAR_PAGE                                                              \
  "(SELECT id, request_id, state, hold_counters, hold_amounts FROM reservation " \
  "WHERE tenant_id = $1 AND id >= $2::uuid ORDER BY id LIMIT $3) page"
constexpr char kReservations[] =
    "SELECT count(*), (array_agg(id ORDER BY id DESC))[1] FROM " BURSAR_PAGE;

constexpr char kHoldingAfterEnd[] =
    "SELECT request_id, (ARRAY['ACTIVE','SETTLED','RELEASED','EXPIRED'])[state], "
    "(SELECT sum(abs(amount)) FROM unnest(hold_amounts) AS amount) FROM " BURSAR_PAGE
    " WHERE state <> 1 AND EXISTS (SELECT FROM unnest(hold_amounts) AS amount WHERE amount <> 0)";

constexpr char kHeldByNone[] =
    "SELECT request_id, hold.counter FROM " BURSAR_PAGE
    " CROSS JOIN LATERAL unnest(hold_counters) AS hold(counter) LEFT JOIN LATERAL ("
    "SELECT 1 AS there FROM counter WHERE counter.id = hold.counter AND counter.tenant_id = $1 "
    "OFFSET 0) c ON true WHERE state = 1 AND there IS NULL";
#undef BURSAR_PAGE

// ---- I5: reserved = sum of active holds; and what of spent is compared with the records later.

#define BURSAR_COUNTER_NAME "c.id, coalesce(b.budget_id, ''), c.group_values, c.window_start "
#define BURSAR_COUNTER_BUDGET "LEFT JOIN budget b ON b.uid = c.budget_uid AND b.tenant_id = $1 "
constexpr char kCounters[] =
    "WITH page AS MATERIALIZED (SELECT id, budget_uid, group_values, window_start, spent, reserved "
    "FROM counter WHERE tenant_id = $1 AND id >= $2::uuid AND id < $3::uuid ORDER BY id LIMIT $4), "
    "held AS (SELECT hold.counter, sum(hold.amount) AS amount FROM reservation r "
    "CROSS JOIN LATERAL unnest(r.hold_counters, r.hold_amounts) AS hold(counter, amount) "
    "WHERE r.tenant_id = $1 AND r.state = 1 AND hold.counter >= $2::uuid "
    "AND hold.counter <= (SELECT id FROM page ORDER BY id DESC LIMIT 1) GROUP BY 1) "
    "SELECT " BURSAR_COUNTER_NAME
    ", c.spent, c.reserved, coalesce(h.amount, 0), c.reserved <> coalesce(h.amount, 0) "
    "FROM page c LEFT JOIN held h ON h.counter = c.id " BURSAR_COUNTER_BUDGET "ORDER BY c.id";

constexpr char kNamedCounters[] =
    "SELECT " BURSAR_COUNTER_NAME "FROM counter c " BURSAR_COUNTER_BUDGET
    "WHERE c.tenant_id = $1 AND c.id = ANY ($2::uuid[])";

// ---- I4: each record is where its id leads; I5: what the records charged.

#define BURSAR_PAGE                                                                             \
  "(SELECT charge_time, receive_time, id, usage_id, charged_counters, charged_amounts, xmin "   \
  "FROM usage_record WHERE tenant_id = $1 AND (charge_time, id) > ($2::timestamptz, $3::uuid) " \
  "ORDER BY charge_time, id LIMIT $4) page"
constexpr char kRecords[] =
    "SELECT count(*), max(charge_time), (array_agg(id ORDER BY charge_time DESC, id DESC))[1] "
    "FROM " BURSAR_PAGE;

constexpr char kRecordsWithoutId[] =
    "SELECT usage_id, page.receive_time, there.receive_time FROM " BURSAR_PAGE
    " LEFT JOIN LATERAL (SELECT receive_time FROM usage_id u "
    "WHERE u.id = page.id AND u.tenant_id = $1 OFFSET 0) there ON true "
    "WHERE page.receive_time > now() - $5::interval "
    "AND there.receive_time IS DISTINCT FROM page.receive_time";

// By counter, and whether it is there; of records that the snapshot of its stretch saw.
std::string ChargesSql() {
  return absl::StrCat(
      "SELECT charged.*, (SELECT 1 FROM counter WHERE counter.id = charged.counter "
      "AND counter.tenant_id = $1) FROM ("
      "SELECT charge.counter, sum(charge.amount), count(*), min(usage_id) FROM ",
      BURSAR_PAGE,
      " CROSS JOIN LATERAL unnest(charged_counters, charged_amounts) AS charge(counter, amount) "
      "CROSS JOIN LATERAL (SELECT greatest(width_bucket(charge.counter, $5::uuid[]), 1) AS place "
      "OFFSET 0) stretch WHERE cardinality($5::uuid[]) = 0 OR ",
      SeenBy("($6::timestamptz[])[place]", "($7::text[])[place]"), " GROUP BY 1) charged");
}
#undef BURSAR_PAGE

// ---- I4: each id has its record.

#define BURSAR_PAGE                                                                 \
  "(SELECT id, receive_time FROM usage_id WHERE tenant_id = $1 AND id >= $2::uuid " \
  "ORDER BY id LIMIT $3) page"
constexpr char kUsageIds[] =
    "SELECT count(*), (array_agg(id ORDER BY id DESC))[1] FROM " BURSAR_PAGE;

constexpr char kIdsWithoutRecord[] =
    "SELECT page.id, page.receive_time FROM " BURSAR_PAGE
    " LEFT JOIN LATERAL (SELECT 1 AS there FROM usage_record r WHERE "
    "r.receive_time = page.receive_time AND r.id = page.id AND r.tenant_id = $1 OFFSET 0) r ON "
    "true "
    "WHERE page.receive_time > now() - $4::interval AND there IS NULL";
#undef BURSAR_PAGE

// ---- I5: rollups, and what they do not have yet, are the sum of the records; a day for each page.

constexpr char kNextDay[] =
    "SELECT date_trunc('day', least("
    "(SELECT charge_time FROM usage_record WHERE tenant_id = $1 AND charge_time >= $2::timestamptz "
    "ORDER BY charge_time LIMIT 1), "
    "(SELECT start_time FROM rollup WHERE tenant_id = $1 AND family = 1 AND grain = 2 "
    "AND start_time >= $2::timestamptz ORDER BY start_time LIMIT 1)), 'UTC')";

#define BURSAR_SUMS                                                                        \
  "coalesce(sum(records), 0) AS records, coalesce(sum(calls), 0) AS calls, "               \
  "coalesce(sum(cost_nanousd), 0) AS cost, coalesce(sum(uncached_input_tokens + "          \
  "cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens + "                   \
  "visible_output_tokens + reasoning_tokens + input_audio_tokens + output_audio_tokens + " \
  "input_image_tokens + output_image_tokens), 0) AS tokens "
// By family and grain; a month goes by its days, which are compared with the records themselves.
constexpr char kRollupSums[] =
    "WITH waiting AS MATERIALIZED (SELECT " BURSAR_SUMS
    "FROM (SELECT receive_time AS batch_time FROM unmerged_batch WHERE tenant_id = $1) b "
    "CROSS JOIN LATERAL (SELECT * FROM counted_usage WHERE tenant_id = $1 "
    "AND receive_time = b.batch_time OFFSET 0) u "
    "WHERE charge_time >= $2::timestamptz AND charge_time < $2::timestamptz + interval '24 "
    "hours'), "
    "kept AS MATERIALIZED (SELECT " BURSAR_SUMS
    "FROM counted_usage WHERE tenant_id = $1 AND charge_time >= $2::timestamptz "
    "AND charge_time < $2::timestamptz + interval '24 hours'), "
    "month AS (SELECT date_trunc('month', $2::timestamptz, 'UTC') AS first, "
    "date_trunc('month', date_trunc('month', $2::timestamptz, 'UTC') + interval '32 days', 'UTC') "
    "AS next), "
    "expected AS (SELECT * FROM unnest($3::smallint[], $4::smallint[]) AS e(family, grain)) "
    "SELECT e.family, e.grain, s.records, s.calls, s.cost, s.tokens, "
    "d.records, d.calls, d.cost, d.tokens FROM expected e CROSS JOIN LATERAL ("
    "SELECT " BURSAR_SUMS
    "FROM rollup, month WHERE tenant_id = $1 AND family = e.family AND grain = e.grain "
    "AND start_time >= CASE WHEN e.grain = 3 THEN first ELSE $2::timestamptz END "
    "AND start_time < CASE WHEN e.grain = 3 THEN next "
    "ELSE $2::timestamptz + interval '24 hours' END) s "
    "CROSS JOIN LATERAL (SELECT k.records - w.records AS records, k.calls - w.calls AS calls, "
    "k.cost - w.cost AS cost, k.tokens - w.tokens AS tokens FROM kept k, waiting w "
    "WHERE e.grain < 3 UNION ALL SELECT " BURSAR_SUMS
    "FROM rollup, month WHERE tenant_id = $1 AND family = e.family AND grain = 2 "
    "AND start_time >= first AND start_time < next HAVING e.grain = 3) d "
    "WHERE (s.records, s.calls, s.cost, s.tokens) IS DISTINCT FROM "
    "(d.records, d.calls, d.cost, d.tokens)";
#undef BURSAR_SUMS

// `counter 11..ff of budget "user-day", group {"user":"carol"}, window from 2026-11-22 00:00:00+00`
std::string CounterName(const Rows& rows, int row) {
  std::string name = absl::StrCat("counter ", rows.Text(row, 0), " of budget \"", rows.Text(row, 1),
                                  "\", group ", rows.Text(row, 2));
  if (rows.Text(row, 3) == "-infinity") return name;
  return absl::StrCat(name, ", window from ", rows.Text(row, 3));
}

// One page: what was known before it, and what is known after it.
class Page {
 public:
  Page(Session& session, absl::string_view tenant, Verification verification, int size,
       absl::Duration horizon)
      : session_(session),
        tenant_(tenant),
        at_(std::move(verification)),
        size_(size),
        horizon_(absl::StrCat(absl::ToInt64Seconds(horizon), " seconds")) {}

  absl::StatusOr<VerifiedPage> Read() {
    switch (at_.step) {
      case Step::kReservations:
        RETURN_IF_ERROR(ReadReservations());
        break;
      case Step::kCounters:
        RETURN_IF_ERROR(ReadCounters());
        break;
      case Step::kRecords:
        RETURN_IF_ERROR(ReadRecords());
        break;
      case Step::kUsageIds:
        RETURN_IF_ERROR(ReadUsageIds());
        break;
      case Step::kRollups:
        RETURN_IF_ERROR(ReadRollups());
        break;
    }
    if (!done_) page_.next = at_.Encode();
    return std::move(page_);
  }

 private:
  Params Start() const { return Params().Text(tenant_); }
  Params FromId() const { return Start().Text(ledger::ToUuid(at_.from)).Int(size_); }
  Params AfterRecord() const {
    return Start().Time(at_.after_time).Text(ledger::ToUuid(at_.after_id)).Int(size_);
  }

  // All in one snapshot. Planned anew each time: these are few, and a plan that was made while the
  // tables were young would scan them whole for each row.
  absl::StatusOr<std::vector<Rows>> Run(std::vector<Statement> statements) {
    std::vector<Statement> all;
    all.push_back({"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", {}});
    all.push_back({kIndexOrder, {}});
    for (Statement& statement : statements) {
      statement.once = true;
      all.push_back(std::move(statement));
    }
    all.push_back({"COMMIT", {}});
    ASSIGN_OR_RETURN(auto results, session_.Pipeline(std::move(all)));
    results.erase(results.begin(), results.begin() + 2);
    return results;
  }

  template <typename... Parts>
  void Add(const char* invariant, const Parts&... parts) {
    page_.breaches.push_back({invariant, absl::StrCat(parts...)});
  }

  // Whether a page of `count, last id` was the last one of its step; else where to go on.
  bool WasLast(const Rows& rows, int64_t& count) {
    count = rows.Int(0, 0);
    if (count < size_) return true;
    at_.from = Verification::After(ledger::FromUuid(rows.Text(0, 1)));
    return false;
  }

  absl::Status ReadReservations();
  absl::Status ReadCounters();
  absl::Status ReadRecords();
  absl::Status ReadUsageIds();
  absl::Status ReadRollups();
  void AddCharges(const Rows& rows);
  absl::Status NameSuspects();

  Session& session_;
  const std::string tenant_;
  Verification at_;
  const int size_;
  const std::string horizon_;
  VerifiedPage page_;
  bool done_ = false;
};

absl::Status Page::ReadReservations() {
  ASSIGN_OR_RETURN(
      const auto results,
      Run({{kReservations, FromId()}, {kHoldingAfterEnd, FromId()}, {kHeldByNone, FromId()}}));
  for (int row = 0; row < results[1].size(); ++row) {
    Add("I5", "reservation \"", results[1].Text(row, 0), "\" ended as ", results[1].Text(row, 1),
        " and still holds ", results[1].Text(row, 2), "; it should hold nothing");
  }
  for (int row = 0; row < results[2].size(); ++row) {
    Add("I5", "reservation \"", results[2].Text(row, 0), "\" is active and holds in counter ",
        results[2].Text(row, 1), ", which is not there");
  }
  if (WasLast(results[0], page_.reservations)) {
    at_.step = Step::kCounters;
    at_.from = Id{};
  }
  return absl::OkStatus();
}

absl::Status Page::ReadCounters() {
  Params params = Start();
  params.Text(ledger::ToUuid(at_.from)).Text(ledger::ToUuid(at_.intervals.front().to)).Int(size_);
  ASSIGN_OR_RETURN(const auto results, Run({{"SELECT now(), pg_current_snapshot()", {}},
                                            {kCounters, std::move(params)}}));
  const Rows& rows = results[1];
  std::vector<Verification::CounterSpent> counters;
  for (int row = 0; row < rows.size(); ++row) {
    counters.push_back({ledger::FromUuid(rows.Text(row, 0)), rows.Int(row, 4)});
    if (at_.narrowing() || !rows.Bool(row, 7)) continue;
    Add("I5", CounterName(rows, row), ", says that ", rows.Text(row, 5),
        " is reserved, but its active reservations hold ", rows.Text(row, 6));
  }
  if (!at_.narrowing()) page_.counters = rows.size();
  at_.AddCounters(counters, /*whole=*/rows.size() < size_,
                  {results[0].Time(0, 0), std::string(results[0].Text(0, 1))});
  return absl::OkStatus();
}

void Page::AddCharges(const Rows& rows) {
  for (int row = 0; row < rows.size(); ++row) {
    absl::int128 amount = 0;
    if (!absl::SimpleAtoi(rows.Text(row, 1), &amount)) continue;
    if (!rows.IsNull(row, 4)) {
      at_.AddCharge(ledger::FromUuid(rows.Text(row, 0)), amount);
    } else if (!at_.narrowing()) {
      const int64_t others = rows.Int(row, 2) - 1;
      Add("I5", "record \"", rows.Text(row, 3), "\"",
          others > 0 ? absl::StrCat(" and ", others, " more") : "", " charged ", rows.Text(row, 1),
          " to counter ", rows.Text(row, 0), ", which is not there");
    }
  }
}

absl::Status Page::ReadRecords() {
  static const std::string charges = ChargesSql();
  Array from(Element::kUuid), as_of(Element::kTimestamptz), snapshots(Element::kText);
  for (const auto& stretch : at_.stretches) {
    from.Id(stretch.ids.from);
    as_of.Time(at_.snapshots[stretch.snapshot].as_of);
    snapshots.Text(at_.snapshots[stretch.snapshot].text);
  }
  std::vector<Statement> statements;
  statements.push_back({kRecords, AfterRecord()});
  statements.push_back({charges.c_str(), AfterRecord()});
  statements.back().params.Add(from).Add(as_of).Add(snapshots);
  if (!at_.narrowing()) {
    statements.push_back({kRecordsWithoutId, AfterRecord()});
    statements.back().params.Text(horizon_);
  }
  ASSIGN_OR_RETURN(const auto results, Run(std::move(statements)));
  AddCharges(results[1]);
  for (int row = 0; !at_.narrowing() && row < results[2].size(); ++row) {
    const Rows& rows = results[2];
    const std::string record =
        absl::StrCat("record \"", rows.Text(row, 0), "\" received at ", rows.Text(row, 1));
    if (rows.IsNull(row, 2)) {
      Add("I4", record, " is not among the ids that count once");
    } else {
      Add("I4", record, " is not the one that its id leads to, which was received at ",
          rows.Text(row, 2));
    }
  }
  const int64_t count = results[0].Int(0, 0);
  if (!at_.narrowing()) page_.records = count;
  if (count < size_) return NameSuspects();
  at_.after_time = results[0].Time(0, 1);
  at_.after_id = ledger::FromUuid(results[0].Text(0, 2));
  return absl::OkStatus();
}

absl::Status Page::NameSuspects() {
  const auto suspects = at_.FinishRecords();
  if (suspects.empty()) return absl::OkStatus();
  Array ids(Element::kUuid);
  for (const auto& suspect : suspects) ids.Id(suspect.ids.from);
  ASSIGN_OR_RETURN(const auto results, Run({{kNamedCounters, Start().Add(ids)}}));
  std::map<Id, std::string> names;
  for (int row = 0; row < results[0].size(); ++row) {
    names[ledger::FromUuid(results[0].Text(row, 0))] = CounterName(results[0], row);
  }
  for (const auto& suspect : suspects) {
    const std::string& name = names[suspect.ids.from];
    if (suspect.single) {
      Add("I5", name, ", says that ", suspect.spent, " was spent, but its records charged ",
          suspect.charged);
    } else {
      Add("I5", "the counters from ", ledger::ToUuid(suspect.ids.from), " to before ",
          ledger::ToUuid(suspect.ids.to),
          " say that other amounts were spent than their records charged; correct what is named "
          "and verify again to see which");
    }
  }
  return absl::OkStatus();
}

absl::Status Page::ReadUsageIds() {
  Params params = FromId();
  params.Text(horizon_);
  ASSIGN_OR_RETURN(const auto results,
                   Run({{kUsageIds, FromId()}, {kIdsWithoutRecord, std::move(params)}}));
  for (int row = 0; row < results[1].size(); ++row) {
    Add("I4", "the usage id with the key ", results[1].Text(row, 0),
        " leads to a record received at ", results[1].Text(row, 1), ", which is not there");
  }
  int64_t count = 0;
  if (WasLast(results[0], count)) at_.step = Step::kRollups;
  return absl::OkStatus();
}

absl::Status Page::ReadRollups() {
  ASSIGN_OR_RETURN(const auto found, Run({{kNextDay, Start().Time(at_.after_time)}}));
  done_ = found[0].IsNull(0, 0);
  if (done_) return absl::OkStatus();
  const absl::Time day = found[0].Time(0, 0);
  at_.after_time = day + absl::Hours(24);
  Array families(Element::kSmallint), grains(Element::kSmallint);
  for (const auto& family : history::Families()) {
    for (int grain = static_cast<int>(family.finest); grain <= static_cast<int>(family.coarsest);
         ++grain) {
      families.Int(family.number);
      grains.Int(grain);
    }
  }
  ASSIGN_OR_RETURN(const auto results,
                   Run({{kRollupSums, Start().Time(day).Add(families).Add(grains)}}));
  static constexpr const char* kSpans[] = {"", "hours of ", "day ", "month of "};
  const Rows& rows = results[0];
  const auto sums = [&](int row, int column) {
    return absl::StrCat(rows.Text(row, column), " records, ", rows.Text(row, column + 1),
                        " calls, ", rows.Text(row, column + 2), " nano-USD and ",
                        rows.Text(row, column + 3), " tokens");
  };
  if (rows.size() == 0) return absl::OkStatus();
  // One is named: a record that is gone is missing in all of them.
  const int others = rows.size() - 1;
  Add("I5", "the rollups of family ", rows.Int(0, 0), " for the ", kSpans[rows.Int(0, 1)],
      absl::FormatTime("%Y-%m-%d", day, absl::UTCTimeZone()), " say ", sums(0, 2),
      ", but the records say ", sums(0, 6),
      others > 0 ? absl::StrCat("; so do ", others, " more") : "");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VerifiedPage> PgLedgerView::Verify(absl::string_view tenant, absl::string_view at,
                                                  int page_size) {
  Verification verification;
  if (!at.empty()) {
    auto decoded = Verification::Decode(at);
    if (!decoded) return history::NoPageToken();
    verification = *std::move(decoded);
  }
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  auto page =
      Page(*session.operator->(), tenant, std::move(verification), page_size, horizon_).Read();
  if (SqlState(page.status()) == "22P02") return history::NoPageToken();  // no snapshot
  return page;
}

}  // namespace bursar::postgres
