#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pricing/price.h"

// The parts of a genai-prices feed that are no prices. Errors are FieldErrors with the path within
// what is read.
namespace bursar::pricing {

// {"equals": "gpt-4o"}, and with starts_with, ends_with, contains, regex; {"or": [...]}, {"and":
// [...]}. The result is any of its rows, each of them all of its patterns.
absl::StatusOr<usage::NameRule> ReadGenaiMatch(const nlohmann::json& match);

// One element of a provider's "extractors". Mappings to quantities that are not known are left out
// and named in `unknown`.
absl::StatusOr<usage::Extractor> ReadGenaiExtractor(const nlohmann::json& extractor,
                                                    std::vector<std::string>& unknown);

}  // namespace bursar::pricing
