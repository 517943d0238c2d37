#include "demo/budgets.h"

#include <algorithm>
#include <utility>

namespace bursar::demo {
namespace {

constexpr int64_t kCent = 10'000'000;

// Rounded to whole cents, as a person would set it.
int64_t Cents(int64_t nanousd) { return std::max<int64_t>(nanousd / kCent, 1) * kCent; }

v1::Budget Hard(const std::string& display_name, int64_t limit_nanousd, v1::Window::Kind window,
                const std::string& group_by) {
  v1::Budget budget;
  budget.set_display_name(display_name);
  budget.set_limit_nanousd(limit_nanousd);
  budget.mutable_window()->set_kind(window);
  budget.set_mode(v1::ENFORCEMENT_MODE_HARD);
  if (!group_by.empty()) budget.add_group_by(group_by);
  return budget;
}

StatusOr<v1::Budget> Ensure(cli::Server& server, const std::string& id, const v1::Budget& budget) {
  v1::GetBudgetRequest get;
  get.set_name("budgets/" + id);
  v1::GetBudgetResponse found;
  Status status = server.Call(&cli::AdminStub::GetBudget, get, &found);
  if (status.ok()) return found.budget();
  if (status.code() != StatusCode::kNotFound) return status;

  v1::CreateBudgetRequest create;
  create.set_budget_id(id);
  *create.mutable_budget() = budget;
  v1::CreateBudgetResponse created;
  status = server.Call(&cli::AdminStub::CreateBudget, create, &created);
  if (!status.ok()) return status;
  return created.budget();
}

}  // namespace

Limits LimitsFor(int calls) {
  // Measured with the trace's sizes and the prices of 2026: a call costs $0.0037 on average.
  return {.run_nanousd = 50 * kCent,
          .user_nanousd = std::max(Cents(calls * int64_t{400'000}), 20 * kCent),
          .month_nanousd = std::max(Cents(calls * int64_t{4'500'000}), 100 * kCent)};
}

StatusOr<std::vector<v1::Budget>> EnsureBudgets(cli::Server& server, const Limits& limits) {
  const std::pair<const char*, v1::Budget> kWanted[] = {
      {"run-cap", Hard("Cap of a run", limits.run_nanousd, v1::Window::KIND_LIFETIME, "root_run")},
      {"user-day", Hard("A user's day", limits.user_nanousd, v1::Window::KIND_DAY, "user")},
      {"fleet-month", Hard("The fleet's month", limits.month_nanousd, v1::Window::KIND_MONTH, "")},
  };
  std::vector<v1::Budget> budgets;
  for (const auto& [id, budget] : kWanted) {
    auto ensured = Ensure(server, id, budget);
    if (!ensured.ok()) return ensured.status();
    budgets.push_back(*std::move(ensured));
  }
  return budgets;
}

}  // namespace bursar::demo
