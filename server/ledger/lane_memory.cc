#include "ledger/lane_memory.h"

#include <algorithm>

namespace bursar::ledger {
absl::Time LaneMemory::GuessDatabaseTime(absl::Time our_time) const {
  return database_time_ + (our_time - our_time_);
}

void LaneMemory::SetDatabaseTime(absl::Time database_time, absl::Time our_time) {
  database_time_ = database_time;
  our_time_ = our_time;
}

bool LaneMemory::HoldsAllOf(const Id& key) const {
  const Reservation* reservation = FindReservation(key);
  if (reservation == nullptr || reservation->holds.empty()) return false;
  for (const Hold& hold : reservation->holds) {
    if (FindCounter(hold.counter) == nullptr) return false;
  }
  return true;
}

bool LaneMemory::CanSettle(const Record& record) const {
  return record.usage.reservation_id.empty() || HoldsAllOf(record.reservation);
}

bool LaneMemory::CoversOne(const Operation& operation) const {
  if (auto* check = std::get_if<Check>(&operation)) {
    for (const Record& record : check->settle) {
      if (!CanSettle(record)) return false;
    }
    return FindReservation(check->key) == nullptr;
  }
  if (auto* record = std::get_if<Record>(&operation)) return CanSettle(*record);
  if (auto* release = std::get_if<Release>(&operation)) return HoldsAllOf(release->key);
  return std::holds_alternative<Inspect>(operation) || std::holds_alternative<Report>(operation);
}

bool LaneMemory::Covers(std::span<const Operation> operations) const {
  return std::all_of(operations.begin(), operations.end(),
                     [this](const Operation& operation) { return CoversOne(operation); });
}

const Counter* LaneMemory::FindCounter(const Id& id) const { return counters_.Find(id); }

const Reservation* LaneMemory::FindReservation(const Id& key) const {
  const auto* found = reservations_.Find(key);
  return found == nullptr ? nullptr : found->get();
}

void LaneMemory::Remember(State state, const Changes& changes) {
  for (auto& [id, counter] : state.counters) {
    const bool changed = changes.counters.contains(id);
    if (counter.version == 0 && !changed) continue;  // still not in the database
    counter.version += changed ? 1 : 0;
    counters_.Put(id, std::move(counter));
  }
  for (auto& [key, reservation] : state.reservations) {
    if (reservation->state != ReservationState::kActive) {
      reservations_.Erase(key);
      continue;
    }
    const bool changed =
        changes.inserted_reservations.contains(key) || changes.updated_reservations.contains(key);
    reservation->version += changed ? 1 : 0;
    reservations_.Put(key, std::move(reservation));
  }
}

void LaneMemory::Forget() {
  counters_.Clear();
  reservations_.Clear();
}

}  // namespace bursar::ledger
