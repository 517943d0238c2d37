#include <bursar/money.h>
#include <bursar/summary.h>

#include "src/text.h"

namespace bursar {
namespace {

using internal::FormatCount;

int64_t InputTokens(const TokenUsage& t) {
  return t.uncached_input_tokens + t.cache_read_tokens + t.cache_write_5m_tokens +
         t.cache_write_1h_tokens + t.input_audio_tokens + t.input_image_tokens;
}

int64_t OutputTokens(const TokenUsage& t) {
  return t.visible_output_tokens + t.reasoning_tokens + t.output_audio_tokens +
         t.output_image_tokens;
}

std::string CostText(const RecordResponse& response) {
  const std::string usd = FormatUsd(response.cost_nanousd);
  switch (response.cost_basis) {
    case CostBasis::kEstimated:
      return usd + " (estimated)";
    case CostBasis::kUnpriced:
      return usd + " (unpriced)";
    default:
      return usd;
  }
}

std::string OutcomeText(Outcome outcome) {
  switch (outcome) {
    case Outcome::kFailed:
      return "FAILED";
    case Outcome::kCancelled:
      return "CANCELLED";
    case Outcome::kNotExecuted:
      return "NOT EXECUTED";
    case Outcome::kUnknown:
      return "UNKNOWN";
    default:
      return {};
  }
}

std::string Amount(const BudgetStatus& budget, int64_t amount) {
  if (budget.unit == Unit::kTokens) return FormatCount(amount) + " tokens";
  if (budget.unit == Unit::kCalls) return FormatCount(amount) + " calls";
  return FormatUsd(amount);
}

std::string BudgetText(const std::vector<BudgetStatus>& budgets) {
  const BudgetStatus* fullest = nullptr;
  for (const BudgetStatus& budget : budgets) {
    if (fullest == nullptr || budget.used_fraction > fullest->used_fraction) fullest = &budget;
  }
  if (fullest == nullptr) return {};
  const size_t slash = fullest->budget.find('/');
  const std::string id =
      slash == std::string::npos ? fullest->budget : fullest->budget.substr(slash + 1);
  return Amount(*fullest, fullest->remaining) + " of " + Amount(*fullest, fullest->limit) +
         " left in " + id;
}

std::string FieldText(const RecordResponse& response, SummaryField field) {
  switch (field) {
    case SummaryField::kModel:
      return response.model.provider.empty() ? response.model.name
                                             : response.model.provider + "/" + response.model.name;
    case SummaryField::kTokens:
      return FormatCount(InputTokens(response.tokens)) + " in, " +
             FormatCount(OutputTokens(response.tokens)) + " out";
    case SummaryField::kCost:
      return CostText(response);
    case SummaryField::kLatency:
      return response.latency ? internal::FormatDuration(*response.latency) : "";
    case SummaryField::kOutcome:
      return OutcomeText(response.outcome);
    case SummaryField::kGuardrails: {
      const size_t hits = response.guardrail_hits.size();
      if (hits == 0) return {};
      return std::to_string(hits) + (hits == 1 ? " guardrail hit" : " guardrail hits");
    }
    case SummaryField::kBudgetLeft:
      return BudgetText(response.budgets);
  }
  return {};
}

}  // namespace

const std::vector<SummaryField>& AllSummaryFields() {
  static const std::vector<SummaryField> kAll = {
      SummaryField::kModel,     SummaryField::kTokens,  SummaryField::kCost,
      SummaryField::kLatency,   SummaryField::kOutcome, SummaryField::kGuardrails,
      SummaryField::kBudgetLeft};
  return kAll;
}

std::string FormatSummary(const RecordResponse& response, const std::vector<SummaryField>& fields) {
  std::string line;
  for (const SummaryField field : fields) {
    const std::string text = FieldText(response, field);
    if (text.empty()) continue;
    if (!line.empty()) line += " | ";
    line += text;
  }
  return line;
}

}  // namespace bursar
