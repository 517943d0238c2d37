#include "cli/budget_flags.h"

#include <bursar/money.h>

#include <optional>

#include "absl/time/time.h"
#include "cli/flags.h"
#include "cli/parse.h"
#include "cli/period.h"

namespace bursar::cli {
namespace {

using Expiry = std::optional<absl::Time>;  // absent: never

StatusOr<Expiry> ParseExpiry(std::string_view text) {
  if (Lower(text) == "never") return Expiry();
  const auto time = ParseTime(text, absl::UTCTimeZone());
  if (!time.ok()) return time.status();
  return Expiry(*time);
}

}  // namespace

void AddBudgetId(CLI::App& app, std::string* id) {
  app.add_option("id", *id, "the budget's id, like run-cap")->type_name("");
}

Status BudgetIdMissing(const CLI::App& app) {
  return {StatusCode::kInvalidArgument, "which budget? `bursar budgets " + app.get_name() +
                                            " ID` with an id like run-cap would be right"};
}

void BudgetFlags::AddLimits(CLI::App& app) {
  CLI::Option* usd =
      AddParsedFlag(app, "--limit", "USD", "in US dollars, like 0.50", ParseUsd, [this](int64_t n) {
        budget.set_limit_nanousd(n);
        paths.insert("limit_nanousd");
      });
  CLI::Option* tokens =
      AddParsedFlag(app, "--limit-tokens", "N", "in tokens", ParseCount, [this](int64_t n) {
        budget.set_limit_tokens(n);
        paths.insert("limit_tokens");
      });
  CLI::Option* calls =
      AddParsedFlag(app, "--limit-calls", "N", "in calls", ParseCount, [this](int64_t n) {
        budget.set_limit_calls(n);
        paths.insert("limit_calls");
      });
  usd->excludes(tokens)->excludes(calls);
  tokens->excludes(calls);
}

void BudgetFlags::AddChangeable(CLI::App& app) {
  AddLimits(app);
  AddChoiceFlag(app, "--mode", "hard (denies), soft (warns) or observe", EnforcementModes(),
                [this](v1::EnforcementMode mode) {
                  budget.set_mode(mode);
                  paths.insert("mode");
                });
  AddParsedFlag(app, "--threshold", "PERCENTS", "warn at these, like 75,90", ParsePercents,
                [this](const std::vector<int>& percents) {
                  budget.mutable_threshold_percents()->Add(percents.begin(), percents.end());
                  paths.insert("threshold_percents");
                });
  AddTextFlag(app, "--display-name", "TEXT", "for people", [this](const std::string& text) {
    budget.set_display_name(text);
    paths.insert("display_name");
  });
  AddChoiceFlag(app, "--state", "active, or frozen: denies every check", BudgetStates(),
                [this](v1::Budget::State state) {
                  budget.set_state(state);
                  paths.insert("state");
                });
  AddParsedFlag(app, "--expires", "TIME",
                "ignored from then on, like 2026-12-01T00:00:00Z; or never", ParseExpiry,
                [this](const Expiry& expiry) {
                  if (expiry) SetTime(*expiry, budget.mutable_expire_time());
                  paths.insert("expire_time");
                });
}

void BudgetFlags::AddFixed(CLI::App& app) {
  AddChoiceFlag(app, "--window", "lifetime, minute, hour, day, week or month", WindowKinds(),
                [this](v1::Window::Kind kind) { budget.mutable_window()->set_kind(kind); });
  AddTextFlag(app, "--time-zone", "ZONE", "that the window follows; default: UTC",
              [this](const std::string& zone) { budget.mutable_window()->set_time_zone(zone); });
  AddTextFlag(app, "--group-by", "DIMENSIONS", "a counter for each value, like run or user,model",
              [this](const std::string& text) {
                for (std::string& name : SplitCommas(text)) budget.add_group_by(std::move(name));
              });
  AddRepeatedFlag(app, "--selector", "DIM=VALUES",
                  "which calls count, like user=a,b or team!=x; may be repeated", ParseFilter,
                  [this](v1::Filter filter) { *budget.add_selector() = std::move(filter); });
  app.add_flag_callback(
      "--require-group", [this] { budget.set_require_group(true); },
      "deny a check that lacks a --group-by dimension");
}

}  // namespace bursar::cli
