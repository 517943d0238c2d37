#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/string_view.h"
#include "fuzz/targets.h"
#include "pricing/price_document.h"
#include "pricing/price_list.h"

namespace bursar::fuzz {
namespace {

using Json = nlohmann::json;

constexpr char kFeed[] = BURSAR_SOURCE_DIR "/../shared/data/genai_prices_v2.json";

// What a reader takes can be indexed, and kept in the project's own format.
void Run(absl::string_view format, std::string_view bytes) {
  const auto read = pricing::ReadPrices(format, absl::string_view(bytes.data(), bytes.size()));
  if (!read.ok()) {
    Expect(read.status().code() == absl::StatusCode::kInvalidArgument, "an error says what is bad");
    Expect(!read.status().message().empty(), "an error has a text");
    return;
  }
  const auto again = pricing::ReadPrices("bursar", pricing::WritePrices(read->document));
  Expect(again.ok(),
         "what was read can be written and read again: " + std::string(again.status().message()));
  Expect(again->document == read->document, "what was written is what was read");
  const auto list = pricing::PriceList::Make(read->document);
  Expect(list.ok(), "what was read can be indexed: " + std::string(list.status().message()));
}

constexpr char kGenai[] = R"([{"id":"openai","name":"OpenAI","pricing_urls":["https://o.ai"],
 "provider_match":{"or":[{"contains":"openai"},{"and":[{"starts_with":"a"},{"ends_with":"b"}]}]},
 "fallback_model_providers":["anthropic"],
 "extractors":[{"api_flavor":"chat","root":["response","usage"],"model_path":"model","mappings":[
  {"path":"prompt_tokens","dest":"input_tokens","required":true},
  {"path":["details",{"type":"array-match","field":"modality","match":{"equals":"AUDIO"}},"count"],
   "dest":"input_audio_tokens","required":false}]}],
 "models":[{"id":"gpt-4o","match":{"or":[{"equals":"gpt-4o"},{"regex":"^gpt-\\d"}]},
  "prices":{"input_mtok":{"base":2.5,"tiers":[{"start":200000,"price":5}]},"output_mtok":10,
   "cache_read_mtok":1.25e-1,"cache_audio_read_mtok":0.08333333333333334,"web_searches_kcount":10}},
  {"id":"o3","match":{"starts_with":"o3"},"prices":[{"prices":{"input_mtok":10}},
   {"constraint":{"start_date":"2025-06-10"},"prices":{"input_mtok":2}},
   {"constraint":{"start_time":"00:30:00Z","end_time":"16:30:00Z"},"prices":{"input_mtok":1}}]},
  {"id":"x:free","match":{"contains":"x"},"prices":{}}]}])";

constexpr char kLitellm[] = R"({"sample_spec":{"max_tokens":"LEGACY"},
 "gpt-4o":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":2.5e-06,
  "output_cost_per_token":1e-05,"cache_read_input_token_cost":1.25e-06,"max_output_tokens":16384,
  "input_cost_per_token_batches":1.25e-06,"input_cost_per_token_above_200k_tokens_priority":5e-06,
  "search_context_cost_per_query":{"search_context_size_low":0.03,"search_context_size_high":0.05}},
 "bedrock/us-east-1/anthropic.claude-v2":{"litellm_provider":"bedrock","input_cost_per_token":8e-06,
  "cache_creation_input_token_cost_above_1hr":3e-05,"output_cost_per_second":0.1},
 "whisper-1":{"litellm_provider":"openai","mode":"audio_transcription",
  "input_cost_per_second":0.0001}})";

constexpr char kBursar[] = R"({"version":"1","currency":"USD","prices":[
 {"provider":"openai","model":"gpt-4o*","input":"2.50","output":"10","cache_read":"1.25",
  "service_tier":"batch","region":"eu","min_input_tokens":200001,"max_output_tokens":16384,
  "effective_time":"2026-01-31T00:00:00Z","daily_start_utc":"00:30","daily_end_utc":"16:30",
  "other":{"input_video":"0.7"},"billed_units":{"web_search":"10"},"source":"https://o.ai"},
 {"provider":"azure","model":"*","same_as":"openai/*, anthropic/*"},
 {"provider":"openai","model":"^o\\d","match":"regex","input":"0.0000000014"}],
 "providers":[{"id":"openai","aliases":["oai",[{"contains":"open"},{"suffix":"ai"}]],
  "extractors":[{"api_flavor":"chat","root":["usage"],"model_path":["model"],"mappings":[
   {"path":["prompt_tokens"],"quantity":"input_tokens","required":true},
   {"path":["d",{"where":"modality","is":"AUDIO"},"n"],"quantity":"input_audio_tokens"}]}]}]})";

// Small parts of the real feed, each with every seventh of a provider's models up to five.
std::vector<std::string> PartsOfTheFeed() {
  std::ifstream file(kFeed);
  const Json feed = file ? Json::parse(file, nullptr, /*allow_exceptions=*/false) : Json();
  std::vector<std::string> parts;
  for (size_t i = 0; feed.is_array() && i < feed.size(); ++i) {
    Json provider = feed[i];
    Json models = Json::array();
    for (size_t m = 0; m < provider["models"].size() && models.size() < 5; m += 7) {
      models.push_back(provider["models"][m]);
    }
    provider["models"] = models;
    parts.push_back(Json::array({provider}).dump());
  }
  return parts;
}

}  // namespace

std::vector<Target> PriceFormats() {
  std::vector<std::string> genai = PartsOfTheFeed(), bursar = {kBursar};
  genai.push_back(kGenai);
  for (const std::string& part : genai) {
    const auto read = pricing::ReadPrices("genai-prices", part);
    Expect(read.ok(), "the seeds can be read: " + std::string(read.status().message()));
    bursar.push_back(pricing::WritePrices(read->document));
  }
  return {{"prices_bursar", [](std::string_view bytes) { Run("bursar", bytes); }, bursar},
          {"prices_genai", [](std::string_view bytes) { Run("genai-prices", bytes); }, genai},
          {"prices_litellm", [](std::string_view bytes) { Run("litellm", bytes); }, {kLitellm}}};
}

}  // namespace bursar::fuzz
