#pragma once

#include <set>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "ledger/operation.h"
#include "pricing/price_books.h"

namespace bursar::ledger {

// What one budget has counted for one group in one window, in the budget's unit.
struct Counter {
  Id id;
  Id budget_uid;
  Group group;
  absl::Time window_start, window_end;
  int64_t spent = 0;
  int64_t reserved = 0;
  int32_t notified_percent = 0;  // the highest threshold that an event told of,
  int64_t notified_limit = 0;    // and of which limit: another is told of anew
  int64_t version = 0;           // 0: not in the database yet
};

// A usage record as it is kept: what was said, what it cost, and which counters it charged.
struct Charge {
  Id counter;
  Unit unit = Unit::kCost;  // of the counter's budget
  int64_t amount = 0;
};

struct StoredRecord {
  Record record;
  absl::Time charge_time;
  int calls = 1;  // what it counts in budgets of calls: 0 if not executed, -1 if it takes one back
  RecordAnswer answer;  // budgets empty: they are of the moment
  std::string priced_as;
  int64_t cache_savings_nanousd =
      0;             // CostRow.cache_savings_nanousd; of an adjustment: a difference
  int unpriced = 0;  // 1 if it has no price; of an adjustment that gives it one: -1
  std::vector<Charge> charges;
  std::optional<Id> adjusts;  // the record that this one corrects: all amounts are differences
  std::string adjust_reason;
};

// What is remembered of the ledger; the database is asked afterwards whether it is still so.
class Recollection {
 public:
  virtual ~Recollection() = default;
  virtual const Counter* FindCounter(const Id& id) const = 0;  // nullptr: taken for not there yet
  virtual const Reservation* FindReservation(const Id& key) const = 0;
};

// Books of prices that are no longer the newest, by version.
using OlderBooks = absl::flat_hash_map<std::string, std::shared_ptr<const pricing::PriceBook>>;

// What a batch goes by: read within one transaction, after its locks were taken; or remembered.
struct State {
  std::string tenant;
  absl::Time now;  // the database's clock
  const BudgetBook* book = nullptr;
  const pricing::TenantPrices* prices = nullptr;
  const OlderBooks* older_books = nullptr;     // absent: none at hand
  absl::Duration horizon;                      // how old an occur_time may be
  const Recollection* recollection = nullptr;  // absent: it was read
  absl::flat_hash_set<Id> locked;              // if read: counters asked for, found or not
  // Those found, and those that Apply looked for. Nodes, so that a pointer to one stays good.
  absl::node_hash_map<Id, Counter> counters;
  // Shared with the answers about them: one that is to change is copied first if an answer has it.
  absl::flat_hash_map<Id, std::shared_ptr<Reservation>> reservations;
  absl::flat_hash_map<Id, StoredRecord> records;
  // Records that are to be adjusted, as they stand: cost, tokens and charges with those of their
  // earlier adjustments added; charges of counters that are gone are left out.
  absl::flat_hash_map<Id, StoredRecord> standings;
};

// What a batch writes.
struct Changes {
  std::set<Id> counters;  // of State::counters, to be written with version + 1
  std::set<Id> inserted_reservations;
  std::set<Id> updated_reservations;
  std::vector<Id> records;  // of State::records, in the order of arrival
  std::vector<CostEvent> events;
  // Of the windows that were gone by as "now": the latest start and the earliest end.
  absl::Time window_start = absl::InfinitePast();
  absl::Time window_end = absl::InfiniteFuture();

  bool empty() const {
    return counters.empty() && inserted_reservations.empty() && updated_reservations.empty() &&
           records.empty() && events.empty();
  }
};

struct Applied {
  std::vector<absl::StatusOr<Answer>> answers;  // one for each operation, in order
  Changes changes;
  // Counters that were needed and not locked. If there are any, nothing else here counts: lock them
  // too and apply again.
  std::vector<Id> missing;
  // Versions of the prices that were needed and not at hand; likewise.
  std::set<std::string> missing_books;

  bool complete() const { return missing.empty() && missing_books.empty(); }
};

// The ledger's heart: runs the operations in order against the state and says what to answer and
// what to write. Pure: no clock, no I/O; an operation changes all of its budgets or none. `state`
// becomes what the database holds once the changes are written.
Applied Apply(State& state, std::span<const Operation> operations);

// What the operations will surely touch, so that it can be locked and read in one round trip. `now`
// may be a guess: Apply says what was missing. Counters of reservations are found through the
// reservations.
struct Footprint {
  std::set<Id> counters;
  std::set<Id> reservations;
  std::set<Id> records;
  std::set<Id> adjusted;  // records that are to be adjusted; their counters are found through them
};
Footprint FootprintOf(std::span<const Operation> operations, const BudgetBook& book,
                      absl::Time now);

}  // namespace bursar::ledger
