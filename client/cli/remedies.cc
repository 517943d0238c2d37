#include "cli/remedies.h"

#include <bursar/money.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/call_filters.h"
#include "cli/period.h"
#include "cli/render.h"

namespace bursar::cli {
namespace {

using Texts = std::vector<std::string>;

constexpr char kAskAgain[] = "; ask again, under the same request id if you like";

Unit UnitOf(const v1::BudgetStatus& status) {
  return status.unit() == v1::UNIT_UNSPECIFIED ? Unit::kCost : static_cast<Unit>(status.unit());
}

std::string Amount(const v1::BudgetStatus& status, int64_t amount) {
  return FormatAmount(UnitOf(status), amount);
}

bool SameCounter(const v1::BudgetStatus& a, const v1::BudgetStatus& b) {
  return a.budget() == b.budget() && std::map(a.group().begin(), a.group().end()) ==
                                         std::map(b.group().begin(), b.group().end());
}

// In one word for the shell.
std::string Quoted(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789-_.,:/=@%+") == std::string::npos;
  return plain ? text : "'" + absl::StrReplaceAll(text, {{"'", "'\\''"}}) + "'";
}

// "user-day for user=carol"
std::string NameOf(const v1::BudgetStatus& status) {
  const std::string group = FormatGroup({status.group().begin(), status.group().end()});
  return BudgetId(status.budget()) + (group.empty() ? "" : " for " + group);
}

// The least limit under which the call fits.
int64_t Needed(const v1::BudgetStatus& status, int64_t amount) {
  int64_t needed = 0;
  const bool overflows = __builtin_add_overflow(status.spent(), status.reserved(), &needed) ||
                         __builtin_add_overflow(needed, amount, &needed);
  return overflows ? INT64_MAX : needed;
}

std::string RaiseLine(const v1::BudgetStatus& status, int64_t to) {
  std::string line = "bursar budgets raise " + BudgetId(status.budget());
  const std::map<std::string, std::string> group(status.group().begin(), status.group().end());
  for (const auto& [dimension, value] : group) {
    line += " --group " + Quoted(dimension + "=" + value);
  }
  const bool cost = UnitOf(status) == Unit::kCost;
  line += " --to " + (cost ? FormatUsd(to).substr(1) : std::to_string(to));
  return line + " --for 4h --reason WHY";
}

// The flags of `bursar holds` that find those of this counter.
std::string HoldsLine(const v1::BudgetStatus& status) {
  std::string line = "bursar holds --budget " + BudgetId(status.budget());
  const std::map<std::string, std::string> group(status.group().begin(), status.group().end());
  for (const auto& [dimension, value] : group) {
    if (dimension == "event_type") continue;  // which has no flag there
    const bool label = dimension.rfind("label:", 0) == 0;
    line += label ? " --label " + Quoted(dimension.substr(6) + "=" + value)
                  : " --" + absl::StrReplaceAll(dimension, {{"_", "-"}}) + " " + Quoted(value);
  }
  return line;
}

void RemediesOfLimit(const DeniedCheck& check, const v1::BudgetStatus& status, Texts* out) {
  const int64_t amount = check.denial.amount();
  out->push_back("raise the limit of " + NameOf(status) + " from " +
                 Amount(status, status.limit()) + " to at least " +
                 Amount(status, Needed(status, amount)) + ": " +
                 RaiseLine(status, Needed(status, amount)));
  if (status.reserved() > 0 && Needed(status, amount) - status.reserved() <= status.limit()) {
    const bool known = check.first_hold_expires && SameCounter(status, Standing(check));
    out->push_back(
        "wait until calls under way are settled: they hold " + Amount(status, status.reserved()) +
        " of " + NameOf(status) +
        (known ? ", and the first hold expires at " + FormatSecond(*check.first_hold_expires)
               : "") +
        ": " + HoldsLine(status));
  }
  if (amount > status.limit()) {
    out->push_back("waiting does not help: the call alone needs " + Amount(status, amount) +
                   ", more than the whole limit");
  } else if (status.has_window_end_time()) {
    out->push_back("wait until the window of " + NameOf(status) + " ends at " +
                   FormatSecond(TimeOf(status.window_end_time())));
  }
  if (status.remaining() > 0) {
    out->push_back("ask for less: " + Amount(status, status.remaining()) + " is left of " +
                   NameOf(status));
  }
}

bool Blocks(const v1::BudgetStatus& status, const DeniedCheck& check) {
  const bool hard = status.mode() == v1::ENFORCEMENT_MODE_HARD ||
                    status.mode() == v1::ENFORCEMENT_MODE_UNSPECIFIED;
  return hard && UnitOf(status) == UnitOf(check.denial.status()) &&
         Needed(status, check.denial.amount()) > status.limit();
}

Texts RemediesOfLimits(const DeniedCheck& check) {
  Texts out;
  for (const v1::BudgetStatus& status : check.now) {
    if (Blocks(status, check)) RemediesOfLimit(check, status, &out);
  }
  if (!out.empty()) return out;
  const v1::BudgetStatus& status = Standing(check);
  const bool applies = &status != &check.denial.status();
  return {applies ? "it fits by now: " + Amount(status, status.remaining()) + " is left of " +
                        NameOf(status) + kAskAgain
                  : NameOf(status) + " no longer applies to this call" + kAskAgain};
}

}  // namespace

const v1::BudgetStatus& Standing(const DeniedCheck& check) {
  for (const v1::BudgetStatus& status : check.now) {
    if (SameCounter(status, check.denial.status())) return status;
  }
  return check.denial.status();
}

std::vector<std::string> RemediesFor(const DeniedCheck& check) {
  const std::string& reason = check.denial.reason();
  if (reason == "BUDGET_EXHAUSTED" || reason == "BUDGET_HELD") return RemediesOfLimits(check);
  if (reason == "BUDGET_FROZEN") {
    const std::string id = BudgetId(check.denial.status().budget());
    if (!check.frozen) return {id + " is no longer frozen" + kAskAgain};
    return {"unfreeze " + id +
            ", when what it was stopped for is mended: bursar budgets unfreeze " + id};
  }
  if (reason == "PRICE_UNKNOWN") {
    return {"correct the model's name, if it is not really " + ModelText(check.denial.model()),
            "add a price for " + ModelText(check.denial.model()) + " to the price book",
            "give the check a cost of its own: cost_nanousd, or --cost of `bursar check`"};
  }
  if (reason == "TOKENS_UNKNOWN") {
    return {
        "give the check its tokens, since a budget that counts tokens applies: tokens and "
        "max_output_tokens, or --input-tokens and --max-output-tokens of `bursar check`"};
  }
  if (reason == "SUBJECT_INCOMPLETE") {
    return {
        "give the check a value for what is missing: a budget that applies is kept apart by it "
        "and requires it"};
  }
  return {"ask with a new request id"};
}

}  // namespace bursar::cli
