#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "usage/record.h"

// Checks what callers send against limits.h. Each error is a FieldError: it names the field, the
// value (never a long or secret one) and what would be right. Nothing is changed or trimmed.
namespace bursar::usage {

// `min..max` bytes of UTF-8 without control characters.
absl::Status ValidateText(absl::string_view field, absl::string_view value, size_t bytes_min,
                          size_t bytes_max);
absl::Status ValidateId(absl::string_view field, absl::string_view value);  // 1..128 bytes
// The same for the id of a caller's own record, which may not begin as those of the ledger do.
absl::Status ValidateUsageId(absl::string_view usage_id);
absl::Status ValidateSubject(const Subject& subject);
absl::Status ValidateModel(const Model& model);
absl::Status ValidateTokens(const TokenUsage& tokens);
absl::Status ValidateCost(absl::string_view field, int64_t cost_nanousd);
absl::Status ValidateEventType(absl::string_view event_type);
absl::Status ValidateRecord(const UsageRecord& record);

}  // namespace bursar::usage
