#include "absl/strings/str_cat.h"
#include "ledger/bookkeeper.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"

// AdjustUsage: what a record says is corrected by another record, which says the difference.
namespace bursar::ledger {
namespace {

absl::Status NoSuchUsage(absl::string_view usage_id) {
  return usage::WithReason(
      absl::NotFoundError(absl::StrCat("usage_id \"", usage_id,
                                       "\" is not known; it is the usage_id of a record that is "
                                       "not older than the ledger's horizon")),
      "USAGE_NOT_FOUND");
}

absl::Status NoPrice(const StoredRecord& standing) {
  const usage::UsageRecord& used = standing.record.usage;
  return usage::WithReason(absl::FailedPreconditionError(absl::StrCat(
                               "tokens: no price is known for those of usage_id \"", used.usage_id,
                               "\", whose model is \"", used.model.provider, "/", used.model.name,
                               "\"; give cost_nanousd instead")),
                           "PRICE_UNKNOWN");
}

}  // namespace

StoredRecord* Bookkeeper::FindStanding(const Id& record) {
  if (auto read = state_.standings.find(record); read != state_.standings.end()) {
    return &read->second;
  }
  // This very batch recorded it, or it is known only as far as a repeat must be: without its id.
  const auto recorded = state_.records.find(record);
  if (recorded == state_.records.end() || recorded->second.record.usage.usage_id.empty()) {
    return nullptr;
  }
  return &state_.standings.emplace(record, recorded->second).first->second;
}

// The record that says how far the truth is from what was said before, but for its charges. It has
// the dimensions of the record that it corrects, so that every sum by them becomes right, but
// nothing that is counted: that is of the call, which was one.
absl::StatusOr<StoredRecord> Bookkeeper::DifferenceOf(const Adjust& adjust,
                                                      const StoredRecord& standing) const {
  const usage::UsageRecord& of = standing.record.usage;
  StoredRecord difference{.charge_time = standing.charge_time,
                          .calls = 0,
                          .adjusts = adjust.target,
                          .adjust_reason = adjust.reason};
  difference.record.key = adjust.key;
  difference.record.fingerprint = adjust.fingerprint;
  usage::UsageRecord& used = difference.record.usage;
  used.usage_id = absl::StrCat(usage::kAdjustmentIdPrefix, adjust.adjustment_id);
  used.reservation_id = of.reservation_id;
  used.subject = of.subject;
  used.model = of.model;
  used.event_type = of.event_type;
  used.step = of.step;
  used.outcome = of.outcome;
  used.error = of.error;
  used.guardrail_hits = of.guardrail_hits;
  RecordAnswer& answer = difference.answer;
  answer.cost_basis = usage::CostBasis::kAdjusted;
  // What was priced stays with its prices; what was not gets those that there are now.
  const bool reprice = adjust.reprices();
  const pricing::PriceBook& book = reprice || standing.unpriced > 0
                                       ? *state_.prices->newest
                                       : PricesOf(standing.answer.price_version);
  answer.price_version = book.version();
  int64_t cost_nanousd = adjust.cost_nanousd.value_or(0);
  if (adjust.tokens || reprice) {
    const usage::TokenUsage tokens = adjust.tokens.value_or(standing.answer.tokens);
    auto cost = book.CostOf(of.model, tokens, standing.charge_time);
    if (!cost) return NoPrice(standing);
    cost_nanousd = cost->nanousd;
    difference.priced_as = cost->priced_as;
    answer.tokens = tokens;
    answer.tokens -= standing.answer.tokens;
    // Savings go by the prices that the record was priced by first.
    if (!reprice || standing.unpriced > 0) {
      difference.cache_savings_nanousd =
          book.CacheSavingsOf(of.model, tokens, standing.charge_time);
    }
    if (!reprice && standing.answer.cost_basis == usage::CostBasis::kPriced) {
      difference.cache_savings_nanousd -=
          book.CacheSavingsOf(of.model, standing.answer.tokens, standing.charge_time);
    }
  }
  difference.unpriced = -standing.unpriced;
  answer.cost_nanousd = cost_nanousd - standing.answer.cost_nanousd;
  return difference;
}

// Makes each counter that the record charged say the truth. Its amounts are looked at one by one:
// where nobody had counted tokens, the record charged those of its hold and says none.
absl::Status Bookkeeper::ChargeDifference(const Adjust& adjust, StoredRecord& standing,
                                          StoredRecord& difference) {
  const int64_t cost_nanousd = standing.answer.cost_nanousd + difference.answer.cost_nanousd;
  std::vector<Counter*> counters;
  for (const Charge& charge : standing.charges) {
    Counter* counter = FindPinned(charge.counter);
    if (counter == nullptr) return absl::OkStatus();  // the batch starts over
    int64_t truth = charge.amount;  // of calls, and of tokens if they are not said
    if (charge.unit == Unit::kCost) truth = cost_nanousd;
    if (charge.unit == Unit::kTokens && adjust.tokens) truth = adjust.tokens->AllTokens();
    RETURN_IF_ERROR(CheckRoom(*counter, truth - charge.amount, 0));
    difference.charges.push_back(Charge{charge.counter, charge.unit, truth - charge.amount});
    counters.push_back(counter);
  }
  for (size_t i = 0; i < counters.size(); ++i) {
    const int64_t amount = difference.charges[i].amount;
    if (amount == 0) continue;
    counters[i]->spent += amount;
    standing.charges[i].amount += amount;
    Touch(*counters[i], CauseOf(standing));
  }
  standing.answer.cost_nanousd = cost_nanousd;
  standing.answer.tokens += difference.answer.tokens;
  if (standing.unpriced > 0) standing.answer.price_version = difference.answer.price_version;
  standing.unpriced = 0;
  return absl::OkStatus();
}

std::vector<BudgetStatus> Bookkeeper::StatusesOf(const std::vector<Charge>& charges) {
  std::vector<BudgetStatus> statuses;
  for (const Charge& charge : charges) AddStatusOf(charge.counter, statuses);
  return statuses;
}

absl::StatusOr<Answer> Bookkeeper::Run(const Adjust& adjust) {
  StoredRecord* standing = FindStanding(adjust.target);
  if (auto known = state_.records.find(adjust.key); known != state_.records.end()) {
    if (known->second.record.fingerprint != adjust.fingerprint) {
      return absl::AlreadyExistsError(
          absl::StrCat("adjustment_id \"", adjust.adjustment_id,
                       "\" was used before with another payload; use a new id for another "
                       "adjustment"));
    }
    AdjustAnswer first{.delta_nanousd = known->second.answer.cost_nanousd};
    if (standing != nullptr) first.budgets = StatusesOf(standing->charges);
    return first;
  }
  if (standing == nullptr) return NoSuchUsage(adjust.usage_id);
  ASSIGN_OR_RETURN(StoredRecord difference, DifferenceOf(adjust, *standing));
  if (adjust.reprices() && difference.answer.cost_nanousd == 0 && difference.unpriced == 0) {
    return AdjustAnswer{.budgets = StatusesOf(standing->charges)};
  }
  RETURN_IF_ERROR(ChargeDifference(adjust, *standing, difference));
  AdjustAnswer answer{.delta_nanousd = difference.answer.cost_nanousd,
                      .budgets = StatusesOf(standing->charges)};
  AddRecord(std::move(difference));
  return answer;
}

}  // namespace bursar::ledger
