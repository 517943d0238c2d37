#include "absl/strings/str_cat.h"
#include "ledger/bookkeeper.h"
#include "ledger/explain.h"

// What operators want to be told, written with what it tells of.
namespace bursar::ledger {
namespace {
const std::string kNone;
}

Bookkeeper::Cause Bookkeeper::CauseOf(const Check& check) {
  return {check.subject, check.model, check.request_id, kNone};
}

Bookkeeper::Cause Bookkeeper::CauseOf(const Reservation& reservation) {
  return {reservation.subject, reservation.model, reservation.request_id, kNone};
}

Bookkeeper::Cause Bookkeeper::CauseOf(const StoredRecord& stored) {
  const usage::UsageRecord& used = stored.record.usage;
  return {used.subject, used.model, used.reservation_id, used.usage_id};
}

CostEvent& Bookkeeper::AddEvent(EventKind kind, const Cause& cause) {
  return applied_.changes.events.emplace_back(CostEvent{.kind = kind,
                                                        .subject = cause.subject,
                                                        .model = cause.model,
                                                        .request_id = cause.request_id,
                                                        .usage_id = cause.usage_id});
}

void Bookkeeper::Touch(Counter& counter, const Cause& cause) {
  applied_.changes.counters.insert(counter.id);
  const Budget* budget = state_.book->Find(counter.budget_uid);
  if (budget == nullptr) return;  // deleted: nobody asks any more
  const int64_t limit = budget->LimitFor(counter.group, state_.now);
  const int32_t crossed = CrossedThreshold(*budget, limit, counter.spent + counter.reserved);
  const int32_t told = counter.notified_limit == limit ? counter.notified_percent : 0;
  if (crossed <= told) return;
  const BudgetStatus status = StatusOf(*budget, counter);
  for (const int32_t percent : budget->threshold_percents) {
    if (percent <= told || percent > crossed) continue;
    CostEvent& event = AddEvent(EventKind::kThresholdCrossed, cause);
    event.counter = counter.id;
    event.status = status;
    event.threshold_percent = percent;
    event.amount = status.spent + status.reserved;
    event.message = ExplainThreshold(status, percent);
  }
  counter.notified_percent = crossed;
  counter.notified_limit = limit;
}

void Bookkeeper::NoteOverrun(const StoredRecord& stored) {
  const RecordAnswer& answer = stored.answer;
  const bool nothing = stored.calls == 0 && answer.cost_nanousd == 0;  // not executed
  if (nothing || (!answer.late && answer.overrun_nanousd == 0)) return;
  CostEvent& event =
      AddEvent(answer.late ? EventKind::kLate : EventKind::kOverrun, CauseOf(stored));
  event.amount = answer.late ? answer.cost_nanousd : answer.overrun_nanousd;
  const std::string amount = FormatAmount(Unit::kCost, event.amount);
  const std::string usage = absl::StrCat("Usage \"", event.usage_id, "\"");
  event.message =
      answer.late ? absl::StrCat(usage, " of ", amount, " came when the time of its reservation \"",
                                 event.request_id, "\" was over.")
                  : absl::StrCat(usage, " cost ", amount, " more than its reservation \"",
                                 event.request_id, "\" held.");
}

void Bookkeeper::NoteExpiry(const Reservation& reservation, int64_t charged_nanousd) {
  CostEvent& event = AddEvent(EventKind::kExpired, CauseOf(reservation));
  event.amount = reservation.reserved_nanousd;
  event.message =
      absl::StrCat("The reservation \"", reservation.request_id, "\" of ",
                   FormatAmount(Unit::kCost, event.amount), " expired without a settlement; ",
                   FormatAmount(Unit::kCost, charged_nanousd), " of it was charged.");
}

absl::StatusOr<Answer> Bookkeeper::Run(const Report& report) {
  auto& events = applied_.changes.events;
  events.insert(events.end(), report.denials.begin(), report.denials.end());
  return ReportAnswer{};
}

}  // namespace bursar::ledger
