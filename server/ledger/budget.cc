#include "ledger/budget.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::ledger {
namespace {

constexpr size_t kFiltersMax = 32;
constexpr size_t kFilterValuesMax = 1000;
constexpr size_t kGroupByMax = 8;
constexpr size_t kOverridesMax = 1000;
constexpr size_t kThresholdsMax = 16;

absl::Status ValidateDimension(absl::string_view field, absl::string_view dimension) {
  if (usage::IsDimension(dimension)) return absl::OkStatus();
  return usage::FieldError(field, absl::StrCat("is \"", dimension.substr(0, 64), "\"; allowed are ",
                                               usage::kDimensionsText));
}

absl::Status ValidateSelector(const std::vector<Filter>& selector) {
  if (selector.size() > kFiltersMax) {
    return usage::FieldError("selector", absl::StrFormat("has %d filters; at most %d are allowed",
                                                         selector.size(), kFiltersMax));
  }
  for (size_t i = 0; i < selector.size(); ++i) {
    const std::string field = absl::StrCat("selector[", i, "]");
    RETURN_IF_ERROR(ValidateDimension(absl::StrCat(field, ".dimension"), selector[i].dimension));
    if (selector[i].values.empty() || selector[i].values.size() > kFilterValuesMax) {
      return usage::FieldError(absl::StrCat(field, ".values"),
                               absl::StrFormat("has %d values; allowed are 1 to %d",
                                               selector[i].values.size(), kFilterValuesMax));
    }
    for (const auto& value : selector[i].values) {
      RETURN_IF_ERROR(
          usage::ValidateText(absl::StrCat(field, ".values"), value, 0, usage::kDimensionBytesMax));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateOverrides(const Budget& budget) {
  if (budget.overrides.size() > kOverridesMax) {
    return usage::FieldError("overrides", absl::StrFormat("has %d entries; at most %d are allowed",
                                                          budget.overrides.size(), kOverridesMax));
  }
  const std::set<std::string> group_by(budget.group_by.begin(), budget.group_by.end());
  for (size_t i = 0; i < budget.overrides.size(); ++i) {
    const LimitOverride& entry = budget.overrides[i];
    const std::string field = absl::StrCat("overrides[", i, "]");
    std::set<std::string> given;
    for (const auto& [dimension, value] : entry.group) {
      given.insert(dimension);
      RETURN_IF_ERROR(usage::ValidateText(absl::StrCat(field, ".group[", dimension, "]"), value, 1,
                                          usage::kDimensionBytesMax));
    }
    if (given != group_by) {
      return usage::FieldError(absl::StrCat(field, ".group"),
                               "must name every dimension of group_by, and no other");
    }
    if (entry.limit < 0) {
      return usage::FieldError(absl::StrCat(field, ".limit"),
                               absl::StrFormat("is %d; it must be 0 or more", entry.limit));
    }
    if (entry.start_time && entry.expire_time <= *entry.start_time) {
      return usage::FieldError(absl::StrCat(field, ".expire_time"), "must be after start_time");
    }
    RETURN_IF_ERROR(usage::ValidateText(absl::StrCat(field, ".reason"), entry.reason, 0, 1024));
  }
  return absl::OkStatus();
}

absl::Status ValidateThresholds(std::vector<int32_t>& percents) {
  if (percents.empty()) percents = {75, 90, 100};
  if (percents.size() > kThresholdsMax) {
    return usage::FieldError(
        "threshold_percents",
        absl::StrFormat("has %d entries; at most %d are allowed", percents.size(), kThresholdsMax));
  }
  std::sort(percents.begin(), percents.end());
  percents.erase(std::unique(percents.begin(), percents.end()), percents.end());
  for (int32_t percent : percents) {
    if (percent < 1 || percent > 1000) {
      return usage::FieldError("threshold_percents",
                               absl::StrFormat("has %d; allowed are 1 to 1000", percent));
    }
  }
  return absl::OkStatus();
}

// The counter of a group in a window: its id never changes, so nothing has to be reset.
Id CounterId(const Budget& budget, const Match& match) {
  IdHash hash("counter");
  hash.Add(static_cast<int64_t>(budget.uid.high)).Add(static_cast<int64_t>(budget.uid.low));
  hash.Add(match.window.key);
  for (size_t i = 0; i < match.values.size(); ++i) {
    hash.Add(budget.group_by[i]).Add(match.values[i]);
  }
  return hash.Finish();
}

}  // namespace

bool Filter::Matches(absl::string_view value) const {
  const bool found = std::find(values.begin(), values.end(), value) != values.end();
  return found != exclude;
}

int64_t Budget::LimitFor(const std::map<std::string, std::string>& group, absl::Time time) const {
  for (auto entry = overrides.rbegin(); entry != overrides.rend(); ++entry) {  // the newest first
    const bool begun = !entry->start_time || *entry->start_time <= time;
    if (begun && time < entry->expire_time && entry->group == group) return entry->limit;
  }
  return limit;
}

absl::Status ValidateBudget(Budget& budget) {
  RETURN_IF_ERROR(
      usage::ValidateText("display_name", budget.display_name, 0, usage::kDimensionBytesMax));
  RETURN_IF_ERROR(ValidateSelector(budget.selector));
  if (budget.group_by.size() > kGroupByMax) {
    return usage::FieldError("group_by",
                             absl::StrFormat("has %d dimensions; at most %d are allowed",
                                             budget.group_by.size(), kGroupByMax));
  }
  std::set<absl::string_view> seen;
  for (const auto& dimension : budget.group_by) {
    RETURN_IF_ERROR(ValidateDimension("group_by", dimension));
    if (!seen.insert(dimension).second) {
      return usage::FieldError("group_by", absl::StrCat("names ", dimension, " twice"));
    }
  }
  if (budget.limit < 0) {
    return usage::FieldError("limit", absl::StrFormat("is %d; it must be 0 or more", budget.limit));
  }
  RETURN_IF_ERROR(ValidateOverrides(budget));
  return ValidateThresholds(budget.threshold_percents);
}

const Budget* BudgetBook::Find(const Id& uid) const {
  for (const Budget& budget : budgets) {
    if (budget.uid == uid) return &budget;
  }
  return nullptr;
}

Group Match::group() const {
  Group::Values group;
  for (size_t i = 0; i < values.size(); ++i) group.emplace(budget->group_by[i], values[i]);
  return group;
}

Matches MatchBudgets(const BudgetBook& book, const usage::Subject& subject,
                     const usage::Model& model, absl::string_view event_type, absl::Time time) {
  Matches matches;
  matches.counted.reserve(book.budgets.size());
  auto value_of = [&](absl::string_view dimension) {
    return usage::DimensionValue(subject, model, event_type, dimension);
  };
  for (const Budget& budget : book.budgets) {
    if (time >= budget.expire_time) continue;
    bool selected = true, names_event_type = false;
    for (const Filter& filter : budget.selector) {
      selected = selected && filter.Matches(value_of(filter.dimension));
      names_event_type |= filter.dimension == "event_type";
    }
    if (budget.unit == Unit::kCalls && !names_event_type) selected &= event_type == "model_call";
    if (!selected) continue;
    Match match{.budget = &budget};
    absl::string_view missing;
    for (const auto& dimension : budget.group_by) {
      const absl::string_view value = value_of(dimension);
      if (value.empty()) missing = dimension;
      match.values.push_back(value);
    }
    if (!missing.empty()) {
      const bool denies = budget.require_group && budget.mode == Mode::kHard;
      if (!denies || matches.incomplete != nullptr) continue;
      matches.incomplete = &budget;
      matches.missing_dimension = std::string(missing);
      continue;
    }
    match.window = budget.last_window.At(budget.window, time);
    match.counter = CounterId(budget, match);
    matches.counted.push_back(std::move(match));
  }
  return matches;
}

}  // namespace bursar::ledger
