#include "ledger/apply.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "ledger/bookkeeper.h"
#include "ledger/budget_status.h"
#include "pricing/money.h"

namespace bursar::ledger {
namespace {

using pricing::Int128;

bool FitsInt64(Int128 value) {
  return value <= std::numeric_limits<int64_t>::max() &&
         value >= std::numeric_limits<int64_t>::min();
}

void AddMatches(const BudgetBook& book, const usage::Subject& subject, const usage::Model& model,
                absl::string_view event_type, absl::Time time, Footprint& footprint) {
  for (const Match& match : MatchBudgets(book, subject, model, event_type, time).counted) {
    footprint.counters.insert(match.counter);
  }
}

}  // namespace

int64_t BudgetStatus::remaining() const {
  const Int128 value = Int128{limit} - spent - reserved;
  return FitsInt64(value) ? static_cast<int64_t>(value) : std::numeric_limits<int64_t>::min();
}

double BudgetStatus::used_fraction() const {
  if (limit == 0) return 1;
  return (static_cast<double>(spent) + static_cast<double>(reserved)) / static_cast<double>(limit);
}

int32_t CrossedThreshold(const Budget& budget, int64_t limit, int64_t used) {
  int32_t crossed = 0;
  for (int32_t percent : budget.threshold_percents) {
    const bool reached =
        limit == 0 ? percent <= 100 : Int128{used} * 100 >= Int128{limit} * percent;
    if (reached) crossed = std::max(crossed, percent);
  }
  return crossed;
}

int64_t AmountIn(Unit unit, int64_t cost_nanousd, int64_t tokens, int64_t calls) {
  return unit == Unit::kCost ? cost_nanousd : unit == Unit::kTokens ? tokens : calls;
}

Matches Bookkeeper::MatchNow(const usage::Subject& subject, const usage::Model& model,
                             absl::string_view event_type) {
  Matches matches = MatchBudgets(*state_.book, subject, model, event_type, state_.now);
  for (const Match& match : matches.counted) {
    Changes& changes = applied_.changes;
    changes.window_start = std::max(changes.window_start, match.window.start);
    changes.window_end = std::min(changes.window_end, match.window.end);
  }
  return matches;
}

Counter* Bookkeeper::Find(const Match& match) {
  if (auto found = state_.counters.find(match.counter); found != state_.counters.end()) {
    return &found->second;
  }
  if (Counter* recalled = Recall(match.counter)) return recalled;
  if (state_.recollection == nullptr && !state_.locked.contains(match.counter)) {
    applied_.missing.push_back(match.counter);
    return nullptr;
  }
  Counter zero{.id = match.counter,
               .budget_uid = match.budget->uid,
               .group = match.group(),
               .window_start = match.window.start,
               .window_end = match.window.end};
  return &state_.counters.emplace(match.counter, std::move(zero)).first->second;
}

Counter* Bookkeeper::FindPinned(const Id& counter) {
  if (auto found = state_.counters.find(counter); found != state_.counters.end()) {
    return &found->second;
  }
  if (Counter* recalled = Recall(counter)) return recalled;
  applied_.missing.push_back(counter);
  return nullptr;
}

const pricing::PriceBook& Bookkeeper::PricesOf(const std::string& version) const {
  const pricing::PriceBook& newest = *state_.prices->newest;
  if (version == newest.version()) return newest;
  if (state_.older_books != nullptr) {
    const auto older = state_.older_books->find(version);
    if (older != state_.older_books->end()) return *older->second;
  }
  applied_.missing_books.insert(version);
  return newest;  // the batch starts over
}

const pricing::PriceBook& Bookkeeper::PricesAt(absl::Time time) const {
  if (state_.prices->IsNewestAt(time)) return *state_.prices->newest;
  return PricesOf(state_.prices->VersionAt(time));
}

Counter* Bookkeeper::Recall(const Id& id) {
  if (state_.recollection == nullptr) return nullptr;
  const Counter* known = state_.recollection->FindCounter(id);
  return known == nullptr ? nullptr : &state_.counters.emplace(id, *known).first->second;
}

Reservation* Bookkeeper::FindReservation(const Id& key) {
  if (auto found = state_.reservations.find(key); found != state_.reservations.end()) {
    std::shared_ptr<Reservation>& reservation = found->second;
    // An answer has it already, as it was then.
    if (reservation.use_count() > 1) reservation = std::make_shared<Reservation>(*reservation);
    return reservation.get();
  }
  if (state_.recollection == nullptr) return nullptr;
  const Reservation* known = state_.recollection->FindReservation(key);
  if (known == nullptr) return nullptr;
  auto copy = std::make_shared<Reservation>(*known);
  return state_.reservations.emplace(key, std::move(copy)).first->second.get();
}

BudgetStatus Bookkeeper::StatusOf(const Budget& budget, const Counter& counter) const {
  return ledger::StatusOf(budget, counter, state_.now);
}

std::vector<BudgetStatus> Bookkeeper::StatusesOf(const std::vector<Match>& matches) {
  std::vector<BudgetStatus> statuses;
  statuses.reserve(matches.size());
  for (const Match& match : matches) {
    const Counter* counter = Find(match);
    if (counter != nullptr) statuses.push_back(StatusOf(*match.budget, *counter));
  }
  return statuses;
}

std::vector<BudgetStatus> Bookkeeper::StatusesOf(const std::vector<Hold>& holds) {
  std::vector<BudgetStatus> statuses;
  statuses.reserve(holds.size());
  for (const Hold& hold : holds) AddStatusOf(hold.counter, statuses);
  return statuses;
}

void Bookkeeper::AddStatusOf(const Id& pinned, std::vector<BudgetStatus>& statuses) {
  const Counter* counter = FindPinned(pinned);
  if (counter == nullptr) return;
  const Budget* budget = state_.book->Find(counter->budget_uid);
  if (budget != nullptr) statuses.push_back(StatusOf(*budget, *counter));  // else it was deleted
}

absl::Status Bookkeeper::CheckRoom(const Counter& counter, int64_t spent, int64_t reserved) {
  const Int128 new_spent = Int128{counter.spent} + spent;
  const Int128 new_reserved = Int128{counter.reserved} + reserved;
  if (FitsInt64(new_spent) && FitsInt64(new_reserved) && FitsInt64(new_spent + new_reserved)) {
    return absl::OkStatus();
  }
  return absl::OutOfRangeError("a budget would count beyond 2^63 - 1; nothing was changed");
}

absl::StatusOr<Answer> Bookkeeper::Run(const Inspect& inspect) {
  const Matches matches = MatchNow(inspect.subject, inspect.model, "model_call");
  return InspectAnswer{StatusesOf(matches.counted)};
}

Applied Apply(State& state, std::span<const Operation> operations) {
  Applied applied;
  Bookkeeper bookkeeper(state, applied);
  applied.answers.reserve(operations.size());
  for (const Operation& operation : operations) {
    applied.answers.push_back(
        std::visit([&](const auto& known) { return bookkeeper.Run(known); }, operation));
  }
  return applied;
}

namespace {

void AddRecord(const Record& record, const BudgetBook& book, absl::Time now, Footprint& footprint) {
  footprint.records.insert(record.key);
  if (!record.usage.reservation_id.empty()) {
    footprint.reservations.insert(record.reservation);
    return;
  }
  AddMatches(book, record.usage.subject, record.usage.model, record.usage.event_type,
             record.usage.occur_time.value_or(now), footprint);
}

}  // namespace

Footprint FootprintOf(std::span<const Operation> operations, const BudgetBook& book,
                      absl::Time now) {
  Footprint footprint;
  for (const Operation& operation : operations) {
    if (auto* check = std::get_if<Check>(&operation)) {
      if (!check->dry_run) footprint.reservations.insert(check->key);
      for (const Record& record : check->settle) AddRecord(record, book, now, footprint);
      AddMatches(book, check->subject, check->model, check->event_type, now, footprint);
    } else if (auto* record = std::get_if<Record>(&operation)) {
      AddRecord(*record, book, now, footprint);
    } else if (auto* release = std::get_if<Release>(&operation)) {
      footprint.reservations.insert(release->key);
    } else if (auto* extend = std::get_if<Extend>(&operation)) {
      footprint.reservations.insert(extend->key);
    } else if (auto* inspect = std::get_if<Inspect>(&operation)) {
      AddMatches(book, inspect->subject, inspect->model, "model_call", now, footprint);
    } else if (auto* adjust = std::get_if<Adjust>(&operation)) {
      footprint.records.insert(adjust->key);
      footprint.adjusted.insert(adjust->target);
    } else if (auto* expire = std::get_if<Expire>(&operation)) {
      footprint.reservations.insert(expire->keys.begin(), expire->keys.end());
    }
  }
  return footprint;
}

}  // namespace bursar::ledger
