#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

// How LiteLLM names things in model_prices_and_context_window.json.
namespace bursar::pricing {

// What one key of a model prices.
struct LitellmPrice {
  std::string name;          // a class of tokens ("cache_read") or a unit ("web_search")
  bool is_unit = false;      // billed by the piece
  int shift = 6;             // USD per token -> per 10^6; per unit -> 3, per 10^3
  std::string service_tier;  // "batch", "flex", "priority", ...; "" = the standard one
  int64_t min_input_tokens = 0;
};

// "input_cost_per_token_above_200k_tokens_priority" and the like. nullopt: it prices nothing that
// usage is counted in. `mode` is the model's own: "chat", "audio_transcription", ...
std::optional<LitellmPrice> ReadLitellmKey(absl::string_view key, absl::string_view mode);

// Which model a key of the document means.
struct LitellmModel {
  std::string provider, name, region;
};

// `provider` as LiteLLM calls it. "azure/eu/gpt-4o" of "azure" is gpt-4o of azure in eu; names of
// providers become ours where provider_names.json has them.
LitellmModel ReadLitellmName(absl::string_view key, absl::string_view provider);

}  // namespace bursar::pricing
