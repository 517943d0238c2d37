#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ledger/apply.h"

namespace bursar::ledger {

// Runs one operation after the other for Apply. Each Run changes the state wholly or not at all.
//
// A counter that is needed but was not locked makes the whole batch start over: it is noted in
// Applied::missing, and what the operation answers no longer matters.
class Bookkeeper {
 public:
  Bookkeeper(State& state, Applied& applied) : state_(state), applied_(applied) {}

  absl::StatusOr<Answer> Run(const Check& check);
  absl::StatusOr<Answer> Run(const Record& record);
  absl::StatusOr<Answer> Run(const Release& release);
  absl::StatusOr<Answer> Run(const Extend& extend);
  absl::StatusOr<Answer> Run(const Inspect& inspect);
  absl::StatusOr<Answer> Run(const Adjust& adjust);
  absl::StatusOr<Answer> Run(const Expire& expire);
  absl::StatusOr<Answer> Run(const Report& report);

 private:
  struct Estimate {
    std::optional<int64_t> cost_nanousd;  // nullopt: no price is known
    std::optional<int64_t> tokens;        // nullopt: not said
    int64_t max_output_tokens = 0;
    std::string priced_as;

    int64_t AmountIn(Unit unit) const;
  };
  struct Denial {
    const Match* match = nullptr;  // nullptr: denied before any budget was asked
    std::string reason;
    int64_t amount = 0;
  };

  // CheckBudget (apply_check.cc).
  std::optional<absl::StatusOr<CheckAnswer>> Replay(const Check& check);
  Estimate EstimateOf(const Check& check) const;
  std::optional<Denial> FindDenial(const std::vector<Match>& matches, const Estimate& estimate);
  int64_t LargestOutput(const Check& check, const std::vector<Match>& matches, int64_t upper);
  std::vector<BudgetStatus> Preview(const std::vector<Match>& matches, const Estimate& estimate);
  void Deny(const Denial& denial, CheckAnswer& answer);
  void Reserve(const Check& check, const Estimate& estimate, const std::vector<Match>& matches,
               CheckAnswer& answer);

  // RecordUsage, ReleaseReservation, ExtendReservation and expiry (apply_usage.cc).
  absl::StatusOr<RecordAnswer> Keep(const Record& record);
  std::optional<absl::StatusOr<RecordAnswer>> Replay(const Record& record);
  absl::Status PriceRecord(StoredRecord& stored, const Reservation* reservation) const;
  void PriceTokens(StoredRecord& stored, const pricing::PriceBook& book) const;
  absl::Status ChargeHolds(StoredRecord& stored, Reservation& reservation);
  absl::Status ChargeMatches(StoredRecord& stored);
  void AddRecord(StoredRecord stored);
  StoredRecord RecordOf(const Reservation& reservation, absl::string_view kind) const;
  void End(Reservation& reservation, ReservationState state);
  struct Kept {
    int64_t nanousd = 0;
    int64_t tokens = 0;
    int64_t calls = 0;
  };
  void TakeBackExpiry(Reservation& reservation, const char* kind, const Kept& kept);
  void Free(Reservation& reservation, ReservationState state);

  // ExtendReservation (apply_extend.cc).
  std::string GrowthDenial(const Reservation& reservation, int64_t more_nanousd,
                           int64_t more_tokens, bool observed);
  absl::Status Grow(Reservation& reservation, int64_t more_nanousd, int64_t more_tokens);
  absl::Status Observe(Reservation& reservation, const usage::TokenUsage& observed);

  // AdjustUsage (apply_adjust.cc).
  StoredRecord* FindStanding(const Id& record);
  absl::StatusOr<StoredRecord> DifferenceOf(const Adjust& adjust,
                                            const StoredRecord& standing) const;
  absl::Status ChargeDifference(const Adjust& adjust, StoredRecord& standing,
                                StoredRecord& difference);
  std::vector<BudgetStatus> StatusesOf(const std::vector<Charge>& charges);

  // Shared (apply.cc).
  Matches MatchNow(const usage::Subject& subject, const usage::Model& model,
                   absl::string_view event_type);
  Counter* Find(const Match& match);
  Counter* FindPinned(const Id& counter);
  Counter* Recall(const Id& counter);
  // The prices of that version, or those that were the newest at that time.
  const pricing::PriceBook& PricesOf(const std::string& version) const;
  const pricing::PriceBook& PricesAt(absl::Time time) const;
  Reservation* FindReservation(const Id& key);
  BudgetStatus StatusOf(const Budget& budget, const Counter& counter) const;
  std::vector<BudgetStatus> StatusesOf(const std::vector<Match>& matches);
  std::vector<BudgetStatus> StatusesOf(const std::vector<Hold>& holds);
  void AddStatusOf(const Id& pinned, std::vector<BudgetStatus>& statuses);
  // The counter with the sums added, or OUT_OF_RANGE if they leave int64. Changes nothing.
  static absl::Status CheckRoom(const Counter& counter, int64_t spent, int64_t reserved);

  // Cost events (apply_events.cc).
  struct Cause {  // whose call it was
    const usage::Subject& subject;
    const usage::Model& model;
    const std::string& request_id;
    const std::string& usage_id;
  };
  static Cause CauseOf(const Check& check);
  static Cause CauseOf(const Reservation& reservation);
  static Cause CauseOf(const StoredRecord& stored);
  // After a change of the counter's sums: it is to be written, and a threshold may be crossed.
  void Touch(Counter& counter, const Cause& cause);
  void NoteOverrun(const StoredRecord& stored);
  void NoteExpiry(const Reservation& reservation, int64_t charged_nanousd);
  CostEvent& AddEvent(EventKind kind, const Cause& cause);

  State& state_;
  Applied& applied_;
};

// The highest threshold of the budget that so much of the limit has reached; 0: none.
int32_t CrossedThreshold(const Budget& budget, int64_t limit, int64_t used);

// What a unit counts of one call.
int64_t AmountIn(Unit unit, int64_t cost_nanousd, int64_t tokens, int64_t calls);

}  // namespace bursar::ledger
