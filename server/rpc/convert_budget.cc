#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rpc/convert.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::rpc {
namespace {

constexpr size_t kBudgetIdBytesMax = 63;
constexpr char kUpdatable[] =
    "display_name, limit_nanousd, limit_tokens, limit_calls, mode, overrides, threshold_percents, "
    "state and expire_time";

absl::StatusOr<ledger::Window> ToWindow(const v1::Window& window) {
  if (window.kind() == v1::Window::KIND_UNSPECIFIED || !v1::Window::Kind_IsValid(window.kind())) {
    return usage::FieldError("budget.window.kind",
                             "is missing; allowed are LIFETIME, MINUTE, HOUR, DAY, WEEK and MONTH");
  }
  RETURN_IF_ERROR(ValidateTimeZone("budget.window.time_zone", window.time_zone()));
  ASSIGN_OR_RETURN(const absl::TimeZone zone, ledger::LoadZone(window.time_zone()));
  return ledger::Window{static_cast<ledger::WindowKind>(window.kind()), window.time_zone(), zone};
}

absl::Status SetLimit(absl::string_view field, ledger::Unit unit, int64_t limit,
                      ledger::Budget& budget) {
  if (limit < 0) {
    return usage::FieldError(field, absl::StrCat("is ", limit, "; it must be 0 or more"));
  }
  budget.unit = unit;
  budget.limit = limit;
  return absl::OkStatus();
}

// Unit and limit are one choice on the wire.
absl::Status FillLimit(const v1::Budget& given, ledger::Budget& budget) {
  switch (given.limit_case()) {
    case v1::Budget::kLimitNanousd:
      return SetLimit("budget.limit_nanousd", ledger::Unit::kCost, given.limit_nanousd(), budget);
    case v1::Budget::kLimitTokens:
      return SetLimit("budget.limit_tokens", ledger::Unit::kTokens, given.limit_tokens(), budget);
    case v1::Budget::kLimitCalls:
      return SetLimit("budget.limit_calls", ledger::Unit::kCalls, given.limit_calls(), budget);
    case v1::Budget::LIMIT_NOT_SET:
      break;
  }
  return usage::FieldError("budget.limit_nanousd",
                           "is missing; a budget needs limit_nanousd, limit_tokens or limit_calls");
}

absl::Status FillMode(const v1::Budget& given, ledger::Budget& budget) {
  if (!v1::EnforcementMode_IsValid(given.mode())) {
    return usage::FieldError("budget.mode", "is none that is known: HARD, SOFT or OBSERVE");
  }
  const bool unset = given.mode() == v1::ENFORCEMENT_MODE_UNSPECIFIED;
  budget.mode = unset ? ledger::Mode::kHard : static_cast<ledger::Mode>(given.mode());
  return absl::OkStatus();
}

absl::Status FillState(const v1::Budget& given, ledger::Budget& budget) {
  if (!v1::Budget::State_IsValid(given.state())) {
    return usage::FieldError("budget.state", "is none that is known: ACTIVE or FROZEN");
  }
  budget.frozen = given.state() == v1::Budget::STATE_FROZEN;
  return absl::OkStatus();
}

absl::Status FillExpireTime(const v1::Budget& given, ledger::Budget& budget) {
  budget.expire_time = absl::InfiniteFuture();
  if (!given.has_expire_time()) return absl::OkStatus();
  ASSIGN_OR_RETURN(budget.expire_time, FromProto("budget.expire_time", given.expire_time()));
  return absl::OkStatus();
}

absl::StatusOr<ledger::LimitOverride> ToOverride(const std::string& field,
                                                 const v1::LimitOverride& given) {
  ledger::LimitOverride entry{.limit = given.limit(), .reason = given.reason()};
  for (const auto& [dimension, value] : given.group()) {
    RETURN_IF_ERROR(usage::ValidateText(absl::StrCat(field, ".group"), dimension, 1,
                                        usage::kDimensionBytesMax));
    entry.group.emplace(dimension, value);
  }
  if (given.has_start_time()) {
    ASSIGN_OR_RETURN(entry.start_time,
                     FromProto(absl::StrCat(field, ".start_time"), given.start_time()));
  }
  if (given.has_expire_time()) {
    ASSIGN_OR_RETURN(entry.expire_time,
                     FromProto(absl::StrCat(field, ".expire_time"), given.expire_time()));
  }
  return entry;
}

absl::Status FillOverrides(const v1::Budget& given, ledger::Budget& budget) {
  budget.overrides.clear();
  for (int i = 0; i < given.overrides_size(); ++i) {
    ASSIGN_OR_RETURN(auto entry,
                     ToOverride(absl::StrCat("budget.overrides[", i, "]"), given.overrides(i)));
    budget.overrides.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

absl::Status UpdateLimit(const v1::Budget& given, absl::string_view path, ledger::Budget& budget) {
  ledger::Budget changed;
  RETURN_IF_ERROR(FillLimit(given, changed));
  static constexpr absl::string_view kPaths[] = {"", "limit_nanousd", "limit_tokens",
                                                 "limit_calls"};
  if (changed.unit != budget.unit || kPaths[static_cast<int>(budget.unit)] != path) {
    return usage::FieldError(absl::StrCat("budget.", path),
                             absl::StrCat("cannot be set: this budget counts in another unit, by ",
                                          kPaths[static_cast<int>(budget.unit)]));
  }
  budget.limit = changed.limit;
  return absl::OkStatus();
}

absl::Status UpdateField(const v1::Budget& given, absl::string_view path, ledger::Budget& budget) {
  if (path == "display_name") {
    budget.display_name = given.display_name();
    return absl::OkStatus();
  }
  if (path == "threshold_percents") {
    budget.threshold_percents.assign(given.threshold_percents().begin(),
                                     given.threshold_percents().end());
    return absl::OkStatus();
  }
  if (path == "limit_nanousd" || path == "limit_tokens" || path == "limit_calls") {
    return UpdateLimit(given, path, budget);
  }
  if (path == "mode") return FillMode(given, budget);
  if (path == "state") return FillState(given, budget);
  if (path == "overrides") return FillOverrides(given, budget);
  if (path == "expire_time") return FillExpireTime(given, budget);
  return usage::FieldError("update_mask", absl::StrCat("names \"", path.substr(0, 64),
                                                       "\"; what can be changed is ", kUpdatable));
}

// A label's name is the caller's own text.
absl::Status ValidateDimensions(const v1::Budget& given) {
  for (const auto& dimension : given.group_by()) {
    RETURN_IF_ERROR(
        usage::ValidateText("budget.group_by", dimension, 1, usage::kDimensionBytesMax));
  }
  for (int i = 0; i < given.selector_size(); ++i) {
    RETURN_IF_ERROR(usage::ValidateText(absl::StrCat("budget.selector[", i, "].dimension"),
                                        given.selector(i).dimension(), 1,
                                        usage::kDimensionBytesMax));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateBudgetId(absl::string_view field, absl::string_view id) {
  bool valid = !id.empty() && id.size() <= kBudgetIdBytesMax && absl::ascii_isalnum(id[0]);
  for (char c : id) {
    valid = valid &&
            (absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_' || c == '.');
  }
  if (valid) return absl::OkStatus();
  return usage::FieldError(field, absl::StrCat("is \"", id.substr(0, 80),
                                               "\"; allowed are 1 to 63 of a-z, 0-9, - _ and ., "
                                               "a letter or digit first"));
}

absl::StatusOr<std::string> BudgetIdOf(absl::string_view name) {
  absl::string_view id = name;
  if (!absl::ConsumePrefix(&id, "budgets/")) {
    return usage::FieldError(
        "name", absl::StrCat("is \"", name.substr(0, 80), "\"; it must be like budgets/user-day"));
  }
  RETURN_IF_ERROR(ValidateBudgetId("name", id));
  return std::string(id);
}

absl::StatusOr<ledger::Budget> ToBudget(const v1::CreateBudgetRequest& request) {
  const v1::Budget& given = request.budget();
  RETURN_IF_ERROR(ValidateBudgetId("budget_id", request.budget_id()));
  RETURN_IF_ERROR(ValidateDimensions(given));
  ledger::Budget budget{.id = request.budget_id(),
                        .display_name = given.display_name(),
                        .group_by = {given.group_by().begin(), given.group_by().end()},
                        .require_group = given.require_group()};
  ASSIGN_OR_RETURN(budget.selector, FromProto(given.selector()));
  RETURN_IF_ERROR(FillLimit(given, budget));
  ASSIGN_OR_RETURN(budget.window, ToWindow(given.window()));
  RETURN_IF_ERROR(FillMode(given, budget));
  RETURN_IF_ERROR(FillOverrides(given, budget));
  budget.threshold_percents.assign(given.threshold_percents().begin(),
                                   given.threshold_percents().end());
  RETURN_IF_ERROR(FillState(given, budget));
  RETURN_IF_ERROR(FillExpireTime(given, budget));
  RETURN_IF_ERROR(usage::Within("budget", ledger::ValidateBudget(budget)));
  return budget;
}

absl::Status UpdateFrom(const v1::UpdateBudgetRequest& request, ledger::Budget& budget) {
  if (request.update_mask().paths().empty()) {
    return usage::FieldError("update_mask",
                             absl::StrCat("is empty; name what to change: ", kUpdatable));
  }
  for (const auto& path : request.update_mask().paths()) {
    RETURN_IF_ERROR(UpdateField(request.budget(), path, budget));
  }
  return usage::Within("budget", ledger::ValidateBudget(budget));
}

v1::Budget ToProto(const ledger::Budget& b) {
  v1::Budget budget;
  budget.set_name(absl::StrCat("budgets/", b.id));
  budget.set_display_name(b.display_name);
  for (const auto& filter : b.selector) {
    auto* out = budget.add_selector();
    out->set_dimension(filter.dimension);
    out->mutable_values()->Assign(filter.values.begin(), filter.values.end());
    out->set_exclude(filter.exclude);
  }
  budget.mutable_group_by()->Assign(b.group_by.begin(), b.group_by.end());
  budget.set_require_group(b.require_group);
  if (b.unit == ledger::Unit::kCost) budget.set_limit_nanousd(b.limit);
  if (b.unit == ledger::Unit::kTokens) budget.set_limit_tokens(b.limit);
  if (b.unit == ledger::Unit::kCalls) budget.set_limit_calls(b.limit);
  budget.mutable_window()->set_kind(static_cast<v1::Window::Kind>(b.window.kind));
  budget.mutable_window()->set_time_zone(b.window.time_zone);
  budget.set_mode(static_cast<v1::EnforcementMode>(b.mode));
  for (const auto& entry : b.overrides) {
    auto* out = budget.add_overrides();
    out->mutable_group()->insert(entry.group.begin(), entry.group.end());
    out->set_limit(entry.limit);
    if (entry.start_time) *out->mutable_start_time() = ToProto(*entry.start_time);
    if (entry.expire_time != absl::InfiniteFuture()) {
      *out->mutable_expire_time() = ToProto(entry.expire_time);
    }
    out->set_reason(entry.reason);
  }
  budget.mutable_threshold_percents()->Assign(b.threshold_percents.begin(),
                                              b.threshold_percents.end());
  budget.set_state(b.frozen ? v1::Budget::STATE_FROZEN : v1::Budget::STATE_ACTIVE);
  if (b.expire_time != absl::InfiniteFuture()) {
    *budget.mutable_expire_time() = ToProto(b.expire_time);
  }
  budget.set_etag(b.etag);
  *budget.mutable_create_time() = ToProto(b.create_time);
  *budget.mutable_update_time() = ToProto(b.update_time);
  return budget;
}

}  // namespace bursar::rpc
