#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "support/ledger_checker.h"

namespace bursar::testing {

// What LedgerChecker's triggers wrote down, read once.
class LedgerHistory {
 public:
  struct Version {
    int64_t number = 0, xid = 0;
    Sums after;
  };
  // What one transaction did to one counter, but for the counter itself.
  struct Done {
    int64_t charged = 0;  // by its records
    int64_t held = 0;     // what its holds grew (or, negative, shrank)
    Sums expired;         // of these: charged, and freed, by expiries
    // The terms of I2: overruns, observed use that a hold had to grow for, usage without a hold,
    // and late settlements, less what the expiry had charged for the same.
    int64_t beyond_holds = 0;
  };

  explicit LedgerHistory(const TestDatabase& database);

  const std::vector<Version>& VersionsOf(const std::string& counter) const;  // ascending
  const Done& DoneBy(int64_t xid, const std::string& counter) const;
  // The transaction that did what an answer says; nothing if there is none.
  std::optional<int64_t> TransactionOf(const Seen& seen) const;

  std::vector<std::string> counters() const;
  int64_t transactions() const { return static_cast<int64_t>(xids_.size()); }
  int64_t expiries() const { return expiries_; }

 private:
  void ReadCounters(postgres::Session& session);
  void ReadHolds(postgres::Session& session);
  void ReadRecords(postgres::Session& session);

  std::map<std::string, std::vector<Version>> versions_;
  std::map<std::pair<int64_t, std::string>, Done> done_;
  std::map<std::pair<Seen::Kind, std::string>, int64_t> xid_of_;
  std::set<int64_t> xids_;
  int64_t expiries_ = 0;
};

}  // namespace bursar::testing
