#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "fail_point.h"
#include "ledger/bookkeeper.h"
#include "ledger/explain.h"
#include "pricing/money.h"

// CheckBudget: may it be spent?
namespace bursar::ledger {
namespace {

using pricing::Int128;
using usage::TokenClass;

// What will be sent, with so many tokens coming back.
usage::TokenUsage WithOutput(usage::TokenUsage tokens, int64_t output_tokens) {
  for (TokenClass output : {TokenClass::kVisibleOutput, TokenClass::kReasoning,
                            TokenClass::kOutputAudio, TokenClass::kOutputImage}) {
    tokens[output] = 0;
  }
  std::erase_if(tokens.other_tokens,
                [](const auto& entry) { return absl::StartsWith(entry.first, "output"); });
  tokens[TokenClass::kVisibleOutput] = output_tokens;
  return tokens;
}

bool Fits(int64_t limit, int64_t spent, int64_t reserved, int64_t amount) {
  return Int128{spent} + reserved + amount <= limit;
}

// How much a denial weighs: the one that only a person can lift says more than one that time lifts.
int Severity(absl::string_view reason) {
  static constexpr absl::string_view kFromLight[] = {
      "BUDGET_HELD", "BUDGET_EXHAUSTED", "TOKENS_UNKNOWN", "PRICE_UNKNOWN", "BUDGET_FROZEN"};
  return static_cast<int>(std::find(std::begin(kFromLight), std::end(kFromLight), reason) -
                          std::begin(kFromLight));
}

std::string ExplainUnknown(absl::string_view reason, const usage::Model& model,
                           absl::string_view budget_id) {
  if (reason == "PRICE_UNKNOWN") {
    return absl::StrCat("No price is known for model \"", model.name, "\" of provider \"",
                        model.provider, "\", so the hard budget \"", budget_id,
                        "\" cannot admit it; give cost_nanousd or add a price.");
  }
  return absl::StrCat("The call says no tokens, so the hard token budget \"", budget_id,
                      "\" cannot admit it; give tokens.");
}

}  // namespace

int64_t Bookkeeper::Estimate::AmountIn(Unit unit) const {
  return ledger::AmountIn(unit, cost_nanousd.value_or(0), tokens.value_or(0), 1);
}

Bookkeeper::Estimate Bookkeeper::EstimateOf(const Check& check) const {
  Estimate estimate;
  if (!check.tokens) {
    estimate.cost_nanousd = check.cost_nanousd;
    estimate.max_output_tokens = check.max_output_tokens.value_or(0);
    return estimate;
  }
  const int64_t input_tokens = WithOutput(*check.tokens, 0).InputTokens();
  const pricing::PriceBook& prices = *state_.prices->newest;
  const auto price = prices.Find(check.model, input_tokens, state_.now);
  int64_t output_tokens = state_.book->default_max_output_tokens;
  if (price && price->max_output_tokens > 0) {
    output_tokens = std::min(output_tokens, price->max_output_tokens);
  }
  estimate.max_output_tokens = check.max_output_tokens.value_or(output_tokens);
  const usage::TokenUsage tokens = WithOutput(*check.tokens, estimate.max_output_tokens);
  estimate.tokens = tokens.AllTokens();
  if (check.cost_nanousd) {
    estimate.cost_nanousd = check.cost_nanousd;
  } else if (auto cost = prices.CostOf(check.model, tokens, state_.now)) {
    estimate.cost_nanousd = cost->nanousd;
    estimate.priced_as = cost->priced_as;
  } else if (BURSAR_PLANTED("unknown_price_is_free")) {
    estimate.cost_nanousd = 0;
  }
  return estimate;
}

std::optional<absl::StatusOr<CheckAnswer>> Bookkeeper::Replay(const Check& check) {
  Reservation* known = FindReservation(check.key);
  if (known == nullptr) return std::nullopt;
  if (known->fingerprint != check.fingerprint) {
    return absl::AlreadyExistsError(
        absl::StrCat("request_id \"", check.request_id,
                     "\" was used before with another payload; use a new id for another call"));
  }
  CheckAnswer answer{.replayed = true, .now = state_.now};
  if (known->state == ReservationState::kActive && known->expire_time <= state_.now) {
    End(*known, ReservationState::kExpired);
  }
  answer.budgets = StatusesOf(known->holds);
  if (known->state != ReservationState::kActive) {
    answer.reason = "RESERVATION_ENDED";
    answer.message = absl::StrCat("The reservation \"", check.request_id,
                                  "\" has ended; use a new request_id for a new call.");
    return answer;
  }
  answer.decision = Decision::kAllow;
  if (check.accept_caps && check.tokens &&
      known->max_output_tokens < EstimateOf(check).max_output_tokens) {
    answer.decision = Decision::kAllowWithCaps;
    answer.cap_max_output_tokens = known->max_output_tokens;
  }
  answer.reservation = state_.reservations.at(check.key);
  answer.estimated_nanousd = known->reserved_nanousd;
  answer.priced_as = known->priced_as;
  return answer;
}

std::optional<Bookkeeper::Denial> Bookkeeper::FindDenial(const std::vector<Match>& matches,
                                                         const Estimate& estimate) {
  std::optional<Denial> worst;
  auto note = [&](const Match& match, absl::string_view reason) {
    const Denial denial{&match, std::string(reason), estimate.AmountIn(match.budget->unit)};
    if (!worst || Severity(denial.reason) > Severity(worst->reason)) worst = denial;
  };
  for (const Match& match : matches) {
    const Counter* counter = Find(match);
    if (counter == nullptr) continue;
    const Budget& budget = *match.budget;
    if (&match != &matches.front() && BURSAR_PLANTED("first_budget_decides")) break;
    if (budget.frozen) note(match, "BUDGET_FROZEN");
    if (budget.mode != Mode::kHard) continue;
    if (budget.unit == Unit::kCost && !estimate.cost_nanousd) note(match, "PRICE_UNKNOWN");
    if (budget.unit == Unit::kTokens && !estimate.tokens) note(match, "TOKENS_UNKNOWN");
    const int64_t amount = estimate.AmountIn(budget.unit);
    const int64_t limit = budget.LimitFor(counter->group, state_.now);
    if (Fits(limit, counter->spent, counter->reserved, amount)) continue;
    note(match, Fits(limit, counter->spent, 0, amount) ? "BUDGET_HELD" : "BUDGET_EXHAUSTED");
  }
  return worst;
}

// The largest max_output_tokens below `upper` that every budget admits; 0 if none does.
int64_t Bookkeeper::LargestOutput(const Check& check, const std::vector<Match>& matches,
                                  int64_t upper) {
  int64_t fits = 0, denied = upper;
  while (denied - fits > 1) {
    Check capped = check;
    capped.settle.clear();
    capped.max_output_tokens = fits + (denied - fits) / 2;
    (FindDenial(matches, EstimateOf(capped)) ? denied : fits) = *capped.max_output_tokens;
  }
  return fits;
}

// Where the budgets stand for a call that holds nothing (yet).
std::vector<BudgetStatus> Bookkeeper::Preview(const std::vector<Match>& matches,
                                              const Estimate& estimate) {
  std::vector<BudgetStatus> statuses = StatusesOf(matches);
  for (BudgetStatus& status : statuses) {
    const int64_t amount = estimate.AmountIn(status.unit);
    const bool unknown = (status.unit == Unit::kCost && !estimate.cost_nanousd) ||
                         (status.unit == Unit::kTokens && !estimate.tokens);
    status.would_deny |= !Fits(status.limit, status.spent, status.reserved, amount) ||
                         (unknown && status.mode == Mode::kHard);
  }
  return statuses;
}

void Bookkeeper::Deny(const Denial& denial, CheckAnswer& answer) {
  answer.decision = Decision::kDeny;
  answer.reason = denial.reason;
  const Counter* counter = Find(*denial.match);
  if (counter == nullptr) return;
  const BudgetStatus status = StatusOf(*denial.match->budget, *counter);
  answer.binding_budget = status.budget_id;
  answer.message = ExplainDenial(denial.reason, status, denial.amount);
  answer.denied_by = counter->id;
  answer.denied_amount = denial.amount;
  const bool may_fit_later =
      denial.amount <= status.limit && status.window_end != absl::InfiniteFuture();
  if (denial.reason == "BUDGET_EXHAUSTED" && may_fit_later) {
    answer.retry_after = status.window_end - state_.now;
  }
}

void Bookkeeper::Reserve(const Check& check, const Estimate& estimate,
                         const std::vector<Match>& matches, CheckAnswer& answer) {
  auto made = std::make_shared<Reservation>(
      Reservation{.key = check.key,
                  .request_id = check.request_id,
                  .subject = check.subject,
                  .model = check.model,
                  .event_type = check.event_type,
                  .reserved_nanousd = estimate.cost_nanousd.value_or(0),
                  .reserved_tokens = estimate.tokens.value_or(0),
                  .max_output_tokens = estimate.max_output_tokens,
                  .price_version = state_.prices->newest->version(),
                  .priced_as = estimate.priced_as,
                  .create_time = state_.now,
                  .expire_time = state_.now + check.ttl,
                  .fingerprint = check.fingerprint});
  Reservation& reservation = *made;
  reservation.holds.reserve(matches.size());
  for (const Match& match : matches) {
    Counter* counter = Find(match);
    const int64_t amount = estimate.AmountIn(match.budget->unit);
    counter->reserved += amount;
    Touch(*counter, CauseOf(check));
    reservation.holds.push_back(Hold{match.counter, match.budget->unit, amount});
  }
  std::sort(reservation.holds.begin(), reservation.holds.end(),
            [](const Hold& a, const Hold& b) { return a.counter < b.counter; });
  answer.reservation = made;
  state_.reservations.emplace(check.key, std::move(made));
  applied_.changes.inserted_reservations.insert(check.key);
}

absl::StatusOr<Answer> Bookkeeper::Run(const Check& check) {
  std::vector<absl::StatusOr<RecordAnswer>> settled;
  for (const Record& record : check.settle) settled.push_back(Keep(record));
  CheckAnswer answer{.now = state_.now};
  if (!check.dry_run) {
    if (auto replay = Replay(check)) {
      if (!replay->ok()) return replay->status();
      answer = **std::move(replay);
      answer.settled = std::move(settled);
      return answer;
    }
  }
  answer.settled = std::move(settled);
  const Matches matches = MatchNow(check.subject, check.model, check.event_type);
  Estimate estimate = EstimateOf(check);
  answer.estimated_nanousd = estimate.cost_nanousd.value_or(0);
  answer.priced_as = estimate.priced_as;
  if (matches.incomplete != nullptr) {
    answer.reason = "SUBJECT_INCOMPLETE";
    answer.binding_budget = matches.incomplete->id;
    answer.budgets = Preview(matches.counted, estimate);
    answer.message = absl::StrCat("The budget \"", matches.incomplete->id, "\" needs a value for ",
                                  matches.missing_dimension, "; the call gives none.");
    return answer;
  }
  auto denial = FindDenial(matches.counted, estimate);
  answer.decision = Decision::kAllow;
  if (denial && check.accept_caps && check.tokens && !check.cost_nanousd &&
      Severity(denial->reason) <= Severity("BUDGET_EXHAUSTED")) {
    Check capped = check;
    capped.max_output_tokens = LargestOutput(check, matches.counted, estimate.max_output_tokens);
    if (*capped.max_output_tokens > 0) {
      estimate = EstimateOf(capped);
      denial.reset();
      answer.decision = Decision::kAllowWithCaps;
      answer.cap_max_output_tokens = capped.max_output_tokens;
      answer.estimated_nanousd = estimate.cost_nanousd.value_or(0);
    }
  }
  if (denial) {
    answer.budgets = Preview(matches.counted, estimate);
    Deny(*denial, answer);
    if (denial->reason == "PRICE_UNKNOWN" || denial->reason == "TOKENS_UNKNOWN") {
      answer.message = ExplainUnknown(denial->reason, check.model, answer.binding_budget);
    }
    return answer;
  }
  for (const Match& match : matches.counted) {
    const Counter* counter = Find(match);
    if (counter == nullptr) return answer;  // the batch starts over
    const auto room = CheckRoom(*counter, 0, estimate.AmountIn(match.budget->unit));
    if (!room.ok()) return room;
  }
  if (!check.dry_run) Reserve(check, estimate, matches.counted, answer);
  answer.budgets = check.dry_run ? Preview(matches.counted, estimate) : StatusesOf(matches.counted);
  const BudgetStatus* binding = nullptr;
  for (const BudgetStatus& status : answer.budgets) {
    if (!binding || status.used_fraction() > binding->used_fraction()) binding = &status;
  }
  if (binding != nullptr) answer.binding_budget = binding->budget_id;
  return answer;
}

}  // namespace bursar::ledger
