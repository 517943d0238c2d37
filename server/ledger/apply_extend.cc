#include <algorithm>

#include "absl/strings/str_cat.h"
#include "fail_point.h"
#include "ledger/bookkeeper.h"
#include "pricing/money.h"
#include "status_macros.h"
#include "usage/field_error.h"

// ExtendReservation: keep it held for longer, or hold more of it.
namespace bursar::ledger {

// What keeps a reservation from holding so much more, or a stream that says what it used from going
// on;
// "" if nothing does.
std::string Bookkeeper::GrowthDenial(const Reservation& reservation, int64_t more_nanousd,
                                     int64_t more_tokens, bool observed) {
  std::string reason;
  for (const Hold& hold : reservation.holds) {
    const Counter* counter = FindPinned(hold.counter);
    if (counter == nullptr) return reason;  // the batch starts over
    const Budget* budget = state_.book->Find(counter->budget_uid);
    // Deleted or over meanwhile: limits nothing.
    if (budget == nullptr || state_.now >= budget->expire_time) continue;
    if (budget->frozen) return "BUDGET_FROZEN";
    if (budget->mode != Mode::kHard) continue;
    const int64_t more = AmountIn(hold.unit, more_nanousd, more_tokens, 0);
    if (more == 0 && !observed) continue;  // a hold that only lives on takes no room
    const pricing::Int128 limit = budget->LimitFor(counter->group, state_.now);
    if (pricing::Int128{counter->spent} + counter->reserved + more <= limit) continue;
    const bool fits_alone = pricing::Int128{counter->spent} + hold.amount + more <= limit;
    if (reason.empty() || !fits_alone) reason = fits_alone ? "BUDGET_HELD" : "BUDGET_EXHAUSTED";
  }
  return reason;
}

absl::Status Bookkeeper::Grow(Reservation& reservation, int64_t more_nanousd, int64_t more_tokens) {
  for (const Hold& hold : reservation.holds) {
    const Counter* counter = FindPinned(hold.counter);
    if (counter == nullptr) return absl::OkStatus();  // the batch starts over
    RETURN_IF_ERROR(CheckRoom(*counter, 0, AmountIn(hold.unit, more_nanousd, more_tokens, 0)));
  }
  for (Hold& hold : reservation.holds) {
    const int64_t more = AmountIn(hold.unit, more_nanousd, more_tokens, 0);
    if (more == 0) continue;
    Counter* counter = FindPinned(hold.counter);
    counter->reserved += more;
    hold.amount += more;
    Touch(*counter, CauseOf(reservation));
  }
  reservation.reserved_nanousd += more_nanousd;
  reservation.reserved_tokens += more_tokens;
  applied_.changes.updated_reservations.insert(reservation.key);
  return absl::OkStatus();
}

// Holds at least what is known to be used, fitting or not.
absl::Status Bookkeeper::Observe(Reservation& reservation, const usage::TokenUsage& observed) {
  auto cost = PricesOf(reservation.price_version)
                  .CostOf(reservation.model, observed, reservation.create_time);
  const int64_t nanousd = std::max(reservation.observed_nanousd, cost ? cost->nanousd : 0);
  const int64_t tokens = std::max(reservation.observed_tokens, observed.AllTokens());
  const int64_t twice = BURSAR_PLANTED("observed_held_twice") ? 2 : 1;
  RETURN_IF_ERROR(Grow(reservation,
                       twice * std::max<int64_t>(nanousd - reservation.reserved_nanousd, 0),
                       std::max<int64_t>(tokens - reservation.reserved_tokens, 0)));
  reservation.observed_nanousd = nanousd;
  reservation.observed_tokens = tokens;
  return absl::OkStatus();
}

absl::StatusOr<Answer> Bookkeeper::Run(const Extend& extend) {
  Reservation* reservation = FindReservation(extend.key);
  if (reservation == nullptr) {
    return usage::WithReason(
        absl::NotFoundError(absl::StrCat("reservation_id \"", extend.reservation_id,
                                         "\" is not known; it is the request_id of a check")),
        "RESERVATION_NOT_FOUND");
  }
  ReservationAnswer answer{.now = state_.now};
  if (reservation->state == ReservationState::kActive && reservation->expire_time <= state_.now) {
    End(*reservation, ReservationState::kExpired);
  }
  if (reservation->state != ReservationState::kActive) {
    answer.reason = "RESERVATION_ENDED";
  } else {
    if (extend.observed) RETURN_IF_ERROR(Observe(*reservation, *extend.observed));
    const int64_t more = std::max<int64_t>(extend.hold_nanousd - reservation->reserved_nanousd, 0);
    answer.reason = GrowthDenial(*reservation, more, 0, extend.observed.has_value());
    if (answer.reason.empty() && more > 0) RETURN_IF_ERROR(Grow(*reservation, more, 0));
    // An observed stream keeps its hold for its settlement, even when it is told to stop.
    if (extend.ttl && (answer.reason.empty() || extend.observed)) {
      reservation->expire_time = std::max(reservation->expire_time, state_.now + *extend.ttl);
      applied_.changes.updated_reservations.insert(reservation->key);
    }
  }
  answer.decision = answer.reason.empty() ? Decision::kAllow : Decision::kDeny;
  answer.reservation = *reservation;
  answer.budgets = StatusesOf(reservation->holds);
  return answer;
}

}  // namespace bursar::ledger
