#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "pricing/feeds.h"
#include "pricing/litellm_keys.h"

namespace bursar::pricing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using usage::TokenClass;

ReadDocument Read(absl::string_view feed) {
  auto read = ReadLitellmPrices(feed);
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *std::move(read) : ReadDocument{};
}

std::string ErrorOf(absl::string_view feed) {
  const auto read = ReadLitellmPrices(feed);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument) << feed;
  return std::string(read.status().message());
}

Price Row(absl::string_view provider, absl::string_view model) {
  Price row;
  row.provider = std::string(provider);
  row.model = usage::NamePattern::Make(usage::NamePattern::Kind::kExact, model).value();
  return row;
}

Price Priced(Price row, std::initializer_list<std::pair<TokenClass, int64_t>> prices) {
  for (const auto& [token_class, price] : prices) {
    row.per_million[static_cast<int>(token_class)] = price;
  }
  return row;
}

TEST(LitellmPrices, ReadsPricesOfATokenExactly) {
  Price row =
      Priced(Row("anthropic", "claude-opus-9"), {{TokenClass::kUncachedInput, 15'000'000'000},
                                                 {TokenClass::kVisibleOutput, 75'000'000'000},
                                                 {TokenClass::kCacheRead, 1'500'000'000},
                                                 {TokenClass::kCacheWrite5m, 18'750'000'000},
                                                 {TokenClass::kCacheWrite1h, 30'000'000'000},
                                                 {TokenClass::kReasoning, 1},
                                                 {TokenClass::kInputAudio, 40'000'000'000},
                                                 {TokenClass::kOutputImage, 546'875'000}});
  row.max_output_tokens = 32000;
  row.source = "https://a.ai/prices";
  row.other = {{"cache_read_audio", 2'500'000'000}, {"output_citation", 2'000'000'000}};
  const ReadDocument read = Read(R"({
      "sample_spec": {"input_cost_per_token": "the price of a token", "max_tokens": "LEGACY"},
      "claude-opus-9": {"litellm_provider": "anthropic", "mode": "chat",
        "source": "https://a.ai/prices",
        "input_cost_per_token": 1.5e-05, "output_cost_per_token": 7.5E-5,
        "cache_read_input_token_cost": 0.0000015, "cache_creation_input_token_cost": 1.875e-05,
        "cache_creation_input_token_cost_above_1hr": 3e-05,
          "output_cost_per_reasoning_token": 1e-15,
        "input_cost_per_audio_token": "4e-05", "output_cost_per_image_token": 5.46875e-07,
        "cache_read_input_audio_token_cost": 2.5e-06, "citation_cost_per_token": 2e-06,
        "input_cost_per_token_batches": null, "max_input_tokens": 200000,
          "max_output_tokens": 32000,
        "supports_vision": true, "tool_use_system_prompt_tokens": 159}})");
  EXPECT_THAT(read.document.prices, ElementsAre(row));
  EXPECT_THAT(read.document.providers, IsEmpty());
  EXPECT_THAT(read.warnings, IsEmpty());
}

TEST(LitellmPrices, SizesAndServiceTiersAreRowsOfTheirOwn) {
  const Price base =
      Priced(Row("google", "gemini-9-pro"), {{TokenClass::kUncachedInput, 1'250'000'000},
                                             {TokenClass::kVisibleOutput, 10'000'000'000},
                                             {TokenClass::kCacheRead, 125'000'000}});
  Price large = Priced(base, {{TokenClass::kUncachedInput, 2'500'000'000},
                              {TokenClass::kVisibleOutput, 15'000'000'000}});
  large.min_input_tokens = 200'001;
  Price batch = Priced(base, {{TokenClass::kUncachedInput, 625'000'000}});
  batch.service_tier = "batch";
  Price priority = Priced(base, {{TokenClass::kUncachedInput, 2'000'000'000}});
  priority.service_tier = "priority";
  Price large_priority = Priced(large, {{TokenClass::kUncachedInput, 4'000'000'000}});
  large_priority.service_tier = "priority";
  EXPECT_THAT(Read(R"({"gemini/gemini-9-pro": {"litellm_provider": "gemini",
                 "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05,
                 "cache_read_input_token_cost": 1.25e-07,
                 "input_cost_per_token_above_200k_tokens": 2.5e-06,
                 "output_cost_per_token_above_200k_tokens": 1.5e-05,
                 "input_cost_per_token_batches": 6.25e-07, "input_cost_per_token_priority": 2e-06,
                 "input_cost_per_token_above_200k_tokens_priority": 4e-06}})")
                  .document.prices,
              ElementsAre(base, large, batch, priority, large_priority));
}

TEST(LitellmPrices, ReadsWhatIsBilledByThePieceWhereItIsClear) {
  const ReadDocument read = Read(R"({
      "a": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06,
            "search_context_cost_per_query": {"search_context_size_low": 0.03,
              "search_context_size_medium": 0.035, "search_context_size_high": 0.05},
            "file_search_cost_per_1k_calls": 2.5, "vector_store_cost_per_gb_per_day": 0.1},
      "b": {"litellm_provider": "openai", "mode": "audio_transcription",
            "input_cost_per_second": 0.0001, "output_cost_per_second": 0.0},
      "c": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_second": 0.0001},
      "d": {"litellm_provider": "cohere", "mode": "rerank", "input_cost_per_query": 0.002},
      "e": {"litellm_provider": "openai", "mode": "image_generation",
        "output_cost_per_image": 0.04},
      "f": {"litellm_provider": "perplexity", "input_cost_per_request": 0.005,
            "search_context_cost_per_query": {"search_context_size_low": 0.005,
              "search_context_size_high": 0.005}}})");
  std::map<std::string, std::map<std::string, int64_t>> units;
  for (const Price& price : read.document.prices) units[price.model.text()] = price.billed_units;
  EXPECT_THAT(units, ElementsAre(Pair("a", ElementsAre(Pair("file_search", 2'500'000'000),
                                                       Pair("web_search", 35'000'000'000))),
                                 Pair("b", ElementsAre(Pair("audio_second", 100'000'000))),
                                 Pair("d", ElementsAre(Pair("search", 2'000'000'000))),
                                 Pair("e", ElementsAre(Pair("image", 40'000'000'000))),
                                 Pair("f", ElementsAre(Pair("request", 5'000'000'000),
                                                       Pair("web_search", 5'000'000'000)))));
  EXPECT_THAT(read.warnings,
              ElementsAre("has no prices and is left out: c",
                          "input_cost_per_second is no price of ours and left out: c",
                          "vector_store_cost_per_gb_per_day is no price of ours and left out: a",
                          "web searches are priced as of medium size: a"));
}

TEST(LitellmPrices, KnowsWhichModelAKeyMeans) {
  const struct {
    const char *key, *litellm_provider, *provider, *name, *region;
  } cases[] = {
      {"gpt-4o", "openai", "openai", "gpt-4o", ""},
      {"azure/gpt-4o", "azure", "azure", "gpt-4o", ""},
      {"azure/eu/gpt-4o", "azure", "azure", "gpt-4o", "eu"},
      {"azure/global-standard/gpt-4o", "azure", "azure", "gpt-4o", ""},
      {"azure_ai/mistral-large", "azure_ai", "azure", "mistral-large", ""},
      {"anthropic.claude-v2:1", "bedrock", "aws", "anthropic.claude-v2:1", ""},
      {"bedrock/us-east-1/anthropic.claude-v2:1", "bedrock", "aws", "anthropic.claude-v2:1",
       "us-east-1"},
      {"bedrock/us-gov-west-1/amazon.nova", "bedrock_converse", "aws", "amazon.nova",
       "us-gov-west-1"},
      {"eu.amazon.nova-2-lite-v1:0", "bedrock_converse", "aws", "eu.amazon.nova-2-lite-v1:0", ""},
      {"vertex_ai/meta/llama-4", "vertex_ai-llama_models", "google", "meta/llama-4", ""},
      {"gemini-9-pro", "vertex_ai-language-models", "google", "gemini-9-pro", ""},
      {"openrouter/anthropic/claude-4", "openrouter", "openrouter", "anthropic/claude-4", ""},
      {"xai/grok-9", "xai", "x-ai", "grok-9", ""},
      {"together_ai/Qwen/Qwen3", "together_ai", "together", "Qwen/Qwen3", ""},
      {"deepinfra/meta/llama", "deepinfra", "deepinfra", "meta/llama", ""},
      {"meta/llama", "someone", "someone", "meta/llama", ""},
  };
  for (const auto& c : cases) {
    const LitellmModel model = ReadLitellmName(c.key, c.litellm_provider);
    EXPECT_EQ(model.provider, c.provider) << c.key;
    EXPECT_EQ(model.name, c.name) << c.key;
    EXPECT_EQ(model.region, c.region) << c.key;
  }
}

TEST(LitellmPrices, KnowsWhatAKeyPrices) {
  const auto price =
      ReadLitellmKey("cache_creation_input_token_cost_above_1hr_above_200k_tokens", "");
  ASSERT_TRUE(price);
  EXPECT_EQ(price->name, "cache_write_1h");
  EXPECT_EQ(price->min_input_tokens, 200'001);
  for (const char* key : {"input_cost_per_token_priority_above_272k_tokens",
                          "input_cost_per_token_above_272k_tokens_priority"}) {
    const auto tier = ReadLitellmKey(key, "chat");
    ASSERT_TRUE(tier) << key;
    EXPECT_EQ(tier->service_tier, "priority");
    EXPECT_EQ(tier->min_input_tokens, 272'001);
  }
  for (const char* key :
       {"input_cost_per_token_above_k_tokens", "input_cost_per_token_above_xk_tokens",
        "input_cost_per_token_above_99999999k_tokens", "input_cost_per_pixel",
        "input_cost_per_token_cache_hit", "max_tokens", "", "_flex"}) {
    EXPECT_FALSE(ReadLitellmKey(key, "chat")) << key;
  }
}

TEST(LitellmPrices, TheKeyWithTheFewestPrefixesCounts) {
  const ReadDocument read = Read(R"({
      "azure/global/gpt-9": {"litellm_provider": "azure", "input_cost_per_token": 3e-06},
      "azure/gpt-9": {"litellm_provider": "azure", "input_cost_per_token": 2e-06},
      "azure_ai/gpt-9": {"litellm_provider": "azure_ai", "input_cost_per_token": 2e-06}})");
  EXPECT_THAT(
      read.document.prices,
      ElementsAre(Priced(Row("azure", "gpt-9"), {{TokenClass::kUncachedInput, 2'000'000'000}})));
  EXPECT_THAT(read.warnings,
              ElementsAre("other prices for a name that an earlier model has are left "
                          "out: azure/global/gpt-9"));
}

TEST(LitellmPrices, FineTunedNamesGoOnAndFreeOnesAreNamed) {
  const ReadDocument read = Read(
      R"({"ft:gpt-9": {"litellm_provider": "openai", "input_cost_per_token": 3e-06},
          "gpt-free": {"litellm_provider": "openai", "input_cost_per_token": 0.0,
                       "output_cost_per_token": 0}})");
  ASSERT_EQ(read.document.prices.size(), 2u);
  EXPECT_EQ(read.document.prices[0].model.kind(), usage::NamePattern::Kind::kPrefix);
  EXPECT_THAT(read.warnings, ElementsAre("is free by this feed: gpt-free"));
}

TEST(LitellmPrices, NamesTheModelAndTheFieldThatCannotBeRead) {
  const std::pair<std::string, const char*> cases[] = {
      {"[]", "a litellm feed is an object of models"},
      {R"({"a": 7})", "a: must be an object"},
      {R"({"a": {}})", "a.litellm_provider: is missing; it must be text"},
      {R"({"a": {"litellm_provider": "x/y"}})", "a.litellm_provider: must be a name without"},
      {R"({"azure/": {"litellm_provider": "azure"}})", "azure/: must name a model"},
      {R"({"": {"litellm_provider": "azure"}})", "model: has 0 bytes; allowed are 1 to 256"},
      {R"({"a": {"litellm_provider": "x", "input_cost_per_token": -1e-06}})",
       "a.input_cost_per_token: is \"-1e-06\"; must be a number of USD that is not negative"},
      {R"({"a": {"litellm_provider": "x", "input_cost_per_token": "free"}})",
       "a.input_cost_per_token: is \"free\"; must be"},
      {R"({"a": {"litellm_provider": "x", "input_cost_per_token": 100000}})",
       "a.input_cost_per_token: is 100000; that is too large for a price"},
      {R"({"a": {"litellm_provider": "x", "search_context_cost_per_query": {"low": {}}}})",
       "a.search_context_cost_per_query.low: is an object; must be"},
  };
  for (const auto& [feed, error] : cases) EXPECT_THAT(ErrorOf(feed), HasSubstr(error)) << feed;
}

}  // namespace
}  // namespace bursar::pricing
