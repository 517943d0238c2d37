#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "history/cost_query.h"
#include "ledger/budget_status.h"
#include "postgres/array.h"
#include "postgres/pg_budget_rows.h"
#include "postgres/pg_usage_view.h"
#include "postgres/record_columns.h"
#include "postgres/seen_by.h"
#include "status_macros.h"

// ListRuns. The records are walked back from the latest, a stretch at a time, until enough runs
// have been met; then the records of these are summed, found by the indexes of runs. So a page
// costs what its runs have, not what the range has. Where the filters let too few of the first ones
// through, the range is searched once for all that pass. Each statement is a transaction of its
// own, and sees what the first look saw.
namespace bursar::postgres {
namespace {

using history::FirstLook;
using history::RunQuery;
using history::RunSummary;
using ledger::Id;

constexpr absl::Duration kTimeMax = absl::Seconds(5);  // for a page, with all its statements
constexpr int kStretchMin = 1000;
constexpr int kStretchMax = 100'000;
constexpr int kFewRuns = 1000;
constexpr int kRecordsOfRun = 20;  // a guess, to begin with

Array Texts(const std::vector<std::string>& values) {
  Array array(Element::kText);
  for (const auto& value : values) array.Text(value);
  return array;
}

std::vector<std::string> NamesOf(const std::vector<RunSummary>& runs) {
  std::vector<std::string> names;
  for (const RunSummary& run : runs) names.push_back(run.run);
  return names;
}

// Reads one page.
class RunReader {
 public:
  RunReader(Session& session, absl::string_view tenant, const RunQuery& query, FirstLook look)
      : session_(session),
        tenant_(tenant),
        query_(query),
        look_(std::move(look)),
        stretch_(std::max(kStretchMin, kRecordsOfRun * query.page_size)) {}

  // One run more than the page has, if there is one.
  absl::StatusOr<std::vector<RunSummary>> Find();
  absl::Status FillSubjects(std::vector<RunSummary>& runs);
  absl::Status FillTrees(std::vector<RunSummary>& runs);
  absl::Status FillCaps(std::vector<RunSummary>& runs);

 private:
  // A run that was met, and when its latest record of this stretch counts.
  struct Met {
    std::string run;
    absl::Time time;
  };

  struct Summed {
    RunSummary summary;
    bool top = false;
  };

  std::string Range(Placeholders& values) const;
  std::string Passes(Placeholders& values) const;
  absl::Status Walk();
  absl::StatusOr<std::map<std::string, Summed>> SumsOf(const std::vector<std::string>& names);
  absl::Status SumNext(size_t count, std::vector<RunSummary>& found);
  absl::StatusOr<std::optional<std::vector<std::string>>> FewThatPass();
  absl::StatusOr<std::vector<RunSummary>> FindAmong(const std::vector<std::string>& names);
  absl::StatusOr<Rows> Ask(const std::string& sql, Placeholders& values);
  bool IsAfterPlace(const Met& met) const {
    if (!query_.after || met.time < query_.after->last_time) return true;
    return met.time == query_.after->last_time && met.run > query_.after->run;
  }

