#include "ledger/denial_tally.h"

#include <algorithm>
#include <utility>

namespace bursar::ledger {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(10);  // of events of one counter and reason
constexpr absl::Duration kTurn = absl::Seconds(1);
constexpr size_t kTakenMax = 64;  // in a turn
constexpr size_t kEntriesMax = 1000;

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
  event.time = answer.now;
}

}  // namespace

void DenialTally::ForgetTold(absl::Time now) {
  if (now < forget_again_) return;
  forget_again_ = now + kTurn;
  absl::erase_if(entries_, [](const auto& entry) { return entry.second.event.count == 0; });
}

void DenialTally::Add(const Check& check, const CheckAnswer& answer, absl::Time now) {
  if (entries_.size() >= kEntriesMax) ForgetTold(now);
  Key key{answer.denied_by.value_or(Id{}), answer.reason};
  const bool full = entries_.size() >= kEntriesMax && !entries_.contains(key);
  if (full) key.counter = Id{};
  Entry& entry = entries_[key];
  if (entry.event.count++ > 0) return;
  Describe(check, answer, entry.event);
  if (full) {  // it stands for other counters too
    entry.event.counter.reset();
    entry.event.status.reset();
  }
  entry.due = std::max(entry.due, now);
  next_due_ = std::min(next_due_, std::max(entry.due, turn_));
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
  if (due.size() == kTakenMax) turn_ = now + kTurn;
  next_due_ = std::max(next_due_, turn_);
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
