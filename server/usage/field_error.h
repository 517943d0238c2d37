#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace bursar::usage {

// INVALID_ARGUMENT about one field of a request. `field` is its path there
// ("tokens.cache_read_tokens"), `description` says which value it has and what would be right.
absl::Status FieldError(absl::string_view field, absl::string_view description);

// The field that a status of FieldError speaks of.
std::optional<std::string> FieldOf(const absl::Status& status);

// At most so many bytes of a text, cut between two characters: for showing a value in an error.
absl::string_view Shortened(absl::string_view text, size_t bytes_max);

// The same error, one message further out: "records[3]" + "tokens.x" gives "records[3].tokens.x".
absl::Status Within(absl::string_view outer, const absl::Status& status);

// Attaches a stable, machine-readable reason ("BUDGET_NOT_FOUND"), which becomes ErrorInfo.reason.
absl::Status WithReason(absl::Status status, absl::string_view reason);
std::optional<std::string> ReasonOf(const absl::Status& status);

}  // namespace bursar::usage
