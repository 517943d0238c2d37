#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "ledger/denial_tally.h"
#include "ledger/ledger_store.h"

namespace bursar::ledger {

// What was put lately, at most twice `generation_max` values: they are forgotten by the generation,
// so that a hot one, which is put again and again, stays.
template <typename Value>
class Recent {
 public:
  explicit Recent(size_t generation_max) : generation_max_(generation_max) {}

  const Value* Find(const Id& id) const {
    if (const auto found = young_.find(id); found != young_.end()) return &found->second;
    const auto found = old_.find(id);
    return found == old_.end() ? nullptr : &found->second;
  }
  void Put(const Id& id, Value value) {
    if (young_.size() >= generation_max_) old_ = std::exchange(young_, {});
    young_.insert_or_assign(id, std::move(value));
  }
  void Erase(const Id& id) {
    young_.erase(id);
    old_.erase(id);
  }
  void Clear() {
    young_.clear();
    old_.clear();
  }

 private:
  const size_t generation_max_;
  absl::flat_hash_map<Id, Value> young_, old_;  // what is in both counts as it is in young_
};

// What a lane remembers between its transactions. Only a cache: a transaction that goes by it
// commits only if the database agrees, else it is run again the locked way.
//
// It holds counters as this lane last saw them and the active reservations that this lane made. A
// counter that it doesn't hold is taken for new, an id that it doesn't hold for unknown: the
// database's unique keys say whether that is so. Not thread-safe: of the worker that runs the lane.
class LaneMemory final : public Recollection {
 public:
  explicit LaneMemory(std::string tenant) : tenant_(std::move(tenant)) {}

  const std::string& tenant() const { return tenant_; }
  BudgetBook book;
  OlderBooks older_books;
  int locked_batches = 0;  // how many more go the locked way, after a conflict

  // The database's clock, as far as it is known: at the last transaction, and by our clock now.
  absl::Time DatabaseTime() const { return database_time_; }
  absl::Time GuessDatabaseTime(absl::Time our_time) const;
  void SetDatabaseTime(absl::Time database_time, absl::Time our_time);

  // Whether these operations can go by what is remembered: checks of ids that were not seen, usage
  // without a reservation, and settlements and releases of remembered reservations. Repeats,
  // extensions and expiries cannot: they are rare, and what they ask for is not remembered whole.
  bool Covers(std::span<const Operation> operations) const;

  const Counter* FindCounter(const Id& id) const override;
  const Reservation* FindReservation(const Id& key) const override;

  // What a committed transaction read and wrote.
  void Remember(State state, const Changes& changes);
  void Forget();

  // Counters whose holds were looked through for overdue ones: when the next one ends, and until
  // when (by our clock) that is believed.
  struct Looked {
    absl::Time next_expiry, believed_until;
  };
  absl::flat_hash_map<Id, Looked> looked;

  DenialTally denials;  // not a cache: what is to be told of yet

 private:
  bool CoversOne(const Operation& operation) const;
  bool CanSettle(const Record& record) const;
  bool HoldsAllOf(const Id& reservation) const;

  std::string tenant_;
  absl::Time database_time_ = absl::InfinitePast();
  absl::Time our_time_ = absl::InfinitePast();
  // Forgetting all at once would cost the next batch its remembered way, and 50 more.
  static constexpr size_t kGenerationMax = 25'000;
  Recent<Counter> counters_{kGenerationMax};
  Recent<std::shared_ptr<const Reservation>> reservations_{kGenerationMax};
};

}  // namespace bursar::ledger
