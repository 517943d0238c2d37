#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pricing/price_document.h"

// What others publish, read into our prices; ReadPrices calls these.
namespace bursar::pricing {

inline constexpr size_t kFeedBytesMax = 16 << 20;
inline constexpr size_t kFeedRowsMax = 100'000;  // the largest feeds come to a few thousand

// data.json of pydantic/genai-prices, version 2: an array of providers, each with its models, their
// match rules and prices in USD per 10^6 tokens, and its extractors. Each alternative of a match
// rule becomes rows of its own. A model whose prices are {} is left out with a warning, for an
// unknown price is not free; but OpenRouter calls what is free "...:free".
absl::StatusOr<ReadDocument> ReadGenaiPrices(absl::string_view text);

// model_prices_and_context_window.json of LiteLLM: an object of models with prices in USD per
// token. It knows no patterns, no dates and no extractors.
absl::StatusOr<ReadDocument> ReadLitellmPrices(absl::string_view text);

}  // namespace bursar::pricing
