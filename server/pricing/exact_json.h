#pragma once

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace bursar::pricing {

// Reads a JSON document so that no price passes through a double: a number with a point or an
// exponent, or beyond 64 bits, becomes the text as which it was written. INVALID_ARGUMENT: it is no
// JSON, with the place of the mistake, or nested more than 64 deep.
absl::StatusOr<nlohmann::json> ParseExactJson(absl::string_view text);

}  // namespace bursar::pricing
