#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "usage/record.h"

namespace bursar::pricing {

// What one model costs from one time on. An absent class falls back to input or output; a model
// without the price that its tokens need is unpriced.
struct Price {
  std::string provider;
  std::string model;             // exact name, or a prefix that ends in "*"
  std::string service_tier;      // "" = the standard tier
  int64_t min_input_tokens = 0;  // the tier that starts at this many input tokens of one call
  absl::Time effective_time = absl::InfinitePast();
  std::array<std::optional<int64_t>, usage::kTokenClasses> per_million;  // nano-USD per 10^6 tokens
  std::map<std::string, int64_t> other;         // further classes, nano-USD per 10^6 tokens
  std::map<std::string, int64_t> billed_units;  // nano-USD per 10^3 units
  int64_t max_output_tokens = 0;                // 0 = not known
  std::string source;                           // where the figure comes from, with its date
};

struct Cost {
  int64_t nanousd = 0;
  std::string priced_as;  // "openai/gpt-4o": the entry that priced it
};

// The prices of models: immutable, with a version that records keep.
//
// A model is looked up by provider and exact name, then by the longest prefix; a tier of its own
// price before the standard one; of several times and input sizes, the latest that had begun and
// the largest that the call reaches. Thread-safe (const).
class PriceBook {
 public:
  // Reads the project's own format (docs/operations.md describes it). INVALID_ARGUMENT names the
  // row and the field; then nothing is kept of the document.
  static absl::StatusOr<PriceBook> Parse(absl::string_view json);
  // The book that is built into the binary.
  static absl::StatusOr<PriceBook> Default();

  const std::string& version() const { return version_; }
  size_t size() const { return prices_.size(); }

  // The price of a call with so many input tokens at that time; nullptr if the book has none.
  const Price* Find(const usage::Model& model, int64_t input_tokens, absl::Time time) const;

  // What the tokens cost at that time, summed in 128 bits and rounded half-up once. nullopt: no
  // price is known (or the sum is beyond 10^15 nano-USD), so the usage is unpriced.
  std::optional<Cost> CostOf(const usage::Model& model, const usage::TokenUsage& tokens,
                             absl::Time time) const;

 private:
  std::string version_;
  std::vector<Price> prices_;
  std::map<std::string, std::vector<size_t>, std::less<>> exact_;   // "provider/model" -> prices_
  std::map<std::string, std::vector<size_t>, std::less<>> prefix_;  // without the "*"
};

}  // namespace bursar::pricing
