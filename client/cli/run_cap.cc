#include "cli/run_cap.h"

#include <bursar/money.h>

#include "cli/call_filters.h"
#include "cli/render.h"

namespace bursar::cli {
namespace {

constexpr auto kInterval = std::chrono::seconds(1);
constexpr auto kLookTimeout = std::chrono::seconds(2);

v1::Subject SubjectOf(const CappedRun& run) {
  v1::Subject subject;
  subject.set_run(run.id);
  subject.set_parent_run(run.parent);
  subject.set_root_run(run.root);
  return subject;
}

// "76.2 % of its $0.50".
std::string ShareText(const CapStanding& standing) {
  const double share = static_cast<double>(standing.spent) / static_cast<double>(standing.limit);
  return FormatPercent(share) + " of its " + FormatUsd(standing.limit);
}

// Without the words of Explain that are about starting a server.
std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Status RunCap::Create(int64_t limit_nanousd, const std::vector<int>& warn_percents) {
  v1::CreateBudgetRequest request;
  request.set_budget_id(run_.budget_id());
  v1::Budget& budget = *request.mutable_budget();
  budget.set_display_name("cap of one run");
  budget.set_limit_nanousd(limit_nanousd);
  budget.set_mode(v1::ENFORCEMENT_MODE_HARD);
  budget.mutable_window()->set_kind(v1::Window::KIND_LIFETIME);
  AddFilter(run_.dimension(), run_.id, budget.mutable_selector());
  for (const int percent : warn_percents) budget.add_threshold_percents(percent);
  budget.add_threshold_percents(100);
  v1::CreateBudgetResponse response;
  const Status status = server_.Call(&AdminStub::CreateBudget, request, &response);
  create_time_ = response.budget().create_time();
  return status;
}

StatusOr<CapStanding> RunCap::Look(std::chrono::nanoseconds timeout) const {
  v1::GetBudgetStatusRequest request;
  *request.mutable_subject() = SubjectOf(run_);
  v1::GetBudgetStatusResponse response;
  const Status status =
      server_.CallWithin(timeout, &TelemetryStub::GetBudgetStatus, request, &response);
  if (!status.ok()) return status;
  const v1::BudgetStatus* own = nullptr;
  for (const v1::BudgetStatus& budget : response.budgets()) {
    if (BudgetId(budget.budget()) == run_.budget_id()) own = &budget;
  }
  if (own == nullptr) {
    return Status(StatusCode::kNotFound, "the cap " + run_.budget_id() + " is no more");
  }
  CapStanding standing{.spent = own->spent(), .limit = own->limit()};
  int64_t least = own->remaining();
  for (const v1::BudgetStatus& budget : response.budgets()) {
    if (budget.unit() != v1::UNIT_COST || budget.mode() != v1::ENFORCEMENT_MODE_HARD) continue;
    if (budget.remaining() >= least) continue;
    least = budget.remaining();
    standing.tighter = {BudgetId(budget.budget()), least};
  }
  return standing;
}

StatusOr<int64_t> RunCap::CountCalls() const {
  v1::QueryCostsRequest request;
  *request.mutable_start_time() = create_time_;
  AddFilter(run_.dimension(), run_.id, request.mutable_filters());
  v1::QueryCostsResponse response;
  const Status status = server_.Call(&TelemetryStub::QueryCosts, request, &response);
  if (!status.ok()) return status;
  return response.total().calls();
}

Status RunCap::Delete() {
  v1::DeleteBudgetRequest request;
  request.set_name(BudgetName(run_.budget_id()));
  v1::DeleteBudgetResponse response;
  return server_.Call(&AdminStub::DeleteBudget, request, &response);
}

CapWatch::CapWatch(const RunCap& cap, Server& server, std::vector<int> warn_percents)
    : cap_(cap), server_(server), percents_(warn_percents.begin(), warn_percents.end()) {
  thread_ = std::thread([this] { Run(); });
}

CapWatch::~CapWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopping_.notify_all();
  server_.Cancel();
  thread_.join();
}

void CapWatch::Run() {
  do {
    Judge(cap_.Look(kLookTimeout));
  } while (Pause());
}

bool CapWatch::Pause() {
  std::unique_lock lock(mutex_);
  return !stopping_.wait_for(lock, kInterval, [this] { return stop_; });
}

std::vector<std::string> CapWatch::TakeSentences() {
  const std::lock_guard lock(mutex_);
  return std::exchange(sentences_, {});
}

std::optional<CapStanding> CapWatch::exhausted() const {
  const std::lock_guard lock(mutex_);
  return exhausted_;
}

void CapWatch::Judge(const StatusOr<CapStanding>& standing) {
  const std::lock_guard lock(mutex_);
  if (stop_) return;
  if (standing.ok()) {
    if (away_) sentences_.push_back("the run " + cap_.run().id + " is watched again");
    away_ = false;
    return JudgeStanding(*standing);
  }
  if (!away_) {
    const std::string why = FirstLine(Explain(standing.status(), server_.endpoint(), kLookTimeout));
    sentences_.push_back("what the run " + cap_.run().id +
                         " spends is not known for now, and it "
                         "goes on: " +
                         why.substr(std::string_view("bursar: ").size()));
  }
  away_ = true;
}

void CapWatch::JudgeStanding(const CapStanding& standing) {
  const std::string run = "the run " + cap_.run().id;
  if (standing.tighter && !told_of_tighter_) {
    told_of_tighter_ = true;
    sentences_.push_back(run + " has " + FormatUsd(standing.tighter->second) +
                         " left in the budget " + standing.tighter->first +
                         ", which holds too and is tighter than its cap");
  }
  if (standing.spent >= standing.limit) {
    exhausted_ = standing;
    return;
  }
  bool crossed = false;  // several at once are one warning
  while (!percents_.empty() && standing.spent >= standing.limit / 100.0 * *percents_.begin()) {
    percents_.erase(percents_.begin());
    crossed = true;
  }
  if (crossed) sentences_.push_back(run + " has spent " + ShareText(standing));
}

}  // namespace bursar::cli
