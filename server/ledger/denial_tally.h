#pragma once

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "ledger/operation.h"

namespace bursar::ledger {

// Denials write nothing each: they are counted here, for each counter and reason, and told of by
// one event that stands for them all and shows the first of them. The first denial is told of at
// once, those after it every 10 s. What is not told of yet is lost with the process: a count may be
// too low, never too high.
//
// At most 64 events a second are told of, and a thousand counters are kept apart: what is denied
// beyond that is counted for its reason alone, without a counter. So a caller who is denied by ever
// new groups costs no more than one who is denied by one.
//
// Not thread-safe: of the worker that runs the lane.
class DenialTally {
 public:
  void Add(const Check& check, const CheckAnswer& answer, absl::Time now);

  // The events that are due; they are taken off the tally.
  std::vector<CostEvent> TakeDue(absl::Time now);
  // All of it, as before a stop.
  std::vector<CostEvent> TakeAll();
  // When the next one is due; InfiniteFuture: none waits.
  absl::Time next_due() const { return next_due_; }

 private:
  struct Key {
    Id counter;  // zero: no budget had a say
    std::string reason;

    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H state, const Key& key) {
      return H::combine(std::move(state), key.counter, key.reason);
    }
  };
  struct Entry {
    CostEvent event = {.count = 0};  // count 0: told of, kept for the time of its next
    absl::Time due = absl::InfinitePast();
  };

  void ForgetTold(absl::Time now);

  absl::flat_hash_map<Key, Entry> entries_;
  absl::Time forget_again_ = absl::InfinitePast();
  absl::Time turn_ = absl::InfinitePast();  // when events may be told of again
  absl::Time next_due_ = absl::InfiniteFuture();
};

}  // namespace bursar::ledger
