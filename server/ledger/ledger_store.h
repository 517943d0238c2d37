#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ledger/apply.h"

namespace bursar::ledger {

// Active holds of some counters that are over, oldest first, and when the next of the others ends.
struct OverdueHolds {
  std::vector<Id> reservations;  // at most 256
  // Of those not yet over, as far as it is among the tenant's first thousand to end: a hint.
  absl::Time next_expiry = absl::InfiniteFuture();
};

struct Overdue {  // of the sweeper
  std::string tenant;
  std::vector<Id> reservations;
};

// What a write that was decided without locks rests on.
struct Expectations {
  int64_t book_epoch = 0;
  absl::Time earliest, latest;  // the database's clock: earliest <= now < latest
  // Counters that were looked at and are not written, with the version seen; 0: not in the
  // database.
  std::vector<std::pair<Id, int64_t>> unchanged;
  // Request ids that were taken for new and are not inserted, because their checks were denied.
  std::vector<Id> absent_reservations;
};

// The ledger's memory: one database transaction at a time, for one tenant.
//
// A batch is Lock, Apply, then Write or Abandon; or Apply on remembered state, then WriteIfAgreed.
// Lock takes its locks in the canonical order (counters, reservations; each sorted) and reads
// everything else in later statements, so that nothing it returns is older than the locks.
//
// Errors: UNAVAILABLE: the database cannot be reached, or its answer to a COMMIT was lost: whether
// the batch counted is unknown, run it again with the same ids. ABORTED: somebody was faster; run
// it again. INVALID_ARGUMENT: PostgreSQL refuses one of the values. After an error no transaction
// is open. Not thread-safe.
class LedgerStore {
 public:
  virtual ~LedgerStore() = default;

  struct Locked {
    State state;  // book, prices and horizon are left for the caller to set
    int64_t book_epoch = 0;
  };

  // NOT_FOUND: there is no such tenant.
  virtual absl::StatusOr<BudgetBook> ReadBook(absl::string_view tenant) = 0;
  // What never changes of a counter is taken from `known` where it is there.
  virtual absl::StatusOr<Locked> Lock(absl::string_view tenant, const Footprint& footprint,
                                      const Recollection& known) = 0;
  // Writes what changed and commits. ABORTED too if a counter moved on since it was read, or the
  // database's clock has left a window that was charged.
  virtual absl::Status Write(absl::string_view tenant, const State& state,
                             const Changes& changes) = 0;
  virtual absl::Status Abandon() = 0;

  // One transaction in one round trip, without Lock: writes what changed if every counter still has
  // the version that `state` has, every updated reservation too, every inserted id is new and the
  // expectations hold. Else ABORTED, and nothing was written.
  virtual absl::Status WriteIfAgreed(absl::string_view tenant, const State& state,
                                     const Changes& changes, const Expectations& expected) = 0;

  virtual absl::StatusOr<OverdueHolds> FindOverdue(absl::string_view tenant,
                                                   const std::vector<Id>& counters) = 0;
  // Overdue reservations of all tenants but these: the oldest, at most `limit`.
  virtual absl::StatusOr<std::vector<Overdue>> FindAllOverdue(
      int limit, const std::vector<std::string>& but_of) = 0;
};

}  // namespace bursar::ledger
