#include "cli/raise_command.h"

#include <bursar/money.h>

#include <vector>

#include "absl/strings/str_join.h"
#include "cli/budget_edit.h"
#include "cli/budget_flags.h"
#include "cli/budget_text.h"
#include "cli/flags.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "cli/render.h"

namespace bursar::cli {
namespace {

using Group = std::map<std::string, std::string>;

Status Wrong(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

StatusOr<Group::value_type> ParseGroup(std::string_view text) {
  const auto label = ParseLabel(text);
  if (!label.ok() || label->second.empty()) {
    return WrongValue(text, "is no group", "dimension=value like user=carol");
  }
  return Group::value_type(*label);
}

bool IsOver(const v1::LimitOverride& entry, absl::Time now) {
  return entry.has_expire_time() && TimeOf(entry.expire_time()) <= now;
}

bool BeginsLater(const v1::LimitOverride& entry, absl::Time now) {
  return entry.has_start_time() && TimeOf(entry.start_time()) > now;
}

}  // namespace

RaiseBudgetCommand::RaiseBudgetCommand(CLI::App& budgets) {
  app_ = budgets.add_subcommand("raise", "Raise the limit for one group, for a time");
  AddBudgetId(*app_, &id_);
  AddRepeatedFlag(*app_, "--group", "DIM=VALUE", "for whom, like user=carol; each group_by value",
                  ParseGroup, [this](const Group::value_type& entry) {
                    if (group_.insert(entry).second) return;
                    throw CLI::ValidationError("--group", entry.first + " is given twice");
                  });
  AddTextFlag(*app_, "--to", "AMOUNT", "the new limit: US dollars, or tokens or calls",
              [this](const std::string& text) { to_ = text; });
  CLI::Option* length =
      AddParsedFlag(*app_, "--for", "TIME", "how long, like 4h or 2d", ParseDuration,
                    [this](std::chrono::nanoseconds time) { length_ = absl::FromChrono(time); });
  CLI::Option* until = AddParsedFlag(
      *app_, "--until", "TIME", "until when, like 2026-12-01T18:00Z; default: until removed",
      [](const std::string& text) { return ParseTime(text, absl::UTCTimeZone()); },
      [this](absl::Time time) { until_ = time; });
  length->excludes(until);
  AddTextFlag(*app_, "--reason", "TEXT", "why; shown in denials and kept with the budget",
              [this](const std::string& text) { reason_ = text; });
}

Status RaiseBudgetCommand::CheckWords() const {
  if (id_.empty()) return BudgetIdMissing(*app_);
  if (to_.empty())
    return Wrong("raise to what? --to 20 (US dollars, or tokens or calls) would be right");
  if (const auto amount = ParseUsd(to_); !amount.ok()) {
    return Wrong("--to: " + amount.status().message());
  }
  if (reason_.empty()) {
    return Wrong("why? --reason \"release week\" would be right: whoever looks later will ask");
  }
  return {};
}

StatusOr<int64_t> RaiseBudgetCommand::NewLimit(const v1::Budget& budget) const {
  const auto limit = UnitOf(budget) == Unit::kCost ? ParseUsd(to_) : ParseCount(to_);
  if (!limit.ok()) return Wrong("--to: " + limit.status().message());
  if (*limit <= LimitOf(budget)) {
    return Wrong("--to: " + to_ + " is no raise: the limit of \"" + BudgetId(budget.name()) +
                 "\" is " + LimitText(budget) +
                 "; more than that would be right, or `bursar "
                 "budgets update` for a lower limit");
  }
  return limit;
}

Status RaiseBudgetCommand::CheckGroup(const v1::Budget& budget) const {
  const std::string name = "budget \"" + BudgetId(budget.name()) + "\"";
  Group left = group_;
  std::vector<std::string> missing;
  for (const std::string& dimension : budget.group_by()) {
    if (left.erase(dimension) == 0) missing.push_back("--group " + dimension + "=VALUE");
  }
  if (!missing.empty()) {
    return Wrong(name + " has a limit for each " + absl::StrJoin(budget.group_by(), ", ") +
                 "; also " + absl::StrJoin(missing, " ") + " would be right");
  }
  if (!left.empty()) {
    const std::string given = left.begin()->first + "=" + left.begin()->second;
    return Wrong("--group " + given + " does not fit: " + name +
                 (budget.group_by().empty()
                      ? " has one limit for all"
                      : " has a limit for each " + absl::StrJoin(budget.group_by(), ", ")));
  }
  return {};
}

StatusOr<std::optional<absl::Time>> RaiseBudgetCommand::End(absl::Time now) const {
  std::optional<absl::Time> end = until_;
  if (length_) end = now + *length_;
  if (end && *end <= now) {
    return Wrong(std::string(length_ ? "--for" : "--until") +
                 ": the raise would be over at once; a time to come would be right");
  }
  return end;
}

Status RaiseBudgetCommand::Raise(absl::Time now, v1::Budget* budget) const {
  if (Status status = CheckGroup(*budget); !status.ok()) return status;
  const auto limit = NewLimit(*budget);
  if (!limit.ok()) return limit.status();
  const auto end = End(now);
  if (!end.ok()) return end.status();
  v1::LimitOverride raise;
  raise.mutable_group()->insert(group_.begin(), group_.end());
  raise.set_limit(*limit);
  raise.set_reason(reason_);
  if (*end) SetTime(**end, raise.mutable_expire_time());

  // Of two that hold at the same time the later in the list counts: so what is planned for this
  // group comes after what holds now.
  std::vector<v1::LimitOverride> kept, planned;
  for (const v1::LimitOverride& entry : budget->overrides()) {
    if (IsOver(entry, now)) continue;
    if (Group(entry.group().begin(), entry.group().end()) != group_) {
      kept.push_back(entry);
    } else if (BeginsLater(entry, now)) {
      planned.push_back(entry);
    }
  }
  kept.push_back(std::move(raise));
  kept.insert(kept.end(), planned.begin(), planned.end());
  budget->mutable_overrides()->Assign(kept.begin(), kept.end());
  return {};
}

int RaiseBudgetCommand::Run(Server& server, Output& output) {
  if (const Status status = CheckWords(); !status.ok()) return FailUsage(status, output);
  const absl::Time now = absl::Now();
  const auto response = EditBudget(server, BudgetName(id_), {"overrides"},
                                   [&](v1::Budget* budget) { return Raise(now, budget); });
  if (!response.ok()) return Fail(response.status(), server, output);
  if (output.json) return PrintJson(*response, output);
  const v1::Budget& budget = response->budget();
  const auto end = End(now);
  PrintPairs({{"budget", BudgetId(budget.name())},
              {"group", FormatGroup(group_)},
              {"limit", FormatAmount(UnitOf(budget), *NewLimit(budget)) + " instead of " +
                            LimitText(budget)},
              {"until", *end ? FormatMinute(**end, absl::UTCTimeZone()) : "removed"},
              {"reason", reason_}},
             output);
  return kExitOk;
}

}  // namespace bursar::cli
