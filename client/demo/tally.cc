#include "demo/tally.h"

#include <algorithm>

#include "cli/render.h"

namespace bursar::demo {
namespace {

constexpr int kWarningPercent = 75;
constexpr int kAlarmPercent = 90;

int WarningPercent(const BudgetStatus& budget) {
  if (budget.crossed_threshold_percent >= kAlarmPercent) return kAlarmPercent;
  return budget.crossed_threshold_percent >= kWarningPercent ? kWarningPercent : 0;
}

std::string Most(const std::map<std::string, int64_t>& amounts) {
  const auto most = std::max_element(amounts.begin(), amounts.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  return most == amounts.end() ? "" : most->first;
}

}  // namespace

void Tally::AddRun() {
  const std::lock_guard lock(mutex_);
  ++sums_.runs;
}

void Tally::AddError() {
  const std::lock_guard lock(mutex_);
  ++sums_.errors;
}

int64_t Tally::AddDenial(const CheckResponse& response) {
  const std::lock_guard lock(mutex_);
  ++sums_.denied;
  return ++denials_[cli::BudgetId(response.binding_budget)];
}

int64_t Tally::AddRecord(const RecordResponse& response, const Subject& subject, News* news) {
  const std::lock_guard lock(mutex_);
  ++sums_.records;
  sums_.cost_nanousd += response.cost_nanousd;
  if (response.outcome == Outcome::kFailed) ++sums_.failed;
  if (response.attempt > 1) ++sums_.retries;
  spent_by_user_[subject.user] += response.cost_nanousd;
  spent_by_run_[subject.user][subject.run] += response.cost_nanousd;
  for (const BudgetStatus& budget : response.budgets) {
    const int percent = WarningPercent(budget);
    int& warned = warned_percent_[budget.budget + " " + cli::FormatGroup(budget.group)];
    if (percent <= warned) continue;
    warned = percent;
    *news = {percent, budget, ++warnings_};
  }
  return sums_.records;
}

Tally::Sums Tally::sums() const {
  const std::lock_guard lock(mutex_);
  return sums_;
}

std::map<std::string, int64_t> Tally::denials() const {
  const std::lock_guard lock(mutex_);
  return denials_;
}

int64_t Tally::warnings() const {
  const std::lock_guard lock(mutex_);
  return warnings_;
}

Subject Tally::top_subject() const {
  const std::lock_guard lock(mutex_);
  Subject subject;
  subject.user = Most(spent_by_user_);
  const auto runs = spent_by_run_.find(subject.user);
  if (runs != spent_by_run_.end()) subject.run = Most(runs->second);
  return subject;
}

}  // namespace bursar::demo
