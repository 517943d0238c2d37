#include "support/ledger_checker.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "support/ledger_history.h"

namespace bursar::testing {
namespace {

constexpr size_t kViolationsShown = 20;

// Tables beside the ledger's own, filled by triggers.
constexpr char kWatch[] = R"(
  CREATE TABLE watched_counter AS SELECT 0::bigint AS xid, id, version, spent, reserved
    FROM counter WITH NO DATA;
  CREATE TABLE watched_hold AS SELECT 0::bigint AS xid, request_id, state, version, hold_counters,
    hold_amounts AS before, hold_amounts AS after, reserved_nanousd AS reserved_before,
    observed_nanousd AS observed FROM reservation WITH NO DATA;
  CREATE FUNCTION watch_counter() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO watched_counter
      VALUES (pg_current_xact_id()::text::bigint, NEW.id, NEW.version, NEW.spent, NEW.reserved);
    RETURN NULL;
  END $$;
  CREATE FUNCTION watch_hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO watched_hold VALUES (pg_current_xact_id()::text::bigint, NEW.request_id, NEW.state,
      NEW.version, NEW.hold_counters,
      CASE TG_OP WHEN 'UPDATE' THEN OLD.hold_amounts END, NEW.hold_amounts,
      CASE TG_OP WHEN 'UPDATE' THEN OLD.reserved_nanousd END, NEW.observed_nanousd);
    RETURN NULL;
  END $$;
  CREATE TRIGGER watch AFTER INSERT OR UPDATE ON counter
    FOR EACH ROW EXECUTE FUNCTION watch_counter();
  CREATE TRIGGER watch AFTER INSERT OR UPDATE ON reservation
    FOR EACH ROW EXECUTE FUNCTION watch_hold();)";

// One answer on one counter.
struct Edge {
  const Seen* seen;
  Sums before, after;
  int64_t limit = 0;  // that it was told
  bool used = false;
};

Sums operator-(const Sums& a, const Sums& b) {
  return {a.spent - b.spent, a.reserved - b.reserved};
}

std::string Text(const Sums& sums) {
  return absl::StrCat("(spent ", sums.spent, ", reserved ", sums.reserved, ")");
}

// Puts the answers of one transaction in an order that leads from one state to another. Expiries
// charge and free `expired` in all, anywhere in between. Finding the places is a search, but a
// short one: amounts are random, so that at most states one answer fits.
class Chain {
 public:
  Chain(std::vector<Edge> edges, Sums to) : edges_(std::move(edges)), to_(to) {
    for (size_t i = 0; i < edges_.size(); ++i) from_.emplace(edges_[i].before, i);
  }

  bool Holds(const Sums& at, const Sums& expired, size_t placed = 0) {
    if (placed == edges_.size()) {
      return Sums{at.spent + expired.spent, at.reserved - expired.reserved} == to_;
    }
    if (++steps_ > 100'000) return false;
    bool fits = false;
    const auto [first, last] = from_.equal_range(at);
    for (auto edge = first; edge != last; ++edge) {
      fits |= !edges_[edge->second].used;
      if (Take(edge->second, expired, placed)) return true;
    }
    if (fits || expired.reserved == 0) return false;
    for (size_t i = 0; i < edges_.size(); ++i) {
      const Sums gap = {edges_[i].before.spent - at.spent, at.reserved - edges_[i].before.reserved};
      if (gap.spent < 0 || gap.spent > expired.spent) continue;
      if (gap.reserved <= 0 || gap.reserved > expired.reserved) continue;
      if (Take(i, expired - gap, placed)) return true;
    }
    return false;
  }

 private:
  bool Take(size_t i, const Sums& expired, size_t placed) {
    Edge& edge = edges_[i];
    if (edge.used) return false;
    edge.used = true;
    if (Holds(edge.after, expired, placed + 1)) return true;
    edge.used = false;
    return false;
  }

  std::vector<Edge> edges_;
  std::multimap<Sums, size_t> from_;
  const Sums to_;
  int steps_ = 0;
};

// Replays one counter's versions.
class Replay {
 public:
  Replay(const LedgerHistory& history, const std::string& name, LedgerChecker::Findings& findings)
      : history_(history), name_(name), findings_(findings) {}

  void Add(const Seen& seen, const Seen::Status& status) {
    const int64_t held = status.after.spent + status.after.reserved;
    const bool grew = seen.kind == Seen::Kind::kCheck || seen.kind == Seen::Kind::kExtend;
    if (grew && !seen.stopped && seen.delta.reserved > 0 && held > status.limit) {
      Violation("I1", absl::StrCat(seen.id, " was admitted to ", Text(status.after),
                                   " with a limit of ", status.limit));
    }
    if (seen.delta == Sums{}) {
      looks_.push_back({&seen, status.after, status.after});
      return;
    }
    const auto xid = history_.TransactionOf(seen);
    if (!xid) return Violation("I4", absl::StrCat(seen.id, " was answered and is not there"));
    answers_[*xid].push_back({&seen, status.after - seen.delta, status.after, status.limit});
  }

