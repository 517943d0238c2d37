#pragma once

#include <compare>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "support/steady_load.h"
#include "support/test_database.h"

namespace bursar::testing {

// What became of what callers were told (I4, I6).
struct Verdict {
  int64_t lost = 0;     // acknowledged, and not there or not as it was answered
  int64_t doubled = 0;  // there more than once
  int64_t unasked = 0;  // there, and nobody was told
  int64_t records = 0;  // looked at
};
Verdict CompareWithTables(const Acknowledged& acknowledged, const TestDatabase& database);

struct Sums {
  int64_t spent = 0, reserved = 0;
  auto operator<=>(const Sums&) const = default;
};

// One answer, as its caller saw it: what the operation did to each of its counters, and what it was
// told of them. Amounts are in nano-USD; every budget counts cost.
struct Seen {
  enum class Kind { kCheck, kRecord, kRelease, kExtend, kLook };
  struct Status {
    std::string counter;  // CounterName()
    Sums after;
    int64_t limit = 0;
  };

  absl::Time begin, end;
  Kind kind = Kind::kLook;  // kLook: it changed nothing (a denial, a release of what had ended)
  // The usage_id of a record; of an extension REQUEST_ID#HELD, with what is held now; else the
  // request_id.
  std::string id;
  Sums delta;
  int64_t denied_amount = 0;  // of a denied check; else 0
  bool stopped = false;  // an extension that was denied and holds what was observed all the same
  std::vector<Status> statuses;
};
std::string CounterName(const v1::BudgetStatus& status);

// Watches a database's ledger from below: triggers write down each version of each counter and hold
// with the transaction that made it. Afterwards everything is replayed in the order of the versions
// and held against what callers saw:
//
// - a counter's versions have no gap, and each changed it by exactly what its transaction's records
//   charged and its holds grew or shrank (I5, after every transaction);
// - within a transaction the answers form one chain from the counter's state before to that after,
//   with expiries, which nobody is told of, in between: no two answers start from the same state;
// - every admitted check fitted there, every denied one did not (I1);
// - no version is above the highest limit so far, or above the version before it if that was, by
//   more than its own transaction's overruns, observed use beyond holds, usage without a hold and
//   late settlements: summed up, that is I2;
// - an answer that came before another call began stands before it (I3).
//
// Make it before the first operation. Answers must be about holds that one caller ends, who waits
// for each answer.
class LedgerChecker {
 public:
  struct Findings {
    std::vector<std::string> violations;  // the first of them in words
    int64_t violation_count = 0;
    int64_t versions = 0, transactions = 0, chained = 0, looks = 0, expiries = 0;
  };

  explicit LedgerChecker(const TestDatabase& database);
  Findings Check(const std::vector<Seen>& seen) const;

 private:
  const TestDatabase& database_;
};

}  // namespace bursar::testing
