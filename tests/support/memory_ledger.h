#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ledger/apply.h"
#include "ledger/fingerprint.h"

namespace bursar::testing {

// The ledger's state kept in memory, so that Apply can be tried without a database: what PostgreSQL
// does between two batches, this does by keeping the state that Apply leaves.
class MemoryLedger {
 public:
  MemoryLedger();

  // The tenant's budgets; the ids of counters follow from their uids.
  void AddBudget(ledger::Budget budget);
  ledger::BudgetBook& book() { return book_; }
  ledger::State& state() { return state_; }
  const ledger::Changes& changes() const { return changes_; }  // of the last batch

  // A new version of the prices, in the project's own format; the first has p/m: 1 USD for each
  // million tokens in, 2 out.
  void SetPrices(const std::string& json);

  void SetTime(absl::Time now) { state_.now = now; }
  void Advance(absl::Duration duration) { state_.now += duration; }

  std::vector<absl::StatusOr<ledger::Answer>> RunAll(std::span<const ledger::Operation> operations);

  template <typename Kind, typename Operation>
  absl::StatusOr<Kind> Run(Operation operation) {
    ledger::Operation one = std::move(operation);
    auto answers = RunAll({&one, 1});
    if (!answers[0].ok()) return answers[0].status();
    return std::get<Kind>(*std::move(answers[0]));
  }

  // Requests as the services make them.
  static ledger::Check MakeCheck(const std::string& id, const usage::Subject& subject,
                                 int64_t cost_nanousd);
  static ledger::Record MakeRecord(const std::string& id, const std::string& reservation_id,
                                   int64_t cost_nanousd);
  static void Seal(ledger::Record& record);  // keys and fingerprint, after fields were changed
  static void Seal(ledger::Check& check);

 private:
  void LockAlsoWithoutReservation(const ledger::Operation& operation);

  ledger::BudgetBook book_;
  pricing::TenantPrices prices_;
  ledger::OlderBooks older_books_;
  ledger::State state_;
  ledger::Changes changes_;
};

}  // namespace bursar::testing
