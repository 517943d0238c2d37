#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pricing/price.h"

// What the readers of feeds have in common.
namespace bursar::pricing {

// The document of a feed, if it is not too large.
absl::StatusOr<nlohmann::json> ParseFeed(absl::string_view text);
// Fails where a feed has come to too many rows.
absl::Status CheckFeedRows(size_t rows);

// Things that are not as they should be and stop nothing, each with the rows that it is true of.
class FeedWarnings {
 public:
  void Add(absl::string_view what, absl::string_view row);
  // "what: row, row, row and 12 more"; in order of the text.
  std::vector<std::string> Texts() const;

 private:
  struct Rows {
    std::vector<std::string> first;
    size_t count = 0;
  };
  std::map<std::string, Rows> rows_;
};

// A number of an exact document (see exact_json.h), or a text that is one, times 10^shift, in
// nano-USD: "2.5e-06" shifted by 6 is 2'500'000'000. `rounded` becomes true if there were finer
// decimals. Errors are FieldErrors of the field "", as are those below.
absl::StatusOr<int64_t> ReadNanoUsd(const nlohmann::json& value, int shift, bool* rounded);

// Sets the price of a class of tokens, by its name in TokenUsage without "_tokens": "cache_read",
// "cache_read_audio".
void SetPrice(absl::string_view token_class, int64_t nanousd_per_million, Price& price);

// The text in a field of an object: it must be there, and have 1 to 256 bytes.
absl::StatusOr<std::string> ReadFeedText(const nlohmann::json& object, const char* field);

// A text that is only kept or looked at, at most 256 bytes of it; empty if it is not printable.
std::string PrintableText(const nlohmann::json& value);

// Names that people and other tools use for a provider, beside those that feeds know: by the id of
// the provider, from provider_names.json.
const std::map<std::string, std::vector<std::string>>& ProviderNames();

}  // namespace bursar::pricing
