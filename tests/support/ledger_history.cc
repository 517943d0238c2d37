#include "support/ledger_history.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace bursar::testing {
namespace {

constexpr int kExpired = v1::Reservation::STATE_EXPIRED;
constexpr int kReleased = v1::Reservation::STATE_RELEASED;

postgres::Rows Read(postgres::Session& session, const char* sql) {
  auto rows = session.Execute(sql);
  if (!rows.ok()) {
    std::cerr << "what the triggers wrote cannot be read: " << rows.status() << std::endl;
    std::exit(1);
  }
  return *std::move(rows);
}

// As CounterName() has it.
constexpr char kNames[] =
    "WITH named AS (SELECT id, 'budgets/' || budget_id || coalesce((SELECT string_agg(' ' || key "
    "|| '=' || value, '' ORDER BY key) FROM json_each_text(group_values::json)), '') AS name "
    "FROM counter JOIN budget ON uid = budget_uid) ";

}  // namespace

LedgerHistory::LedgerHistory(const TestDatabase& database) {
  auto session = database.Connect({.statement_timeout = absl::ZeroDuration()});
  ReadCounters(*session);
  ReadHolds(*session);
  ReadRecords(*session);
}

void LedgerHistory::ReadCounters(postgres::Session& session) {
  static const std::string sql = std::string(kNames) +
                                 "SELECT name, version, xid, spent, reserved FROM watched_counter "
                                 "JOIN named USING (id) ORDER BY name, version";
  const postgres::Rows rows = Read(session, sql.c_str());
  for (int row = 0; row < rows.size(); ++row) {
    xids_.insert(rows.Int(row, 2));
    versions_[std::string(rows.Text(row, 0))].push_back(
        {rows.Int(row, 1), rows.Int(row, 2), {rows.Int(row, 3), rows.Int(row, 4)}});
  }
}

void LedgerHistory::ReadHolds(postgres::Session& session) {
  static const std::string sql =
      std::string(kNames) +
      "SELECT xid, request_id, state, name, was, is_now, before IS NULL, "
      "greatest(observed - reserved_before, 0) FROM watched_hold "
      "CROSS JOIN unnest(hold_counters, coalesce(before, array_fill(0::bigint, "
      "ARRAY[cardinality(after)])), after) AS hold(id, was, is_now) JOIN named USING (id)";
  const postgres::Rows rows = Read(session, sql.c_str());
  std::set<std::string> expired;
  for (int row = 0; row < rows.size(); ++row) {
    const int64_t xid = rows.Int(row, 0), grown = rows.Int(row, 5) - rows.Int(row, 4);
    const std::string id(rows.Text(row, 1));
    Done& done = done_[{xid, std::string(rows.Text(row, 3))}];
    done.held += grown;
    if (rows.Bool(row, 6)) {
      xid_of_[{Seen::Kind::kCheck, id}] = xid;
    } else if (rows.Int(row, 2) == kExpired && grown < 0) {
      done.expired.reserved -= grown;
      expired.insert(id);
    } else if (rows.Int(row, 2) == kReleased && grown < 0) {
      xid_of_[{Seen::Kind::kRelease, id}] = xid;
    } else if (grown > 0) {
      xid_of_[{Seen::Kind::kExtend, absl::StrCat(id, "#", rows.Int(row, 5))}] = xid;
      done.beyond_holds += std::min(grown, rows.Int(row, 7));
    }
  }
  expiries_ = static_cast<int64_t>(expired.size());
}

// A record's transaction is its row's own: records are never updated.
void LedgerHistory::ReadRecords(postgres::Session& session) {
  static const std::string sql =
      std::string(kNames) +
      "SELECT r.xmin::text::bigint, usage_id, name, amount, overrun_nanousd, "
      "coalesce(reservation_id, ''), split_part(usage_id, ':', 1) FROM usage_record r "
      "CROSS JOIN unnest(charged_counters, charged_amounts) AS charge(id, amount) "
      "JOIN named ON named.id = charge.id";
  const postgres::Rows rows = Read(session, sql.c_str());
  std::map<std::tuple<int64_t, std::string, std::string>, int64_t> beyond;  // by reservation
  for (int row = 0; row < rows.size(); ++row) {
    const int64_t xid = rows.Int(row, 0), charged = rows.Int(row, 3);
    const std::string name(rows.Text(row, 2)), reservation(rows.Text(row, 5)),
        by(rows.Text(row, 6));
    Done& done = done_[{xid, name}];
    done.charged += charged;
    if (by == "expiry") done.expired.spent += charged;
    if (reservation.empty()) {
      done.beyond_holds += charged;
    } else {
      beyond[{xid, name, reservation}] += by == "correction" ? charged : rows.Int(row, 4);
    }
    xid_of_[{Seen::Kind::kRecord, std::string(rows.Text(row, 1))}] = xid;
  }
  for (const auto& [key, amount] : beyond) {
    done_[{std::get<0>(key), std::get<1>(key)}].beyond_holds += std::max<int64_t>(amount, 0);
  }
}

const std::vector<LedgerHistory::Version>& LedgerHistory::VersionsOf(
    const std::string& counter) const {
  return versions_.at(counter);
}

const LedgerHistory::Done& LedgerHistory::DoneBy(int64_t xid, const std::string& counter) const {
  static const Done nothing;
  const auto found = done_.find({xid, counter});
  return found == done_.end() ? nothing : found->second;
}

std::optional<int64_t> LedgerHistory::TransactionOf(const Seen& seen) const {
  const auto found = xid_of_.find({seen.kind, seen.id});
  if (found == xid_of_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> LedgerHistory::counters() const {
  std::vector<std::string> names;
  for (const auto& [name, versions] : versions_) names.push_back(name);
  return names;
}

}  // namespace bursar::testing