  void Run() {
    const auto& versions = history_.VersionsOf(name_);
    Sums at;
    for (size_t i = 0; i < versions.size(); ++i) {
      const LedgerHistory::Version& version = versions[i];
      if (version.number != static_cast<int64_t>(i) + 1) {
        return Violation("I5", absl::StrCat("version ", i + 1, " is followed by or is ",
                                            version.number, ": one was written twice or skipped"));
      }
      const auto& done = history_.DoneBy(version.xid, name_);
      if (Sums{done.charged, done.held} != version.after - at) {
        Violation("I5", absl::StrCat("version ", version.number, " changed it from ", Text(at),
                                     " to ", Text(version.after), ", but records charged ",
                                     done.charged, " and holds changed by ", done.held));
      }
      RunTransaction(version, at, done.expired);
      const int64_t bound = std::max(highest_limit_, at.spent + at.reserved) + done.beyond_holds;
      // Without answers nobody knows of any limit.
      if (version.after.spent + version.after.reserved > bound && !answers_.empty()) {
        Violation("I2", absl::StrCat("version ", version.number, " led from ", Text(at), " to ",
                                     Text(version.after), ", above the limit of ", highest_limit_,
                                     ", with only ", done.beyond_holds, " beyond holds"));
      }
      at = version.after;
    }
    absl::Time earliest = absl::InfiniteFuture();
    for (auto behind = earliest_end_.rbegin(); behind != earliest_end_.rend(); ++behind) {
      behind->second = earliest = std::min(earliest, behind->second);
    }
    for (const Edge& look : looks_) CheckLook(look);
    findings_.looks += static_cast<int64_t>(looks_.size());
    findings_.versions += static_cast<int64_t>(versions.size());
  }

 private:
  void RunTransaction(const LedgerHistory::Version& version, const Sums& from,
                      const Sums& expired) {
    last_version_of_[from] = version.number - 1;
    last_version_of_[version.after] = version.number;
    if (expired != Sums{}) with_expiries_.push_back({nullptr, from, version.after});
    auto answers = answers_.find(version.xid);
    if (answers == answers_.end()) return;
    findings_.chained += static_cast<int64_t>(answers->second.size());
    absl::Time latest_begin = latest_begin_;
    absl::Time earliest_end = absl::InfiniteFuture();
    for (const Edge& edge : answers->second) {
      highest_limit_ = std::max(highest_limit_, edge.limit);
      last_version_of_[edge.before] = last_version_of_[edge.after] = version.number;
      latest_begin = std::max(latest_begin, edge.seen->begin);
      earliest_end = std::min(earliest_end, edge.seen->end);
      if (edge.seen->end < latest_begin_) {
        Violation("I3", absl::StrCat(edge.seen->id, " was answered before another call began, but ",
                                     "stands behind it, in version ", version.number));
      }
    }
    latest_begin_ = latest_begin;
    earliest_end_.push_back({version.number, earliest_end});
    if (!Chain(answers->second, version.after).Holds(from, expired)) {
      Violation("I1",
                absl::StrCat("the ", answers->second.size(), " answers of version ", version.number,
                             " do not lead from ", Text(from), " to ", Text(version.after),
                             " with ", Text(expired), " charged and freed by expiries"));
    }
  }

  // Who changes nothing must have seen what was there, and not what was gone when it began.
  void CheckLook(const Edge& look) {
    const auto seen_in = last_version_of_.find(look.after);
    if (seen_in == last_version_of_.end()) {
      // Between two expiries of one transaction nobody else's answer shows what was there.
      for (const Edge& expiry : with_expiries_) {
        if (look.after.spent >= expiry.before.spent && look.after.spent <= expiry.after.spent) {
          return;
        }
      }
      return Violation("I1",
                       absl::StrCat(look.seen->id, " saw ", Text(look.after), ", which never was"));
    }
    // Those behind that version, and the first of them to be answered.
    const auto behind = std::upper_bound(
        earliest_end_.begin(), earliest_end_.end(), seen_in->second,
        [](int64_t version, const auto& answered) { return version < answered.first; });
    if (behind != earliest_end_.end() && behind->second < look.seen->begin) {
      Violation("I3",
                absl::StrCat(look.seen->id, " saw ", Text(look.after), " of version ",
                             seen_in->second, ", but a later one was answered before it began"));
    }
  }

