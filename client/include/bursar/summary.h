#pragma once

#include <bursar/requests.h>

#include <string>
#include <vector>

namespace bursar {

// What the line after a call can say.
enum class SummaryField {
  kModel,       // "openai/gpt-4o"
  kTokens,      // "4,808 in, 10 out"
  kCost,        // "$0.01212", with "(estimated)" or "(unpriced)" where it is not the priced usage
  kLatency,     // "850 ms"; nothing where none was given
  kOutcome,     // "FAILED"; nothing where it succeeded
  kGuardrails,  // "1 guardrail hit"; nothing where there was none
  kBudgetLeft,  // of the fullest budget: "$0.31 of $0.50 left in run-cap"; nothing without budgets
};

// All of them, in the order above.
const std::vector<SummaryField>& AllSummaryFields();

// One line about one call, for people, without a line break:
//
//     openai/gpt-4o | 4,808 in, 10 out | $0.01212 | 850 ms | $0.31 of $0.50 left in run-cap
std::string FormatSummary(const RecordResponse& response,
                          const std::vector<SummaryField>& fields = AllSummaryFields());

}  // namespace bursar
