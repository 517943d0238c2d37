#pragma once

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pricing/price_document.h"

// The parts of the project's own format for prices, of which docs/operations.md speaks.
namespace bursar::pricing {

struct ClassName {
  const char* name;
  usage::TokenClass token_class;
};
inline constexpr ClassName kClassNames[usage::kTokenClasses] = {
    {"input", usage::TokenClass::kUncachedInput},
    {"cache_read", usage::TokenClass::kCacheRead},
    {"cache_write_5m", usage::TokenClass::kCacheWrite5m},
    {"cache_write_1h", usage::TokenClass::kCacheWrite1h},
    {"output", usage::TokenClass::kVisibleOutput},
    {"reasoning", usage::TokenClass::kReasoning},
    {"input_audio", usage::TokenClass::kInputAudio},
    {"output_audio", usage::TokenClass::kOutputAudio},
    {"input_image", usage::TokenClass::kInputImage},
    {"output_image", usage::TokenClass::kOutputImage},
};

struct KindName {
  const char* name;
  usage::NamePattern::Kind kind;
};
inline constexpr KindName kKindNames[] = {
    {"exact", usage::NamePattern::Kind::kExact},
    {"prefix", usage::NamePattern::Kind::kPrefix},
    {"suffix", usage::NamePattern::Kind::kSuffix},
    {"contains", usage::NamePattern::Kind::kContains},
    {"regex", usage::NamePattern::Kind::kRegex},
};

inline constexpr char kCurrency[] = "USD";
inline constexpr char kUnit[] = "USD per 1000000 tokens";
inline constexpr int kSameAsMax = 4;  // models that one row names

// FieldError where something else is there than one of `keys`; it names the nearest of them.
absl::Status CheckKeys(const nlohmann::json& object, const std::vector<std::string>& keys);
// Text that must be there (bytes_min > 0) or may be.
absl::StatusOr<std::string> ReadText(const nlohmann::json& object, const char* key,
                                     size_t bytes_min, size_t bytes_max);

// One row. Errors are FieldErrors with the path within the row.
absl::StatusOr<Price> ReadPriceRow(const nlohmann::json& row, std::vector<std::string>& warnings);
absl::StatusOr<Provider> ReadProvider(const nlohmann::json& object);

absl::StatusOr<ReadDocument> ReadBursarPrices(absl::string_view text);

}  // namespace bursar::pricing
