#include "ledger/denial_tally.h"

#include <algorithm>
#include <utility>

namespace bursar::ledger {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(10);
constexpr size_t kTakenMax = 64;
constexpr size_t kEntriesMax = 10'000;  // beyond: those that were told of are forgotten

void Describe(const Check& check, const CheckAnswer& answer, CostEvent& event) {
  event.kind = EventKind::kDenied;
  event.counter = answer.denied_by;
  event.status.reset();
  for (const BudgetStatus& status : answer.budgets) {
    if (answer.denied_by && status.budget_id == answer.binding_budget) event.status = status;
  }
  event.subject = check.subject;
  event.model = check.model;
  event.request_id = check.request_id;
  event.reason = answer.reason;
  event.message = answer.message;
  event.amount = answer.denied_by ? answer.denied_amount : answer.estimated_nanousd;
}

}  // namespace

void DenialTally::Add(const Check& check, const CheckAnswer& answer, absl::Time now) {
  if (entries_.size() >= kEntriesMax) {
    absl::erase_if(entries_, [](const auto& entry) { return entry.second.event.count == 0; });
  }
  Entry& entry = entries_[Key{answer.denied_by.value_or(Id{}), answer.reason}];
  if (entry.event.count++ > 0) return;
  Describe(check, answer, entry.event);
  entry.due = std::max(entry.due, now);
  next_due_ = std::min(next_due_, entry.due);
}

std::vector<CostEvent> DenialTally::TakeDue(absl::Time now) {
  std::vector<CostEvent> due;
  if (now < next_due_) return due;
  next_due_ = absl::InfiniteFuture();
  for (auto& [key, entry] : entries_) {
    if (entry.event.count == 0) continue;
    if (entry.due <= now && due.size() < kTakenMax) {
      due.push_back(std::move(entry.event));
      entry.event.count = 0;
      entry.due = now + kInterval;
    } else {
      next_due_ = std::min(next_due_, entry.due);
    }
  }
  return due;
}

std::vector<CostEvent> DenialTally::TakeAll() {
  std::vector<CostEvent> all;
  for (auto& [key, entry] : entries_) {
    if (entry.event.count > 0) all.push_back(std::move(entry.event));
  }
  entries_.clear();
  next_due_ = absl::InfiniteFuture();
  return all;
}

}  // namespace bursar::ledger
