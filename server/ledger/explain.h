#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "ledger/operation.h"

namespace bursar::ledger {

// "$1.25", "1200 tokens", "3 calls".
std::string FormatAmount(Unit unit, int64_t amount);

// The sentence of a denial for a person: which budget and group, what it has spent and held of
// which limit, what the call needs, and until when that holds.
std::string ExplainDenial(absl::string_view reason, const BudgetStatus& status, int64_t amount);

// The sentence of a crossed threshold, likewise.
std::string ExplainThreshold(const BudgetStatus& status, int32_t percent);

}  // namespace bursar::ledger
