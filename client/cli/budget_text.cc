#include "cli/budget_text.h"

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "cli/render.h"

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
  return FormatMinute(TimeOf(time), absl::UTCTimeZone());
}

std::string ThresholdText(const v1::Budget& budget) {
  const std::string percents = absl::StrJoin(budget.threshold_percents(), ", ");
  return percents.empty() ? "" : percents + " %";
}

std::string ExactTimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", TimeOf(time), absl::UTCTimeZone());
}

// "$20.00 for user=carol until 2026-11-22T18:00:00Z"
std::string OverrideText(Unit unit, const v1::LimitOverride& entry) {
  std::string text = FormatAmount(unit, entry.limit());
  const std::string group = FormatGroup({entry.group().begin(), entry.group().end()});
  if (!group.empty()) text += " for " + group;
  if (entry.has_start_time()) text += " from " + ExactTimeText(entry.start_time());
  if (entry.has_expire_time()) text += " until " + ExactTimeText(entry.expire_time());
  return entry.reason().empty() ? text : text + " (" + entry.reason() + ")";
}

std::string OverridesText(const v1::Budget& budget) {
  return absl::StrJoin(budget.overrides(), "; ",
                       [&](std::string* out, const v1::LimitOverride& entry) {
                         out->append(OverrideText(UnitOf(budget), entry));
                       });
}

}  // namespace

Unit UnitOf(const v1::Budget& budget) {
  if (budget.has_limit_tokens()) return Unit::kTokens;
  return budget.has_limit_calls() ? Unit::kCalls : Unit::kCost;
}

int64_t LimitOf(const v1::Budget& budget) {
  // At most one of them is set; the others are 0.
  return budget.limit_nanousd() + budget.limit_tokens() + budget.limit_calls();
}

std::string LimitText(const v1::Budget& budget) {
  return FormatAmount(UnitOf(budget), LimitOf(budget));
}

std::string FieldText(const v1::Budget& budget, const std::string& field) {
  std::string text;
  if (field == "display_name" && !budget.display_name().empty()) {
    text = "\"" + budget.display_name() + "\"";
  }
  if (field == "selector") text = SelectorText(budget);
  if (field == "group_by") text = absl::StrJoin(budget.group_by(), ", ");
  if (field == "require_group") text = budget.require_group() ? "yes" : "no";
  if (field == "window") text = WindowText(budget.window());
  if (field == "mode") text = ModeText(budget.mode());
  if (field == "threshold_percents") text = ThresholdText(budget);
  if (field == "expire_time" && budget.has_expire_time())
    text = ExactTimeText(budget.expire_time());
  if (field == "state") text = StateText(budget.state());
  if (field == "overrides") text = OverridesText(budget);
  return text.empty() ? "none" : text;
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
  return {{"budget", BudgetId(budget.name())},
          {"display name", budget.display_name()},
          {"limit", LimitText(budget)},
          {"window", WindowText(budget.window())},
          {"group by", absl::StrJoin(budget.group_by(), ", ")},
          {"require group", budget.require_group() ? "yes" : ""},
          {"selector", SelectorText(budget)},
          {"mode", ModeText(budget.mode())},
          {"state", StateText(budget.state())},
          {"thresholds", ThresholdText(budget)},
          {"overrides", OverridesText(budget)},
          {"expires", budget.has_expire_time() ? TimeText(budget.expire_time()) : ""},
          {"created", budget.has_create_time() ? TimeText(budget.create_time()) : ""},
          {"updated", budget.has_update_time() ? TimeText(budget.update_time()) : ""},
          {"etag", budget.etag()}};
}

}  // namespace bursar::cli
