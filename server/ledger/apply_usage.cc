#include <algorithm>

#include "absl/strings/str_cat.h"
#include "fail_point.h"
#include "ledger/bookkeeper.h"
#include "ledger/fingerprint.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"

// RecordUsage, ReleaseReservation, ExtendReservation, expiry: keep it once.
namespace bursar::ledger {
namespace {

using usage::CostBasis;
using usage::Outcome;

int64_t ChargeIn(Unit unit, const StoredRecord& stored, int64_t tokens) {
  return AmountIn(unit, stored.answer.cost_nanousd, tokens, stored.calls);
}

// A stream that told of its progress: that is billed, whatever becomes of the call.
bool WasObserved(const Reservation& reservation) {
  return reservation.observed_nanousd > 0 || reservation.observed_tokens > 0;
}

// A call that was cut off without saying what it used: what was observed of it counts, if anything
// was.
bool CountsAsObserved(const usage::UsageRecord& used, const Reservation& reservation) {
  return used.outcome == Outcome::kCancelled && WasObserved(reservation);
}

void SetUnpriced(StoredRecord& stored) {
  stored.answer.cost_basis = CostBasis::kUnpriced;
  stored.unpriced = 1;
}

absl::Status NoSuchReservation(absl::string_view id) {
  return usage::WithReason(
      absl::NotFoundError(absl::StrCat(
          "reservation_id \"", id, "\" is not known; it is the request_id of an allowed check")),
      "RESERVATION_NOT_FOUND");
}

}  // namespace

std::optional<absl::StatusOr<RecordAnswer>> Bookkeeper::Replay(const Record& record) {
  auto known = state_.records.find(record.key);
  if (known == state_.records.end()) return std::nullopt;
  if (BURSAR_PLANTED("replay_without_look")) return std::nullopt;
  if (known->second.record.fingerprint != record.fingerprint) {
    return absl::AlreadyExistsError(
        absl::StrCat("usage_id \"", record.usage.usage_id,
                     "\" was recorded before with another payload; use a new id for another call"));
  }
  RecordAnswer answer = known->second.answer;
  answer.replayed = true;
  return answer;
}

// Sets cost, basis and tokens from what was said, or from the hold where nobody knows.
absl::Status Bookkeeper::PriceRecord(StoredRecord& stored, const Reservation* reservation) const {
  const usage::UsageRecord& used = stored.record.usage;
  RecordAnswer& answer = stored.answer;
  answer.tokens = used.tokens.value_or(usage::TokenUsage{});
  // What the check saw is what the settlement pays; other usage, what was asked for then.
  const pricing::PriceBook& book =
      reservation != nullptr ? PricesOf(reservation->price_version) : PricesAt(stored.charge_time);
  answer.price_version = book.version();
  const bool said = used.tokens.has_value() || used.cost_nanousd.has_value();
  const bool unknown =
      used.outcome == Outcome::kUnknown || (used.outcome == Outcome::kCancelled && !said);
  if (used.outcome == Outcome::kNotExecuted) {  // certainly never happened: counts nothing
    answer.tokens = {};
    stored.calls = 0;
    return absl::OkStatus();
  }
  if (used.cost_nanousd) {
    answer.cost_nanousd = *used.cost_nanousd;
    answer.cost_basis = CostBasis::kDeclared;
    return absl::OkStatus();
  }
  if (unknown && reservation != nullptr) {
    answer.cost_nanousd = CountsAsObserved(used, *reservation) ? reservation->observed_nanousd
                                                               : reservation->reserved_nanousd;
    answer.cost_basis = CostBasis::kEstimated;
    stored.priced_as = reservation->priced_as;
    return absl::OkStatus();
  }
  if (!said) {  // a failure without usage costs nothing; else nobody said what it cost
    if (used.outcome != Outcome::kFailed) SetUnpriced(stored);
    return absl::OkStatus();
  }
  PriceTokens(stored, book);
  return absl::OkStatus();
}

// A model that had no price then may have one now.
void Bookkeeper::PriceTokens(StoredRecord& stored, const pricing::PriceBook& book) const {
  const pricing::PriceBook& newest = *state_.prices->newest;
  const usage::UsageRecord& used = stored.record.usage;
  RecordAnswer& answer = stored.answer;
  const pricing::PriceBook* by = &book;
  auto cost = book.CostOf(used.model, answer.tokens, stored.charge_time);
  if (!cost && book.version() != newest.version()) {
    by = &newest;
    cost = newest.CostOf(used.model, answer.tokens, stored.charge_time);
    answer.price_version = newest.version();
  }
  if (!cost) return SetUnpriced(stored);
  answer.cost_nanousd = cost->nanousd;
  answer.cost_basis = used.estimated ? CostBasis::kEstimated : CostBasis::kPriced;
  stored.priced_as = cost->priced_as;
  if (!used.estimated) {
    stored.cache_savings_nanousd =
        by->CacheSavingsOf(used.model, answer.tokens, stored.charge_time);
  }
}

// Frees what was held and charges what was used, in exactly the counters pinned at the check.
absl::Status Bookkeeper::ChargeHolds(StoredRecord& stored, Reservation& reservation) {
  const usage::UsageRecord& used = stored.record.usage;
  RecordAnswer& answer = stored.answer;
  const bool active = reservation.state == ReservationState::kActive;
  const bool nobody_counted = !used.tokens && answer.cost_basis == CostBasis::kEstimated;
  const int64_t held_tokens = CountsAsObserved(used, reservation) ? reservation.observed_tokens
                                                                  : reservation.reserved_tokens;
  const int64_t tokens = nobody_counted ? held_tokens : answer.tokens.AllTokens();
  const bool keep = used.keep_reservation && active;
  std::vector<std::pair<Counter*, int64_t>> freed;
  for (Hold& hold : reservation.holds) {
    Counter* counter = FindPinned(hold.counter);
    if (counter == nullptr) return absl::OkStatus();  // the batch starts over
    int64_t charge = ChargeIn(hold.unit, stored, tokens);
    if (BURSAR_PLANTED("overrun_trimmed")) charge = std::min(charge, hold.amount);
    if (!active && BURSAR_PLANTED("late_settlement_dropped")) charge = 0;
    const int64_t free = keep ? std::min(hold.amount, charge) : hold.amount;
    RETURN_IF_ERROR(CheckRoom(*counter, charge, -free));
    freed.emplace_back(counter, free);
    stored.charges.push_back(Charge{hold.counter, hold.unit, charge});
  }
  // First, so that no counter seems to hold both what the expiry charged and what replaces it.
  if (!active) TakeBackExpiry(reservation, usage::kCorrectionIdPrefix, Kept{});
  for (size_t i = 0; i < freed.size(); ++i) {
    auto [counter, free] = freed[i];
    if (!BURSAR_PLANTED("settle_without_charge")) counter->spent += stored.charges[i].amount;
    counter->reserved -= free;
    reservation.holds[i].amount -= free;
    Touch(*counter, CauseOf(stored));
  }
  if (active) {
    answer.late = reservation.expire_time <= state_.now;  // over, but not yet swept
    const int64_t over = answer.cost_nanousd - reservation.reserved_nanousd;
    answer.overrun_nanousd = std::max<int64_t>(over, 0);
    answer.released_nanousd = keep ? 0 : std::max<int64_t>(-over, 0);
    reservation.reserved_nanousd =
        keep ? std::max<int64_t>(-over, 0) : reservation.reserved_nanousd;
    if (keep) {  // what was observed so far is what this record says
      auto less = [](int64_t& held, int64_t used_now) {
        held = std::max<int64_t>(held - used_now, 0);
      };
      less(reservation.reserved_tokens, tokens);
      less(reservation.observed_tokens, tokens);
      less(reservation.observed_nanousd, answer.cost_nanousd);
      reservation.call_counted |= stored.calls > 0;
    } else {
      reservation.state = ReservationState::kSettled;
      reservation.end_time = state_.now;
    }
    applied_.changes.updated_reservations.insert(reservation.key);
  } else {
    answer.overrun_nanousd = answer.cost_nanousd;
    answer.late = reservation.state != ReservationState::kSettled;
  }
  answer.budgets = StatusesOf(reservation.holds);
  return absl::OkStatus();
}

// Charges every budget that matches the record's own subject.
absl::Status Bookkeeper::ChargeMatches(StoredRecord& stored) {
  const usage::UsageRecord& used = stored.record.usage;
  const Matches matches =
      MatchBudgets(*state_.book, used.subject, used.model, used.event_type, stored.charge_time);
  const int64_t tokens = stored.answer.tokens.AllTokens();
  for (const Match& match : matches.counted) {
    Counter* counter = Find(match);
    if (counter == nullptr) return absl::OkStatus();  // the batch starts over
    RETURN_IF_ERROR(CheckRoom(*counter, ChargeIn(match.budget->unit, stored, tokens), 0));
  }
  for (const Match& match : matches.counted) {
    Counter* counter = Find(match);
    const int64_t charge = ChargeIn(match.budget->unit, stored, tokens);
    counter->spent += charge;
    Touch(*counter, CauseOf(stored));
    stored.charges.push_back(Charge{match.counter, match.budget->unit, charge});
  }
  stored.answer.budgets = StatusesOf(matches.counted);
  return absl::OkStatus();
}

absl::StatusOr<RecordAnswer> Bookkeeper::Keep(const Record& record) {
  if (auto replay = Replay(record)) return *std::move(replay);
  const usage::UsageRecord& used = record.usage;
  if (used.occur_time && *used.occur_time < state_.now - state_.horizon) {
    return absl::OutOfRangeError(
        absl::StrCat("occur_time is ",
                     absl::FormatTime(absl::RFC3339_sec, *used.occur_time, absl::UTCTimeZone()),
                     "; usage older than the ledger's horizon of ",
                     absl::FormatDuration(state_.horizon), " is not recorded"));
  }
  if (used.occur_time && *used.occur_time > state_.now + usage::kFutureMax) {
    return usage::FieldError("occur_time", "is more than 10 minutes ahead of the database's clock");
  }
  Reservation* reservation =
      used.reservation_id.empty() ? nullptr : FindReservation(record.reservation);
  StoredRecord stored{.record = record};
  stored.charge_time =
      reservation != nullptr ? reservation->create_time : used.occur_time.value_or(state_.now);
  if (reservation != nullptr) {
    if (used.subject == usage::Subject{}) stored.record.usage.subject = reservation->subject;
    usage::Model& model = stored.record.usage.model;
    const bool of_that_provider =
        model.provider.empty() || model.provider == reservation->model.provider;
    if (model.name.empty() && of_that_provider) model = reservation->model;
  }
  RETURN_IF_ERROR(PriceRecord(stored, reservation));
  if (reservation != nullptr) {
    RETURN_IF_ERROR(ChargeHolds(stored, *reservation));
  } else {
    RETURN_IF_ERROR(ChargeMatches(stored));
    stored.answer.late = !used.reservation_id.empty();
  }
  NoteOverrun(stored);
  RecordAnswer answer = stored.answer;
  AddRecord(std::move(stored));
  return answer;
}

void Bookkeeper::AddRecord(StoredRecord stored) {
  const Id key = stored.record.key;
  stored.answer.budgets.clear();
  state_.records.emplace(key, std::move(stored));
  applied_.changes.records.push_back(key);
}

void Bookkeeper::Free(Reservation& reservation, ReservationState state) {
  for (Hold& hold : reservation.holds) {
    Counter* counter = FindPinned(hold.counter);
    if (counter == nullptr) return;  // the batch starts over
    counter->reserved -= hold.amount;
    hold.amount = 0;
    Touch(*counter, CauseOf(reservation));
  }
  reservation.state = state;
  reservation.end_time = state_.now;
  applied_.changes.updated_reservations.insert(reservation.key);
}

// A record of the ledger's own about a reservation: what its expiry charged, or took back again.
StoredRecord Bookkeeper::RecordOf(const Reservation& reservation, absl::string_view kind) const {
  StoredRecord stored;
  usage::UsageRecord& used = stored.record.usage;
  used.usage_id = absl::StrCat(kind, reservation.request_id);
  used.reservation_id = reservation.request_id;
  used.subject = reservation.subject;
  used.model = reservation.model;
  used.event_type = reservation.event_type;
  used.outcome = Outcome::kUnknown;
  stored.record.key = UsageKey(state_.tenant, used.usage_id);
  stored.record.reservation = reservation.key;
  stored.record.fingerprint = FingerprintOf(used);
  stored.charge_time = reservation.create_time;
  stored.priced_as = reservation.priced_as;
  stored.answer.price_version = reservation.price_version;
  return stored;
}

// Ends a reservation that nobody settled: its time is over, or it is released. What is known to be
// used is charged, or at an expiry the whole estimate if the tenant wants that: as a record, so
// that history and gate stay the same.
void Bookkeeper::End(Reservation& reservation, ReservationState state) {
  const bool expired = state == ReservationState::kExpired;
  const bool whole = expired && state_.book->charge_on_expiry;
  const int64_t nanousd =
      std::max(reservation.observed_nanousd, whole ? reservation.reserved_nanousd : int64_t{0});
  const int64_t tokens =
      std::max(reservation.observed_tokens, whole ? reservation.reserved_tokens : int64_t{0});
  if (nanousd > 0 || ((whole || tokens > 0) && !reservation.holds.empty())) {
    StoredRecord stored =
        RecordOf(reservation, expired ? usage::kExpiryIdPrefix : usage::kReleaseIdPrefix);
    stored.calls = reservation.call_counted ? 0 : 1;
    stored.answer.cost_nanousd = nanousd;
    stored.answer.cost_basis = CostBasis::kEstimated;
    for (Hold& hold : reservation.holds) {
      Counter* counter = FindPinned(hold.counter);
      if (counter == nullptr) return;  // the batch starts over
      hold.expiry_charge = AmountIn(hold.unit, nanousd, tokens, stored.calls);
      counter->spent += hold.expiry_charge;
      stored.charges.push_back(Charge{hold.counter, hold.unit, hold.expiry_charge});
    }
    reservation.expiry_nanousd = nanousd;
    AddRecord(std::move(stored));
  }
  if (expired) NoteExpiry(reservation, nanousd);
  Free(reservation, state);
}

// Takes back what the expiry charged, but for what is kept of it: a late settlement says what was
// really used, a release that nothing more was than was observed.
void Bookkeeper::TakeBackExpiry(Reservation& reservation, const char* kind, const Kept& kept) {
  StoredRecord stored = RecordOf(reservation, kind);
  const int64_t calls = reservation.call_counted ? 0 : 1;  // that the expiry counted
  stored.calls = static_cast<int>(std::min(kept.calls, calls) - calls);
  stored.answer.cost_nanousd = kept.nanousd - reservation.expiry_nanousd;
  stored.answer.cost_basis = CostBasis::kAdjusted;
  bool changes = stored.answer.cost_nanousd != 0;
  for (const Hold& hold : reservation.holds) {
    const int64_t left =
        AmountIn(hold.unit, kept.nanousd, kept.tokens, std::min(kept.calls, calls));
    stored.charges.push_back(Charge{hold.counter, hold.unit, left - hold.expiry_charge});
    changes |= left != hold.expiry_charge;
  }
  if (!changes) return;
  for (size_t i = 0; i < reservation.holds.size(); ++i) {
    Counter* counter = FindPinned(reservation.holds[i].counter);
    if (counter == nullptr) return;  // the batch starts over
    counter->spent += stored.charges[i].amount;
    reservation.holds[i].expiry_charge += stored.charges[i].amount;
    Touch(*counter, CauseOf(reservation));
  }
  reservation.expiry_nanousd = kept.nanousd;
  applied_.changes.updated_reservations.insert(reservation.key);
  AddRecord(std::move(stored));
}

absl::StatusOr<Answer> Bookkeeper::Run(const Record& record) {
  ASSIGN_OR_RETURN(RecordAnswer answer, Keep(record));
  return answer;
}

absl::StatusOr<Answer> Bookkeeper::Run(const Release& release) {
  Reservation* reservation = FindReservation(release.key);
  if (reservation == nullptr) return NoSuchReservation(release.reservation_id);
  if (BURSAR_PLANTED("release_forgets_its_state") ||
      reservation->state == ReservationState::kActive) {
    End(*reservation, ReservationState::kReleased);
  } else if (reservation->state == ReservationState::kExpired) {
    TakeBackExpiry(*reservation, usage::kReleaseIdPrefix,
                   Kept{.nanousd = reservation->observed_nanousd,
                        .tokens = reservation->observed_tokens,
                        .calls = WasObserved(*reservation) ? 1 : 0});
  }
  return ReservationAnswer{
      .reservation = *reservation, .budgets = StatusesOf(reservation->holds), .now = state_.now};
}

absl::StatusOr<Answer> Bookkeeper::Run(const Expire& expire) {
  ExpireAnswer answer;
  for (const Id& key : expire.keys) {
    Reservation* reservation = FindReservation(key);
    const bool ended = reservation != nullptr && reservation->state != ReservationState::kActive;
    if (reservation == nullptr || (ended && !BURSAR_PLANTED("expiry_forgets_state")) ||
        (reservation->expire_time > state_.now && !BURSAR_PLANTED("expiry_of_what_lives"))) {
      continue;  // settled, released or extended meanwhile
    }
    End(*reservation, ReservationState::kExpired);
    ++answer.expired;
  }
  return answer;
}

}  // namespace bursar::ledger
