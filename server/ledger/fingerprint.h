#pragma once

#include "ledger/operation.h"

namespace bursar::ledger {

// What makes two requests with the same id the same request: a hash over a versioned list of the
// fields as the caller gave them. Another list is another version; stored fingerprints keep theirs.
//
// CheckBudget, version 1: subject, model, tokens, cost_nanousd, max_output_tokens, event_type, ttl.
// RecordUsage, version 1: every field that is kept, but for usage_id.
// AdjustUsage, version 1: every field, but for adjustment_id.
Id FingerprintOf(const Check& check);
Id FingerprintOf(const usage::UsageRecord& record);
Id FingerprintOf(const Adjust& adjust);

}  // namespace bursar::ledger
