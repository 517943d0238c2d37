#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "usage/record.h"

namespace bursar::usage {

// Whether an extractor may map a field to this. Wholes: "input_tokens", "output_tokens". Parts of
// input: "cache_read_tokens", "cache_write_tokens" and in it "cache_write_5m_tokens" and
// "cache_write_1h_tokens", "input_<kind>_tokens", and "cache_<kind>_read_tokens", a part of both
// the cache's and the kind's. Parts of output: "output_<kind>_tokens". What does not end in
// "_tokens" is billed by the piece: "web_searches".
bool IsQuantity(absl::string_view name);

// The class that the tokens of a quantity are priced as, those that are in no other of its parts:
// "uncached_input", "cache_read_audio"; for what is billed by the piece, its unit: "web_search".
// Empty: none.
std::string ClassOf(absl::string_view quantity);

// Amounts as providers say them, parts and wholes, each with the fields that it came from; and the
// disjoint classes that they come to.
class Quantities {
 public:
  // INVALID_ARGUMENT: the sum is beyond 10^12.
  absl::Status Add(absl::string_view name, absl::string_view field, int64_t count);

  // A whole that was not said is the sum of its parts. Text and what tools put in are parts
  // without a price of their own: they are compared with their whole and have no class.
  // INVALID_ARGUMENT: parts are larger than their whole.
  absl::StatusOr<TokenUsage> Disjoint() const;

 private:
  struct Quantity {
    int64_t count = 0;
    std::string fields;  // "usage.input_tokens + usage.cache_read_input_tokens"
  };

  int64_t CountOf(absl::string_view name) const;
  // What is left of a whole without its parts, `parts_count` tokens in all. A whole that was not
  // said is as large as they are.
  absl::StatusOr<int64_t> Rest(const std::string& whole, int64_t parts_count,
                               const std::vector<std::string>& parts) const;
  absl::Status AddInput(TokenUsage& usage) const;
  absl::StatusOr<int64_t> AddCacheRead(TokenUsage& usage) const;
  absl::StatusOr<int64_t> AddCacheWrite(TokenUsage& usage) const;
  absl::Status AddOutput(TokenUsage& usage) const;
  absl::Status CheckPartsWithoutPrice() const;
  // The kinds of the names that begin and end so, those with prices of their own: "audio".
  std::vector<std::string> Kinds(absl::string_view begin, absl::string_view end) const;

  std::map<std::string, Quantity, std::less<>> quantities_;
};

}  // namespace bursar::usage
