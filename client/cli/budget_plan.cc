#include "cli/budget_plan.h"

#include <google/protobuf/util/field_mask_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "absl/strings/str_join.h"
#include "cli/budget_text.h"
#include "cli/period.h"
#include "cli/render.h"

namespace bursar::cli {
namespace {

using google::protobuf::util::FieldMaskUtil;
using google::protobuf::util::MessageDifferencer;

constexpr int kDefaultThresholds[] = {75, 90, 100};

constexpr const char* kFixed[] = {"selector", "group_by", "require_group", "window"};
constexpr const char* kChangeable[] = {"display_name", "mode",  "threshold_percents",
                                       "expire_time",  "state", "overrides"};

template <typename Field>
void SortUnique(Field* field) {
  std::sort(field->begin(), field->end());
  field->erase(std::unique(field->begin(), field->end()), field->end());
}

// The database keeps microseconds.
void CutToMicros(google::protobuf::Timestamp* time) {
  time->set_nanos(time->nanos() / 1000 * 1000);
}

bool IsOver(const v1::LimitOverride& entry, absl::Time now) {
  return entry.has_expire_time() && TimeOf(entry.expire_time()) <= now;
}

auto FilterKey(const v1::Filter& filter) {
  return std::tuple(filter.dimension(), filter.exclude(),
                    std::vector<std::string>(filter.values().begin(), filter.values().end()));
}

// Two budgets that mean the same become equal: defaults are filled in, and what has no order gets
// one.
v1::Budget Normalised(v1::Budget budget, absl::Time now) {
  if (budget.mode() == v1::ENFORCEMENT_MODE_UNSPECIFIED) budget.set_mode(v1::ENFORCEMENT_MODE_HARD);
  if (budget.state() == v1::Budget::STATE_UNSPECIFIED) budget.set_state(v1::Budget::STATE_ACTIVE);
  if (budget.window().time_zone() == "UTC") budget.mutable_window()->clear_time_zone();
  auto* thresholds = budget.mutable_threshold_percents();
  if (thresholds->empty()) {
    thresholds->Assign(std::begin(kDefaultThresholds), std::end(kDefaultThresholds));
  }
  SortUnique(thresholds);
  SortUnique(budget.mutable_group_by());
  for (v1::Filter& filter : *budget.mutable_selector()) SortUnique(filter.mutable_values());
  std::sort(budget.mutable_selector()->begin(), budget.mutable_selector()->end(),
            [](const v1::Filter& a, const v1::Filter& b) { return FilterKey(a) < FilterKey(b); });
  if (budget.has_expire_time()) CutToMicros(budget.mutable_expire_time());
  auto* overrides = budget.mutable_overrides();
  overrides->erase(std::remove_if(overrides->begin(), overrides->end(),
                                  [now](const auto& entry) { return IsOver(entry, now); }),
                   overrides->end());
  for (v1::LimitOverride& entry : *overrides) {
    if (entry.has_start_time()) CutToMicros(entry.mutable_start_time());
    if (entry.has_expire_time()) CutToMicros(entry.mutable_expire_time());
  }
  return budget;
}

// An override without a start begins when it is applied; one that there is, and that differs in its
// start alone, is the same applied before.
void TakeStartTimes(const v1::Budget& existing, v1::Budget* wanted) {
  for (v1::LimitOverride& entry : *wanted->mutable_overrides()) {
    if (entry.has_start_time()) continue;
    for (const v1::LimitOverride& known : existing.overrides()) {
      v1::LimitOverride startless = known;
      startless.clear_start_time();
      if (!MessageDifferencer::Equals(startless, entry)) continue;
      entry = known;
      break;
    }
  }
}

bool Differ(const v1::Budget& a, const v1::Budget& b, const std::string& field) {
  google::protobuf::FieldMask mask;
  mask.add_paths(field);
  v1::Budget of_a, of_b;
  FieldMaskUtil::MergeMessageTo(a, mask, {}, &of_a);
  FieldMaskUtil::MergeMessageTo(b, mask, {}, &of_b);
  return !MessageDifferencer::Equals(of_a, of_b);
}

std::string LimitField(const v1::Budget& budget) {
  if (UnitOf(budget) == Unit::kTokens) return "limit_tokens";
  return UnitOf(budget) == Unit::kCalls ? "limit_calls" : "limit_nanousd";
}

// Fills in what the file leaves to the server.
v1::Budget AsItShallBe(const WantedBudget& wanted, const v1::Budget& existing, absl::Time now) {
  v1::Budget budget = Normalised(wanted.budget, now);
  budget.set_etag(existing.etag());
  if (!wanted.names_state) budget.set_state(existing.state());
  if (wanted.names_overrides) {
    TakeStartTimes(existing, &budget);
  } else {
    *budget.mutable_overrides() = existing.overrides();
  }
  return budget;
}

void CompareFixed(const v1::Budget& existing, const v1::Budget& wanted, StatusDetails* details) {
  const auto note = [&](const std::string& field) {
    details->field_violations.push_back(
        {BudgetId(existing.name()), field + " is " + FieldText(existing, field) +
                                        " on the server and " + FieldText(wanted, field) +
                                        " in the file"});
  };
  for (const char* field : kFixed) {
    if (Differ(existing, wanted, field)) note(field);
  }
  if (UnitOf(existing) != UnitOf(wanted)) {
    details->field_violations.push_back(
        {BudgetId(existing.name()), "its limit is " + LimitText(existing) + " on the server and " +
                                        LimitText(wanted) + " in the file, another unit"});
  }
}

std::vector<FieldChange> ChangesOf(const v1::Budget& existing, const v1::Budget& wanted) {
  std::vector<FieldChange> changes;
  if (LimitOf(existing) != LimitOf(wanted)) {
    changes.push_back({LimitField(wanted), LimitText(existing), LimitText(wanted)});
  }
  for (const char* field : kChangeable) {
    if (!Differ(existing, wanted, field)) continue;
    changes.push_back({field, FieldText(existing, field), FieldText(wanted, field)});
  }
  return changes;
}

Status CannotChange(StatusDetails details) {
  return {StatusCode::kInvalidArgument,
          "nothing was changed: what a budget counts is fixed for good; delete the budget first "
          "(its counters start afresh), or use another id",
          std::move(details)};
}

}  // namespace

StatusOr<BudgetPlan> PlanBudgets(const std::vector<WantedBudget>& wanted,
                                 const std::vector<v1::Budget>& existing, bool prune,
                                 absl::Time now) {
  if (prune && wanted.empty() && !existing.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "the file has no budget, and --prune would delete all " +
                      std::to_string(existing.size()) +
                      " of the server; `bursar budgets delete ID` deletes one");
  }
  std::map<std::string, v1::Budget> left;
  for (const v1::Budget& budget : existing) left[budget.name()] = Normalised(budget, now);
  BudgetPlan plan;
  StatusDetails fixed;
  for (const WantedBudget& one : wanted) {
    const auto found = left.find(one.budget.name());
    if (found == left.end()) {
      plan.created.push_back(Normalised(one.budget, now));
      continue;
    }
    const v1::Budget shall_be = AsItShallBe(one, found->second, now);
    CompareFixed(found->second, shall_be, &fixed);
    auto changes = ChangesOf(found->second, shall_be);
    if (changes.empty()) {
      ++plan.unchanged;
    } else {
      plan.updated.push_back({shall_be, std::move(changes)});
    }
    left.erase(found);
  }
  if (!fixed.field_violations.empty()) return CannotChange(std::move(fixed));
  for (auto& [name, budget] : left) {
    if (prune) {
      plan.deleted.push_back(std::move(budget));
    } else {
      ++plan.unnamed;
    }
  }
  return plan;
}

}  // namespace bursar::cli