  Session& session_;
  const std::string tenant_;
  const RunQuery& query_;
  const FirstLook look_;
  const absl::Time begin_ = absl::Now();
  int stretch_;
  std::optional<absl::Time> walked_to_;  // what counts earlier is to be walked yet
  bool walked_all_ = false;
  std::set<std::string> known_;                       // every run that was met
  std::vector<Met> waiting_;                          // to be summed, the next one last
  std::map<std::string, usage::UsageRecord> latest_;  // of each run of the page: whose and of what
};

absl::StatusOr<Rows> RunReader::Ask(const std::string& sql, Placeholders& values) {
  if (absl::Now() - begin_ > kTimeMax) {
    return absl::UnavailableError("the runs of this range take longer than 5 s; ask for less");
  }
  std::vector<Statement> statements;
  statements.push_back({sql.c_str(), values.Take(), /*once=*/true});
  auto answered = session_.Pipeline(std::move(statements));
  if (SqlState(answered.status()) == "22P02") return history::NoPageToken();  // no snapshot
  if (!answered.ok()) return answered.status();
  return std::move(answered->front());
}

// The records that the list is of.
std::string RunReader::Range(Placeholders& values) const {
  const absl::Time start = query_.start.value_or(look_.as_of - history::kRunsDefault);
  const absl::Time end = query_.end == absl::InfiniteFuture() ? look_.as_of : query_.end;
  return absl::StrCat(" charge_time >= ", values.Time(start), "::timestamptz AND charge_time < ",
                      values.Time(end), "::timestamptz AND ",
                      SeenBy(values.Time(look_.as_of), values.Text(look_.snapshot)));
}

// That a record passes all filters.
std::string RunReader::Passes(Placeholders& values) const {
  std::vector<std::string> conditions;
  for (const auto& filter : query_.filters) conditions.push_back(RecordFilter(filter, values));
  return absl::StrJoin(conditions, " AND ");
}

// Walks one stretch further back. It ends where another time begins, so that no run is met later
// than one whose latest record counts at the same time. Whether a run is a top one its latest
// record says.
absl::Status RunReader::Walk() {
  Placeholders values;
  std::string where = absl::StrCat("tenant_id = ", values.Text(tenant_),
                                   " AND run IS NOT NULL AND ", Range(values));
  if (walked_to_) {
    absl::StrAppend(&where, " AND charge_time < ", values.Time(*walked_to_), "::timestamptz");
  } else if (query_.after) {
    absl::StrAppend(&where, " AND charge_time <= ", values.Time(query_.after->last_time),
                    "::timestamptz");
  }
  const std::string sql = absl::StrCat(
      "WITH walked AS MATERIALIZED (SELECT run, charge_time, receive_time, id, parent_run IS NULL "
      "AND root_run = run AS top FROM usage_record WHERE ",
      where, " ORDER BY charge_time DESC FETCH FIRST ", stretch_,
      " ROWS WITH TIES) SELECT DISTINCT ON (run) run, charge_time, top, "
      "(SELECT count(*) FROM walked), (SELECT min(charge_time) FROM walked) FROM walked "
      "ORDER BY run, charge_time DESC, receive_time DESC, id DESC");
  ASSIGN_OR_RETURN(const Rows rows, Ask(sql, values));
  walked_all_ = rows.size() == 0 || rows.Int(0, 3) < stretch_;
  if (rows.size() > 0) walked_to_ = rows.Time(0, 4);
  stretch_ = std::min(4 * stretch_, kStretchMax);
  for (int row = 0; row < rows.size(); ++row) {
    Met met{std::string(rows.Text(row, 0)), rows.Time(row, 1)};
    if (!known_.insert(met.run).second || !IsAfterPlace(met)) continue;
    if (!query_.top_only || rows.Bool(row, 2)) waiting_.push_back(std::move(met));
  }
  std::sort(waiting_.begin(), waiting_.end(), [](const Met& a, const Met& b) {
    return a.time != b.time ? a.time < b.time : a.run > b.run;
  });
  return absl::OkStatus();
}

// Of runs that a record of passes the filters. Whether a run is a top one its latest record says.
absl::StatusOr<std::map<std::string, RunReader::Summed>> RunReader::SumsOf(
    const std::vector<std::string>& names) {
  Placeholders values;
  std::string sql = absl::StrCat(
      "SELECT run, min(charge_time), max(charge_time), coalesce(sum(calls), 0)::bigint, "
      "count(*) FILTER (WHERE outcome = 2 AND adjusts IS NULL), "
      "coalesce(sum(cost_nanousd), 0)::bigint, (array_agg(parent_run IS NULL AND root_run = run "
      "ORDER BY charge_time DESC, receive_time DESC, id DESC))[1] "
      "FROM usage_record WHERE tenant_id || '' = ",
      values.Text(tenant_), " AND run IS NOT NULL AND run = ANY (", values.Add(Texts(names)),
      "::text[]) AND ", Range(values), " GROUP BY run");
  if (!query_.filters.empty()) absl::StrAppend(&sql, " HAVING bool_or(", Passes(values), ")");
  ASSIGN_OR_RETURN(const Rows rows, Ask(sql, values));
  std::map<std::string, Summed> sums;
  for (int row = 0; row < rows.size(); ++row) {
    const std::string run(rows.Text(row, 0));
    sums[run] = {{.run = run,
                  .first_time = rows.Time(row, 1),
                  .last_time = rows.Time(row, 2),
                  .calls = rows.Int(row, 3),
                  .failed_calls = rows.Int(row, 4),
                  .cost_nanousd = rows.Int(row, 5),
                  .tree_cost_nanousd = rows.Int(row, 5)},
                 rows.Bool(row, 6)};
  }
  return sums;
}

// Sums the next runs. One that has a later record than the one it was met by is of an earlier page.
absl::Status RunReader::SumNext(size_t count, std::vector<RunSummary>& found) {
  std::vector<Met> next;
  std::vector<std::string> names;
  while (next.size() < count && !waiting_.empty()) {
    names.push_back(waiting_.back().run);
    next.push_back(std::move(waiting_.back()));
    waiting_.pop_back();
  }
  ASSIGN_OR_RETURN(auto sums, SumsOf(names));
  for (const Met& met : next) {
    const auto sum = sums.find(met.run);
    if (sum == sums.end() || sum->second.summary.last_time != met.time) continue;
    found.push_back(std::move(sum->second.summary));
  }
  return absl::OkStatus();
}

// Every run of the range that passes the filters, if they are few.
absl::StatusOr<std::optional<std::vector<std::string>>> RunReader::FewThatPass() {
  Placeholders values;
  const std::string sql = absl::StrCat(
      "SELECT DISTINCT run FROM usage_record WHERE tenant_id = ", values.Text(tenant_),
      " AND run IS NOT NULL AND ", Range(values), " AND ", Passes(values), " LIMIT ", kFewRuns + 1);
  ASSIGN_OR_RETURN(const Rows rows, Ask(sql, values));
  if (rows.size() > kFewRuns) return std::nullopt;
  std::vector<std::string> names;
  for (int row = 0; row < rows.size(); ++row) names.emplace_back(rows.Text(row, 0));
  return names;
}

absl::StatusOr<std::vector<RunSummary>> RunReader::FindAmong(
    const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(auto sums, SumsOf(names));
  std::vector<RunSummary> found;
  for (auto& [name, sum] : sums) {
    if (!IsAfterPlace({name, sum.summary.last_time}) || (query_.top_only && !sum.top)) continue;
    found.push_back(std::move(sum.summary));
  }
  std::sort(found.begin(), found.end(), [](const RunSummary& a, const RunSummary& b) {
    return a.last_time != b.last_time ? a.last_time > b.last_time : a.run < b.run;
  });
  return found;
}

absl::StatusOr<std::vector<RunSummary>> RunReader::Find() {
  std::vector<RunSummary> found;
  const size_t wanted = static_cast<size_t>(query_.page_size) + 1;
  size_t at_once = 0;
  bool looked_for_few = query_.filters.empty();
  while (found.size() < wanted) {
    if (waiting_.empty() && walked_all_) break;
    if (waiting_.empty() && walked_to_ && !looked_for_few) {
      looked_for_few = true;
      ASSIGN_OR_RETURN(const auto few, FewThatPass());
      if (few) {
        ASSIGN_OR_RETURN(found, FindAmong(*few));
        break;
      }
    }
    if (waiting_.empty()) {
      RETURN_IF_ERROR(Walk());
      continue;
    }
    at_once = std::max(2 * at_once, wanted - found.size());
    RETURN_IF_ERROR(SumNext(at_once, found));
  }
  if (found.size() > wanted) found.resize(wanted);
  return found;
}

absl::Status RunReader::FillSubjects(std::vector<RunSummary>& runs) {
  Array times(Element::kTimestamptz);
  for (const RunSummary& run : runs) times.Time(run.last_time);
  Placeholders values;
  const std::string sql = absl::StrCat(
      "SELECT " BURSAR_CALL " FROM unnest(", values.Add(Texts(NamesOf(runs))), "::text[], ",
      values.Add(times),
      "::timestamptz[]) AS latest(of_run, last_time) CROSS JOIN LATERAL "
      "(SELECT * FROM usage_record WHERE run = of_run AND charge_time = last_time AND tenant_id = ",
      values.Text(tenant_), " AND ", Range(values),
      " ORDER BY receive_time DESC, id DESC LIMIT 1) r");
  ASSIGN_OR_RETURN(const Rows rows, Ask(sql, values));
  for (int row = 0; row < rows.size(); ++row) {
    usage::UsageRecord latest;
    ReadCall(rows, row, 0, latest);
    latest_[latest.subject.run] = std::move(latest);
  }
  for (RunSummary& run : runs) run.subject = latest_[run.run].subject;
  return absl::OkStatus();
}

// What the runs below each run cost, and the records that name it as their root and no run of their
// own: what a cap by root_run counts.
absl::Status RunReader::FillTrees(std::vector<RunSummary>& runs) {
  Placeholders values;
  const std::string sql = absl::StrCat(
      "SELECT root_run, coalesce(sum(cost_nanousd), 0)::bigint, count(DISTINCT run) "
      "FROM usage_record WHERE tenant_id || '' = ",
      values.Text(tenant_), " AND root_run = ANY (", values.Add(Texts(NamesOf(runs))),
      "::text[]) AND root_run IS DISTINCT FROM run AND ", Range(values), " GROUP BY root_run");
  ASSIGN_OR_RETURN(const Rows rows, Ask(sql, values));
  for (int row = 0; row < rows.size(); ++row) {
    const auto root = std::find_if(runs.begin(), runs.end(), [&](const RunSummary& run) {
      return run.run == rows.Text(row, 0);
    });
    if (root == runs.end()) continue;
    root->sub_runs = rows.Int(row, 2);
    if (root->is_top()) root->tree_cost_nanousd += rows.Int(row, 1);
  }
  return absl::OkStatus();
}

constexpr char kRunBudgets[] = "SELECT " BURSAR_BUDGET_COLUMNS
                               " FROM budget WHERE tenant_id = $1 AND delete_time IS NULL "
                               "AND group_by IN ('[\"run\"]', '[\"root_run\"]') ORDER BY budget_id";

constexpr char kCounters[] =
    "SELECT id, spent, reserved FROM counter WHERE id = ANY ($2::uuid[]) AND tenant_id = $1";

const usage::Model kAnyModel;
constexpr char kAnyCall[] = "model_call";  // what a budget in calls counts

// A cap is a run's own if its selector meets the run's latest record, or if it has counted any of
// it in the window that is now.
absl::Status RunReader::FillCaps(std::vector<RunSummary>& runs) {
  ASSIGN_OR_RETURN(const Rows clock, session_.Execute("SELECT clock_timestamp()"));
  ASSIGN_OR_RETURN(const Rows rows, session_.Execute(kRunBudgets, Params().Text(tenant_)));
  const absl::Time now = clock.Time(0, 0);
  ledger::BudgetBook book, of_all;  // as they are, and without what they select
  for (int row = 0; row < rows.size(); ++row) {
    book.budgets.push_back(ReadBudget(rows, row));
    of_all.budgets.push_back(book.budgets.back());
    of_all.budgets.back().selector.clear();
  }
  auto counters_of = [&](const RunSummary& run) {
    return ledger::MatchBudgets(of_all, run.subject, kAnyModel, kAnyCall, now).counted;
  };
  Array ids(Element::kUuid);
  for (const RunSummary& run : runs) {
    for (const auto& match : counters_of(run)) ids.Id(match.counter);
  }
  if (ids.size() == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Rows counted,
                   session_.Execute(kCounters, Params().Text(tenant_).Add(ids)));
  std::map<Id, int> row_of;
  for (int row = 0; row < counted.size(); ++row) {
    row_of[ledger::FromUuid(counted.Text(row, 0))] = row;
  }
  for (RunSummary& run : runs) {
    const usage::UsageRecord& latest = latest_[run.run];
    std::set<Id> met;
    const auto matches =
        ledger::MatchBudgets(book, latest.subject, latest.model, latest.event_type, now);
    for (const auto& match : matches.counted) met.insert(match.counter);
    for (const auto& match : counters_of(run)) {
      const auto row = row_of.find(match.counter);
      if (row == row_of.end() && !met.contains(match.counter)) continue;
      ledger::Counter counter{.id = match.counter,
                              .budget_uid = match.budget->uid,
                              .group = match.group(),
                              .window_start = match.window.start,
                              .window_end = match.window.end};
      if (row != row_of.end()) {
        counter.spent = counted.Int(row->second, 1);
        counter.reserved = counted.Int(row->second, 2);
      }
      run.caps.push_back(ledger::StatusOf(*book.Find(counter.budget_uid), counter, now));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<history::RunPage> PgUsageView::ListRuns(absl::string_view tenant,
                                                       const RunQuery& query) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  FirstLook look;
  if (query.after) {
    look = query.after->look;
  } else {
    ASSIGN_OR_RETURN(const Rows now, session->Execute("SELECT now(), pg_current_snapshot()"));
    look = {now.Time(0, 0), std::string(now.Text(0, 1))};
  }
  RunReader reader(*session.operator->(), tenant, query, look);
  history::RunPage page;
  ASSIGN_OR_RETURN(page.runs, reader.Find());
  if (page.runs.size() > static_cast<size_t>(query.page_size)) {
    page.runs.pop_back();
    page.next = {look, page.runs.back().last_time, page.runs.back().run};
  }
  if (page.runs.empty()) return page;
  RETURN_IF_ERROR(reader.FillSubjects(page.runs));
  RETURN_IF_ERROR(reader.FillTrees(page.runs));
  RETURN_IF_ERROR(reader.FillCaps(page.runs));
  return page;
}

}  // namespace bursar::postgres