  void Violation(const char* invariant, const std::string& what) {
    ++findings_.violation_count;
    if (findings_.violations.size() < kViolationsShown) {
      findings_.violations.push_back(absl::StrCat(invariant, " ", name_, ": ", what));
    }
  }

  const LedgerHistory& history_;
  const std::string name_;
  LedgerChecker::Findings& findings_;
  std::map<int64_t, std::vector<Edge>> answers_;  // by transaction
  std::vector<Edge> looks_, with_expiries_;
  std::map<Sums, int64_t> last_version_of_;
  std::vector<std::pair<int64_t, absl::Time>> earliest_end_;  // by version: of it and all behind
  absl::Time latest_begin_ = absl::InfinitePast();
  int64_t highest_limit_ = 0;  // so far
};

}  // namespace

std::string CounterName(const v1::BudgetStatus& status) {
  std::string name = status.budget();
  const std::map<std::string, std::string> sorted(status.group().begin(), status.group().end());
  for (const auto& [dimension, value] : sorted) absl::StrAppend(&name, " ", dimension, "=", value);
  return name;
}

LedgerChecker::LedgerChecker(const TestDatabase& database) : database_(database) {
  const absl::Status status = database.Connect()->ExecuteScript(kWatch);
  if (status.ok()) return;
  std::cerr << "the ledger cannot be watched: " << status << std::endl;
  std::exit(1);
}

LedgerChecker::Findings LedgerChecker::Check(const std::vector<Seen>& seen) const {
  const LedgerHistory history(database_);
  Findings findings{.transactions = history.transactions(), .expiries = history.expiries()};
  std::map<std::string, Replay> replays;
  for (const std::string& name : history.counters()) {
    replays.try_emplace(name, history, name, findings);
  }
  for (const Seen& one : seen) {
    bool denied_rightly = one.denied_amount == 0 && !one.stopped;
    for (const Seen::Status& status : one.statuses) {
      denied_rightly |=
          status.after.spent + status.after.reserved + one.denied_amount > status.limit;
      const auto replay = replays.find(status.counter);
      if (replay != replays.end()) {
        replay->second.Add(one, status);
      } else if (status.after != Sums{} && ++findings.violation_count < 20) {
        findings.violations.push_back("I1 " + status.counter + ": was seen and is not there");
      }
    }
    if (denied_rightly) continue;
    ++findings.violation_count;
    findings.violations.push_back("I1 " + one.id + ": was denied and fitted every budget");
  }
  for (auto& [name, replay] : replays) replay.Run();
  return findings;
}

Verdict CompareWithTables(const Acknowledged& acknowledged, const TestDatabase& database) {
  Verdict verdict;
  auto session = database.Connect();
  const auto records = session->Execute(
      "SELECT usage_id, cost_nanousd, released_nanousd, overrun_nanousd FROM usage_record "
      "WHERE usage_id !~ '^(expiry|release|correction):'");  // the ledger's own
  const auto reservations =
      session->Execute("SELECT request_id, state, reserved_nanousd FROM reservation");
  if (!records.ok() || !reservations.ok()) {
    std::cerr << records.status() << " " << reservations.status() << std::endl;
    verdict.lost = -1;
    return verdict;
  }
  std::map<std::string, int> times;
  for (int row = 0; row < records->size(); ++row) {
    const std::string id(records->Text(row, 0));
    verdict.doubled += ++times[id] > 1;
    const auto known = acknowledged.records.find(id);
    if (known == acknowledged.records.end()) {
      ++verdict.unasked;
      continue;
    }
    const v1::RecordUsageResponse& told = known->second.response;
    verdict.lost += records->Int(row, 1) != told.cost_nanousd() ||
                    records->Int(row, 2) != told.released_nanousd() ||
                    records->Int(row, 3) != told.overrun_nanousd();
  }
  for (const auto& [id, kept] : acknowledged.records) verdict.lost += times.count(id) == 0;
  std::map<std::string, std::pair<int64_t, int64_t>> states;
  for (int row = 0; row < reservations->size(); ++row) {
    states[std::string(reservations->Text(row, 0))] = {reservations->Int(row, 1),
                                                       reservations->Int(row, 2)};
  }
  for (const auto& [id, amount] : acknowledged.held) {
    verdict.lost +=
        states[id] != std::pair<int64_t, int64_t>(v1::Reservation::STATE_ACTIVE, amount);
  }
  for (const auto& [id, reservation] : acknowledged.released) {
    verdict.lost += states[id].first != v1::Reservation::STATE_RELEASED;
  }
  verdict.records = records->size();
  return verdict;
}

}  // namespace bursar::testing
