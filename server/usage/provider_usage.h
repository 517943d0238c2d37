#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "usage/name_pattern.h"
#include "usage/record.h"

// Reads a provider's own usage object into disjoint token classes. How each provider says what was
// used is data, an Extractor, that comes with the price feed: no provider has code of its own.
namespace bursar::usage {

// One step into a JSON document: into a field of an object; or, with `where`, to the first object
// of an array whose text in that field is one that is meant.
struct JsonStep {
  std::string field;
  std::optional<NameRule> where;

  bool operator==(const JsonStep&) const = default;
};

// Adds the number at the path, if it is there, to a quantity.
struct UsageMapping {
  std::vector<JsonStep> path;
  std::string quantity;  // as the feed names it: "input_tokens", "cache_read_tokens", ...
  bool required = false;

  bool operator==(const UsageMapping&) const = default;
};

// How one API of a provider says its usage. Quantities may overlap: "input_tokens" and
// "output_tokens" are wholes, the others parts of them.
struct Extractor {
  std::string api_flavor;            // "default", "chat", "responses", ...
  std::vector<JsonStep> root;        // where the usage is in the answer
  std::vector<JsonStep> model_path;  // where the model is
  std::vector<UsageMapping> mappings;

  bool operator==(const Extractor&) const = default;
};

struct ProviderReading {
  TokenUsage tokens;
  std::string model;  // empty: the document names none
};

// INVALID_ARGUMENT, with the field's path in it: the text is no JSON object or longer than 64 KiB,
// a required field is missing, a count is negative, not whole or beyond 10^12, or parts are larger
// than their whole. Fields that no mapping names are ignored; null is as absent.
absl::StatusOr<ProviderReading> ReadProviderUsage(const Extractor& extractor,
                                                  absl::string_view json);

}  // namespace bursar::usage
