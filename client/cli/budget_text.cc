#include "cli/budget_text.h"

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "cli/render.h"
#include "src/convert_types.h"

namespace bursar::cli {
namespace {

// "month" of KIND_MONTH, "hard" of ENFORCEMENT_MODE_HARD.
std::string EnumText(const std::string& name, std::string_view prefix) {
  return Lower(name.substr(name.rfind(prefix, 0) == 0 ? prefix.size() : 0));
}

std::string ModeText(v1::EnforcementMode mode) {
  if (mode == v1::ENFORCEMENT_MODE_UNSPECIFIED) return "hard";
  return EnumText(v1::EnforcementMode_Name(mode), "ENFORCEMENT_MODE_");
}

std::string StateText(v1::Budget::State state) {
  return state == v1::Budget::STATE_FROZEN ? "frozen" : "active";
}

std::string WindowText(const v1::Window& window) {
  const std::string kind = EnumText(v1::Window::Kind_Name(window.kind()), "KIND_");
  return window.time_zone().empty() ? kind : kind + " (" + window.time_zone() + ")";
}

std::string SelectorText(const v1::Budget& budget) {
  return absl::StrJoin(budget.selector(), " ", [](std::string* out, const v1::Filter& filter) {
    out->append(filter.dimension() + (filter.exclude() ? "!=" : "=") +
                absl::StrJoin(filter.values(), ","));
  });
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  return FormatMinute(absl::FromChrono(internal::FromProto(time)), absl::UTCTimeZone());
}

}  // namespace

std::string LimitText(const v1::Budget& budget) {
  switch (budget.limit_case()) {
    case v1::Budget::kLimitTokens:
      return FormatAmount(Unit::kTokens, budget.limit_tokens());
    case v1::Budget::kLimitCalls:
      return FormatAmount(Unit::kCalls, budget.limit_calls());
    default:
      return FormatAmount(Unit::kCost, budget.limit_nanousd());
  }
}

Table BudgetTable(const std::vector<v1::Budget>& budgets) {
  Table table({{"ID"},
               {"LIMIT", Align::kPoint},
               {"WINDOW"},
               {"GROUP BY"},
               {"SELECTOR"},
               {"MODE"},
               {"STATE"},
               {"EXPIRES"}});
  for (const v1::Budget& budget : budgets) {
    const bool frozen = budget.state() == v1::Budget::STATE_FROZEN;
    table.AddRow(
        {BudgetId(budget.name()), LimitText(budget), WindowText(budget.window()),
         absl::StrJoin(budget.group_by(), ","), SelectorText(budget), ModeText(budget.mode()),
         StateText(budget.state()), budget.has_expire_time() ? TimeText(budget.expire_time()) : ""},
        frozen ? Emphasis::kWarning : Emphasis::kNone);
  }
  return table;
}

std::vector<std::pair<std::string, std::string>> BudgetPairs(const v1::Budget& budget) {
  const std::string thresholds = absl::StrJoin(budget.threshold_percents(), ", ");
  return {
      {"budget", BudgetId(budget.name())},
      {"display name", budget.display_name()},
      {"limit", LimitText(budget)},
      {"window", WindowText(budget.window())},
      {"group by", absl::StrJoin(budget.group_by(), ", ")},
      {"require group", budget.require_group() ? "yes" : ""},
      {"selector", SelectorText(budget)},
      {"mode", ModeText(budget.mode())},
      {"state", StateText(budget.state())},
      {"thresholds", thresholds.empty() ? "" : thresholds + " %"},
      {"overrides", budget.overrides().empty() ? "" : std::to_string(budget.overrides().size())},
      {"expires", budget.has_expire_time() ? TimeText(budget.expire_time()) : ""},
      {"created", budget.has_create_time() ? TimeText(budget.create_time()) : ""},
      {"updated", budget.has_update_time() ? TimeText(budget.update_time()) : ""},
      {"etag", budget.etag()}};
}

}  // namespace bursar::cli
