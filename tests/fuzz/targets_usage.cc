#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "fuzz/targets.h"
#include "pricing/price_list.h"
#include "usage/field_error.h"
#include "usage/provider_usage.h"
#include "usage/validate.h"

namespace bursar::fuzz {
namespace {

using Json = nlohmann::json;

constexpr char kUsages[] = BURSAR_SOURCE_DIR "/../shared/data/provider_usages.json";
constexpr size_t kSeedsMax = 100;

// Of the built-in prices; those that say their usage in different ways.
const std::vector<usage::Extractor>& Extractors() {
  static const auto* extractors = [] {
    auto* all = new std::vector<usage::Extractor>();
    const auto list = pricing::PriceList::Default();
    Expect(list.ok(), "the built-in prices can be read");
    const std::set<std::pair<std::string, std::string>> wanted = {
        {"openai", "chat"},    {"openai", "responses"}, {"anthropic", "default"},
        {"google", "default"}, {"aws", "default"},      {"cohere", "default"}};
    for (const auto& provider : (*list)->document().providers) {
      for (const auto& extractor : provider.extractors) {
        if (wanted.count({provider.id, extractor.api_flavor}) > 0) all->push_back(extractor);
      }
    }
    Expect(all->size() == wanted.size(), "the built-in prices know these providers");
    return all;
  }();
  return *extractors;
}

void Run(std::string_view bytes) {
  for (const usage::Extractor& extractor : Extractors()) {
    const auto reading =
        usage::ReadProviderUsage(extractor, absl::string_view(bytes.data(), bytes.size()));
    if (!reading.ok()) {
      Expect(usage::FieldOf(reading.status()).has_value(), "an error names the field");
      continue;
    }
    Expect(usage::ValidateTokens(reading->tokens).ok(), "what was read may be recorded");
  }
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = {
      R"({"model":"gpt-4o","usage":{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,
          "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":10},
          "completion_tokens_details":{"reasoning_tokens":25,"audio_tokens":5}}})",
      R"({"model":"claude","usage":{"input_tokens":10,"output_tokens":4,
          "cache_creation_input_tokens":500,"cache_read_input_tokens":2000,
          "cache_creation":{"ephemeral_5m_input_tokens":300,"ephemeral_1h_input_tokens":200}}})",
      R"({"modelVersion":"gemini","usageMetadata":{"promptTokenCount":90,"candidatesTokenCount":12,
          "thoughtsTokenCount":30,"cachedContentTokenCount":50,
          "promptTokensDetails":[{"modality":"AUDIO","tokenCount":20}],
          "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":5}]}})",
      R"({"usage":{"inputTokens":11,"outputTokens":3,"cacheReadInputTokens":2}})",
      R"({"usage":{"billed_units":{"input_tokens":5,"output_tokens":2}}})",
  };
  std::ifstream file(kUsages);  // real answers, where they are at hand
  const Json rows = file ? Json::parse(file, nullptr, /*allow_exceptions=*/false) : Json();
  const size_t step = std::max<size_t>(rows.size() / kSeedsMax, 1);
  for (size_t i = 0; rows.is_array() && i < rows.size(); i += step) {
    seeds.push_back(rows[i]["body"].dump());
  }
  return seeds;
}

}  // namespace

Target UsageJson() { return {"usage_json", Run, Seeds()}; }

}  // namespace bursar::fuzz
