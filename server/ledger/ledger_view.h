#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ledger/operation.h"

// The ledger as it is looked at from outside: lists of what it holds, and the proof that it is
// right. The fields are those of the requests in protos/bursar/v1/admin_service.proto. Each list
// goes on `after` the last row of the page before: a place in its order, never a number of rows, so
// that rows which come and go do not shift the pages.
namespace bursar::ledger {

struct BudgetStatusQuery {
  // Fullness moves while pages are turned. Each page is what is less full than the place where the
  // last one ended: a counter that fills up beyond that place meanwhile is not shown again, one
  // that empties may be shown twice.
  struct Place {
    double used_fraction = 0;
    Id counter;
  };
  double min_used_fraction = 0;
  int page_size = 100;
  std::optional<Place> after;
};
struct BudgetStatusPage {
  std::vector<BudgetStatus> statuses;
  std::optional<BudgetStatusQuery::Place> next;  // absent: this was the last page
};

// A place in a list whose order is that of time.
struct TimePlace {
  absl::Time time;
  Id id;
};

struct ReservationQuery {
  std::vector<Filter> filters;  // of subject and model; "budget": it holds there; "request_id"
  std::optional<ReservationState> state;
  int page_size = 100;
  std::optional<TimePlace> after;  // by create_time
};
struct ReservationPage {
  std::vector<Reservation> reservations;  // without what only the ledger needs: holds, fingerprint
  std::optional<TimePlace> next;
  absl::Time now;  // the database's clock
};

struct CostEventQuery {
  absl::Time start = absl::InfinitePast();
  absl::Time end = absl::InfiniteFuture();
  std::vector<Filter> filters;  // of subject and model; "budget", "kind" and "request_id"
  int page_size = 100;
  std::optional<TimePlace> after;
};
struct KeptCostEvent {
  absl::Time time;
  CostEvent event;
};
struct CostEventPage {
  std::vector<KeptCostEvent> events;
  std::optional<TimePlace> next;
};

// Records that newer prices may give another cost: their tokens are known, and nobody declared or
// corrected what they cost.
struct RepriceQuery {
  absl::Time start, end;        // of charge_time: start <= t < end
  std::vector<Filter> filters;  // of every dimension of a record
  bool only_unpriced = true;
  int page_size = 1000;
  std::optional<TimePlace> after;  // by charge_time
};
struct RepriceableRecord {
  std::string usage_id;
  usage::Model model;
  usage::TokenUsage tokens;
  int64_t cost_nanousd = 0;  // with what earlier reprices made of it
  bool unpriced = false;
  absl::Time charge_time;
};
struct RepricePage {
  std::vector<RepriceableRecord> records;
  std::optional<TimePlace> next;
};

// A place where the ledger is not what its records say.
struct Breach {
  std::string invariant;  // "I4", "I5"
  std::string message;
};
struct VerifiedPage {
  int64_t counters = 0;
  int64_t reservations = 0;
  int64_t records = 0;
  std::vector<Breach> breaches;
  std::string next;  // where to go on, as the view wrote it; empty: all was checked
};

// Reads one tenant's ledger and changes nothing. Every call is one short transaction.
//
// Errors: UNAVAILABLE: the database cannot be reached, or took longer than 5 s. INVALID_ARGUMENT:
// `at` is none of this view's. Thread-safe.
class LedgerView {
 public:
  virtual ~LedgerView() = default;

  // Every counter of the budget's window that is now, the fullest first.
  virtual absl::StatusOr<BudgetStatusPage> ListStatuses(absl::string_view tenant,
                                                        const Budget& budget,
                                                        const BudgetStatusQuery& query) = 0;
  // The oldest first.
  virtual absl::StatusOr<ReservationPage> ListReservations(absl::string_view tenant,
                                                           const ReservationQuery& query) = 0;
  virtual absl::StatusOr<CostEventPage> ListCostEvents(absl::string_view tenant,
                                                       const CostEventQuery& query) = 0;
  // The oldest first, by charge_time.
  virtual absl::StatusOr<RepricePage> ListRepriceable(absl::string_view tenant,
                                                      const RepriceQuery& query) = 0;
  // Invariants I4 and I5, a page after the other: `at` is empty for the first, then the `next` of
  // the one before. On a ledger that is written meanwhile there are no false alarms; what is wrong
  // when the first page is asked for and stays so is found (verification.h says how).
  virtual absl::StatusOr<VerifiedPage> Verify(absl::string_view tenant, absl::string_view at,
                                              int page_size) = 0;
};

}  // namespace bursar::ledger
