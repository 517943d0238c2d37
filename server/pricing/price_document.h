#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pricing/price.h"

namespace bursar::pricing {

struct ReadDocument {
  PriceDocument document;
  std::vector<std::string> warnings;  // e.g. decimals beyond the nano-dollar, prices left out
};

// Reads a document of prices. `format`: "bursar" (docs/operations.md describes it), "genai-prices"
// (pydantic/genai-prices, data v2), "litellm" (model_prices_and_context_window.json).
// INVALID_ARGUMENT names the row and the field, and says what would be right; then nothing is taken
// from it.
absl::StatusOr<ReadDocument> ReadPrices(absl::string_view format, absl::string_view text);

// In the project's own format; ReadPrices("bursar", ...) gives the same document back.
std::string WritePrices(const PriceDocument& document);

struct MergedPrices {
  PriceDocument document;
  int added = 0, changed = 0, unchanged = 0, removed = 0;  // rows
  // Prices that moved by more than ten times, or from or to nothing, each a sentence.
  std::vector<std::string> jumps;
};

// `news` over `base`: a row takes the place of the one for the same model, tier, region, size,
// time and hours; rows that it does not name stay, unless `replace`. A row of which only the source
// is new is unchanged. Providers of `news` take the place of those with the same id; `replace`
// drops the others only if `news` has any, for a list of prices alone says nothing of them.
MergedPrices Merge(const PriceDocument& base, PriceDocument news, bool replace);

}  // namespace bursar::pricing
