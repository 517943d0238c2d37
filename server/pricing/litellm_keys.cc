#include "pricing/litellm_keys.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "pricing/feed_price.h"

namespace bursar::pricing {
namespace {

struct KnownKey {
  absl::string_view key, name;
};
constexpr KnownKey kTokenKeys[] = {
    {"input_cost_per_token", "uncached_input"},
    {"output_cost_per_token", "visible_output"},
    {"output_cost_per_reasoning_token", "reasoning"},
    {"cache_read_input_token_cost", "cache_read"},
    {"cache_creation_input_token_cost", "cache_write_5m"},
    {"cache_creation_input_token_cost_above_1hr", "cache_write_1h"},
    {"input_cost_per_audio_token", "input_audio"},
    {"output_cost_per_audio_token", "output_audio"},
    {"input_cost_per_image_token", "input_image"},
    {"output_cost_per_image_token", "output_image"},
    {"input_cost_per_video_token", "input_video"},
    {"output_cost_per_video_token", "output_video"},
    {"cache_read_input_audio_token_cost", "cache_read_audio"},
    {"cache_read_input_image_token_cost", "cache_read_image"},
    {"citation_cost_per_token", "output_citation"},
};

// `mode`: what the models do for which the key means this; "" = all.
struct UnitKey {
  absl::string_view key, name, mode;
  int shift;
};
constexpr UnitKey kUnitKeys[] = {
    {"input_cost_per_request", "request", "", 3},
    {"input_cost_per_query", "search", "rerank", 3},
    {"input_cost_per_query", "search", "search", 3},
    {"output_cost_per_image", "image", "image_generation", 3},
    {"ocr_cost_per_page", "page", "", 3},
    {"input_cost_per_second", "audio_second", "audio_transcription", 3},
    {"input_cost_per_character", "character", "audio_speech", 3},
    {"output_cost_per_second", "video_second", "video_generation", 3},
    {"output_cost_per_video_per_second", "video_second", "video_generation", 3},
    {"file_search_cost_per_1k_calls", "file_search", "", 0},
    {"code_interpreter_cost_per_session", "code_interpreter_session", "", 3},
};

constexpr KnownKey kTiers[] = {{"_batches", "batch"},
                               {"_flex", "flex"},
                               {"_priority", "priority"},
                               {"_fast", "fast"},
                               {"_ultrafast", "ultrafast"}};

// Takes "_above_200k_tokens" off the end: more than 200,000, so the first token beyond.
void ConsumeSize(absl::string_view& key, int64_t& min_input_tokens) {
  constexpr absl::string_view kAbove = "_above_", kTokens = "k_tokens";
  const size_t above = key.rfind(kAbove);
  if (above == absl::string_view::npos) return;
  absl::string_view thousands = key.substr(above + kAbove.size());
  int64_t number = 0;
  if (!absl::ConsumeSuffix(&thousands, kTokens) || thousands.size() > 6) return;
  if (!absl::SimpleAtoi(thousands, &number) || number <= 0) return;
  min_input_tokens = number * 1000 + 1;
  key = key.substr(0, above);
}

void ConsumeTier(absl::string_view& key, std::string& service_tier) {
  for (const KnownKey& tier : kTiers) {
    if (absl::ConsumeSuffix(&key, tier.key)) service_tier = std::string(tier.name);
  }
}

// "us-east-1", "us-gov-west-1"
bool IsAwsRegion(absl::string_view text) {
  return std::count(text.begin(), text.end(), '-') >= 2 && absl::ascii_isdigit(text.back()) &&
         absl::c_all_of(text, [](char c) { return absl::ascii_isalnum(c) || c == '-'; });
}

std::string ProviderId(absl::string_view name) {
  for (const auto& [id, names] : ProviderNames()) {
    if (name == absl::string_view(id)) return id;
    if (std::find(names.begin(), names.end(), name) != names.end()) return id;
  }
  return std::string(name);
}

// The text up to the next "/", taken off with it; empty if there is none.
absl::string_view FirstPart(absl::string_view name) {
  const size_t slash = name.find('/');
  return slash == absl::string_view::npos ? absl::string_view() : name.substr(0, slash);
}

}  // namespace

std::optional<LitellmPrice> ReadLitellmKey(absl::string_view key, absl::string_view mode) {
  for (const UnitKey& known : kUnitKeys) {
    if (key != known.key || (!known.mode.empty() && known.mode != mode)) continue;
    return LitellmPrice{std::string(known.name), /*is_unit=*/true, known.shift, "", 0};
  }
  LitellmPrice price;
  for (int i = 0; i < 2; ++i) {  // the tier may stand before or after the size
    ConsumeTier(key, price.service_tier);
    ConsumeSize(key, price.min_input_tokens);
  }
  for (const KnownKey& known : kTokenKeys) {
    if (key != known.key) continue;
    price.name = std::string(known.name);
    return price;
  }
  return std::nullopt;
}

LitellmModel ReadLitellmName(absl::string_view key, absl::string_view provider) {
  LitellmModel model;
  model.provider = ProviderId(provider);
  absl::string_view name = key;
  const absl::string_view first = FirstPart(name);
  if (!first.empty() && (first == provider || ProviderId(first) == model.provider)) {
    name.remove_prefix(first.size() + 1);
  }
  const absl::string_view second = FirstPart(name);
  const bool azure_region = model.provider == "azure" && (second == "eu" || second == "us");
  const bool azure_global = model.provider == "azure" && absl::StartsWith(second, "global");
  const bool aws_region = model.provider == "aws" && !second.empty() && IsAwsRegion(second);
  if (azure_region || aws_region) model.region = std::string(second);
  if (azure_region || azure_global || aws_region) name.remove_prefix(second.size() + 1);
  model.name = std::string(name);
  return model;
}

}  // namespace bursar::pricing
