#include "ledger/explain.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pricing/money.h"

namespace bursar::ledger {
namespace {

std::string NameOf(const BudgetStatus& status) {
  std::string name = absl::StrCat("budget \"", status.budget_id, "\"");
  if (!status.group.empty()) {
    absl::StrAppend(&name, " for ", absl::StrJoin(status.group, ", ", absl::PairFormatter(" ")));
  }
  return name;
}

std::string WindowText(const BudgetStatus& status) {
  if (status.window_end == absl::InfiniteFuture()) return "; it never resets";
  return absl::StrCat(
      "; its window ends at ",
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", status.window_end, absl::UTCTimeZone()));
}

}  // namespace

std::string FormatAmount(Unit unit, int64_t amount) {
  switch (unit) {
    case Unit::kCost:
      return absl::StrCat("$", pricing::FormatUsd(amount));
    case Unit::kTokens:
      return absl::StrCat(amount, " tokens");
    case Unit::kCalls:
      return absl::StrCat(amount, amount == 1 ? " call" : " calls");
  }
  return absl::StrCat(amount);
}

std::string ExplainDenial(absl::string_view reason, const BudgetStatus& status, int64_t amount) {
  const std::string name = NameOf(status);
  if (reason == "BUDGET_FROZEN") {
    return absl::StrCat("The ", name,
                        " is frozen: every check is denied until somebody unfreezes it.");
  }
  auto text = [&](int64_t value) { return FormatAmount(status.unit, value); };
  const std::string figures = absl::StrCat(
      "it has ", text(status.spent), " spent and ", text(status.reserved), " held of its limit of ",
      text(status.limit), ", and this call needs ", text(amount));
  if (reason == "BUDGET_HELD") {
    return absl::StrCat("The ", name, " has no room until a hold ends: ", figures,
                        WindowText(status), ".");
  }
  return absl::StrCat("The ", name, " is exhausted: ", figures, WindowText(status), ".");
}

std::string ExplainThreshold(const BudgetStatus& status, int32_t percent) {
  auto text = [&](int64_t value) { return FormatAmount(status.unit, value); };
  return absl::StrCat("The ", NameOf(status), " has reached ", percent, " % of its limit of ",
                      text(status.limit), ": ", text(status.spent), " spent and ",
                      text(status.reserved), " held", WindowText(status), ".");
}

}  // namespace bursar::ledger
