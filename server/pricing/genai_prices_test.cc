#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "pricing/feeds.h"
#include "pricing/price_list.h"
#include "usage/provider_usage.h"

namespace bursar::pricing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = usage::NamePattern::Kind;

ReadDocument Read(absl::string_view feed) {
  auto read = ReadGenaiPrices(feed);
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *std::move(read) : ReadDocument{};
}

std::string ErrorOf(absl::string_view feed) {
  const auto read = ReadGenaiPrices(feed);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument) << feed;
  return std::string(read.status().message());
}

// A feed of one provider.
std::string FeedOf(absl::string_view models, absl::string_view more = "") {
  return absl::StrCat(
      R"([{"id": "openai", "name": "OpenAI", "pricing_urls": ["https://o.ai/prices"],
                           "models": [)",
      models, "]", more, "}]");
}

std::string ModelOf(absl::string_view prices) {
  return absl::StrCat(R"({"id": "gpt-4o", "match": {"equals": "gpt-4o"}, "prices": )", prices, "}");
}

Price Row(const char* model, Kind kind = Kind::kExact) {
  Price row;
  row.provider = "openai";
  row.model = usage::NamePattern::Make(kind, model).value();
  row.source = "https://o.ai/prices";
  return row;
}

std::optional<int64_t>& At(Price& price, usage::TokenClass token_class) {
  return price.per_million[static_cast<int>(token_class)];
}

TEST(GenaiPrices, ReadsPricesOfEveryClassExactly) {
  Price row = Row("gpt-4o");
  At(row, usage::TokenClass::kUncachedInput) = 2'500'000'000;
  At(row, usage::TokenClass::kVisibleOutput) = 10'000'000'000;
  At(row, usage::TokenClass::kCacheRead) = 75'000'000;
  At(row, usage::TokenClass::kCacheWrite5m) = 3'125'000'000;
  At(row, usage::TokenClass::kCacheWrite1h) = 5'000'000'000;
  At(row, usage::TokenClass::kReasoning) = 12'000'000'001;
  At(row, usage::TokenClass::kInputAudio) = 100;
  At(row, usage::TokenClass::kOutputAudio) = 80'000'000'000;
  At(row, usage::TokenClass::kInputImage) = 8'000'000'000;
  At(row, usage::TokenClass::kOutputImage) = 30'000'000'000;
  row.other = {{"cache_read_audio", 2'000'000'000},
               {"input_video", 700'000'000},
               {"output_citation", 3'000'000'000}};
  row.billed_units = {{"web_search", 10'000'000'000}, {"request", 5'000'000'000}};
  const ReadDocument read = Read(FeedOf(ModelOf(
      R"({"input_mtok": 2.5, "output_mtok": 10, "cache_read_mtok": 0.075, "cache_write_mtok": 3.125,
          "cache_write_1h_mtok": 5.0, "output_reasoning_mtok": 12.000000001,
            "input_audio_mtok": 1e-7,
          "output_audio_mtok": 8E+1, "input_image_mtok": "8", "output_image_mtok": 30,
          "cache_audio_read_mtok": 2, "input_video_mtok": 0.7, "output_citation_mtok": 3,
          "web_searches_kcount": 10, "requests_kcount": 5, "input_text_mtok": null})")));
  EXPECT_THAT(read.document.prices, ElementsAre(row));
  EXPECT_THAT(read.warnings, IsEmpty());
}

TEST(GenaiPrices, RoundsFinerDecimalsHalfUpAndSaysSo) {
  Price row = Row("gpt-4o");
  At(row, usage::TokenClass::kUncachedInput) = 83'333'333;
  At(row, usage::TokenClass::kVisibleOutput) = 1;
  const ReadDocument read =
      Read(FeedOf(ModelOf(R"({"input_mtok": 0.08333333333333334, "output_mtok": 0.0000000005})")));
  EXPECT_THAT(read.document.prices, ElementsAre(row));
  EXPECT_THAT(read.warnings, ElementsAre("input_mtok was rounded to nano-USD: openai/gpt-4o",
                                         "output_mtok was rounded to nano-USD: openai/gpt-4o"));
}

TEST(GenaiPrices, ATierStartsWithTheFirstTokenBeyond) {
  Price small = Row("gpt-4o"), middle = Row("gpt-4o"), large = Row("gpt-4o");
  middle.min_input_tokens = 128'001;
  large.min_input_tokens = 200'001;
  At(small, usage::TokenClass::kUncachedInput) = 1'000'000'000;
  At(middle, usage::TokenClass::kUncachedInput) = 1'000'000'000;
  At(large, usage::TokenClass::kUncachedInput) = 2'000'000'000;
  At(small, usage::TokenClass::kVisibleOutput) = 3'000'000'000;
  At(middle, usage::TokenClass::kVisibleOutput) = 4'000'000'000;
  At(large, usage::TokenClass::kVisibleOutput) = 5'000'000'000;
  for (Price* row : {&small, &middle, &large})
    At(*row, usage::TokenClass::kCacheRead) = 100'000'000;
  EXPECT_THAT(Read(FeedOf(ModelOf(
                       R"({"input_mtok": {"base": 1, "tiers": [{"start": 200000, "price": 2}]},
                           "cache_read_mtok": 0.1,
                           "output_mtok": {"base": 3, "tiers": [{"start": 200000, "price": 5},
                              {"start": 128000, "price": 4}]}})")))
                  .document.prices,
              ElementsAre(small, middle, large));
}

TEST(GenaiPrices, ReadsPricesThatBeginLaterAndThoseOfHours) {
  Price base = Row("gpt-4o"), later = Row("gpt-4o"), by_day = Row("gpt-4o");
  At(base, usage::TokenClass::kUncachedInput) = 1'000'000'000;
  At(later, usage::TokenClass::kUncachedInput) = 2'000'000'000;
  At(by_day, usage::TokenClass::kUncachedInput) = 3'000'000'000;
  later.effective_time = absl::FromCivil(absl::CivilDay(2026, 9, 1), absl::UTCTimeZone());
  by_day.daily = {absl::Minutes(30), absl::Hours(16) + absl::Minutes(30)};
  const ReadDocument read = Read(FeedOf(ModelOf(
      R"([{"prices": {"input_mtok": 1}},
          {"constraint": {"start_date": "2026-09-01"}, "prices": {"input_mtok": 2}},
          {"constraint": {"start_time": "00:30:00Z", "end_time": "16:30:00+00:00"},
           "prices": {"input_mtok": 3}},
          {"constraint": null, "prices": {"input_mtok": 4}}])")));
  EXPECT_THAT(read.document.prices, ElementsAre(base, later, by_day));
  EXPECT_THAT(read.warnings,
              ElementsAre("prices for the same time again are left out: openai/gpt-4o"));
}

TEST(GenaiPrices, EachAlternativeOfANameIsARow) {
  std::vector<Price> rows = {Row("gpt-4o"),
                             Row("GPT-4o-", Kind::kPrefix),
                             Row("-4o", Kind::kSuffix),
                             Row("4o", Kind::kContains),
                             Row("^o\\d$", Kind::kRegex),
                             Row("o1")};
  for (Price& row : rows) At(row, usage::TokenClass::kUncachedInput) = 1'000'000'000;
  EXPECT_THAT(Read(FeedOf(R"({"id": "x", "prices": {"input_mtok": 1}, "match": {"or": [
             {"equals": "gpt-4o"}, {"starts_with": "GPT-4o-"}, {"ends_with": "-4o"},
             {"or": [{"contains": "4o"}, {"regex": "^o\\d$"}]}, {"and": [{"equals": "o1"}]}]}})"))
                  .document.prices,
              ::testing::ElementsAreArray(rows));
}

TEST(GenaiPrices, TheFirstModelOfANameCounts) {
  const ReadDocument read = Read(FeedOf(
      R"({"id": "a", "match": {"equals": "m"}, "prices": {"input_mtok": 1}},
         {"id": "b", "match": {"or": [{"equals": "M"}, {"equals": "n"}]},
           "prices": {"input_mtok": 2}},
         {"id": "c", "match": {"equals": "m"}, "prices": {"input_mtok": 1}})"));
  ASSERT_EQ(read.document.prices.size(), 2u);
  EXPECT_EQ(read.document.prices[0].model.text(), "m");
  EXPECT_EQ(read.document.prices[1].model.text(), "n");
  EXPECT_THAT(
      read.warnings,
      ElementsAre("other prices for a name that an earlier model has are left out: openai/b"));
}

TEST(GenaiPrices, NoPricesAreNotFreeUnlessTheNameSaysSo) {
  Price row = Row("llama:free");
  At(row, usage::TokenClass::kUncachedInput) = 0;
  At(row, usage::TokenClass::kVisibleOutput) = 0;
  const ReadDocument read =
      Read(FeedOf(R"({"id": "llama:free", "match": {"equals": "llama:free"}, "prices": {}},
                     {"id": "llama", "match": {"equals": "llama"}, "prices": {}})"));
  EXPECT_THAT(read.document.prices, ElementsAre(row));
  EXPECT_THAT(read.warnings, ElementsAre("has no prices and is left out: openai/llama"));
}

TEST(GenaiPrices, LeavesOutWhatItDoesNotKnowAndSaysSo) {
  const ReadDocument read = Read(FeedOf(
      absl::StrCat(
          ModelOf(R"({"input_mtok": 1, "tool_mtok": 2, "input_text_mtok": 2, "per_day": 3})"),
          R"(, {"id": "b", "prices": {"input_mtok": 1}, "new": [1],
                         "match": {"and": [{"contains": "a"}, {"contains": "b"}]}})"),
      R"(, "new": {}, "extractors": [{"api_flavor": "chat", "root": "usage", "model_path": "model",
             "mappings": [{"path": "a", "dest": "input_tokens"}, {"path": "b",
               "dest": "b_tokens"}]}])"));
  EXPECT_EQ(read.document.prices.size(), 1u);
  EXPECT_EQ(read.document.providers.at(0).extractors.at(0).mappings.size(), 1u);
  EXPECT_THAT(read.warnings,
              ElementsAre("names that must match several patterns at once are left out: openai/b",
                          "price input_text_mtok is not known and left out: openai/gpt-4o",
                          "price per_day is not known and left out: openai/gpt-4o",
                          "price tool_mtok is not known and left out: openai/gpt-4o",
                          "quantity b_tokens is not known and left out: openai/chat"));
}

TEST(GenaiPrices, ModelsWithoutAPriceAreThoseOfOtherProviders) {
  Price row = Row("", Kind::kPrefix);
  row.same_as = "mistral/*, anthropic/*";
  EXPECT_THAT(
      Read(FeedOf("", R"(, "fallback_model_providers": ["mistral", "anthropic"])")).document.prices,
      ElementsAre(row));
}

TEST(GenaiPrices, ProvidersHaveTheFeedsNamesAndThosePeopleUse) {
  const auto list = PriceList::Make(
      Read(R"([{"id": "anthropic", "models": [], "provider_match": {"contains": "anthropic"}},
               {"id": "aws", "models": [], "provider_match": {"or": [{"contains": "bedrock"},
                   {"and": [{"starts_with": "amazon"}, {"ends_with": "models"}]}]}},
               {"id": "azure", "models": []},
               {"id": "openai", "models": [], "provider_match": {"contains": "openai"}},
               {"id": "x-ai", "models": []}, {"id": "google", "models": []}])")
          .document);
  ASSERT_TRUE(list.ok()) << list.status();
  const std::pair<const char*, const char*> cases[] = {
      {"bedrock", "aws"},        {"my-bedrock", "aws"},
      {"amazon-models", "aws"},  {"amazon", "aws"},
      {"azure_openai", "azure"}, {"openai-eu", "openai"},
      {"xai", "x-ai"},           {"vertex_ai-anthropic_models", "google"},
      {"amazonia", ""},
  };
  for (const auto& [name, id] : cases) EXPECT_EQ((*list)->ProviderOfAlias(name), id) << name;
}

TEST(GenaiPrices, ExtractorsReadWhatTheyAreMadeFor) {
  const ReadDocument read = Read(FeedOf("", R"(, "extractors": [
      {"api_flavor": "default", "root": ["response", "usage"], "model_path": "model", "mappings": [
        {"path": "total", "dest": "input_tokens", "required": true},
        {"path": ["details", {"type": "array-match", "field": "modality",
                              "match": {"or": [{"equals": "AUDIO"},
                                {"equals": "SOUND"}]}}, "count"],
         "dest": "input_audio_tokens", "required": false}]}])"));
  ASSERT_EQ(read.document.providers.at(0).extractors.size(), 1u);
  const auto reading =
      usage::ReadProviderUsage(read.document.providers[0].extractors[0],
                               R"({"model": "m", "response": {"usage": {"total": 10, "details": [
           {"modality": "text", "count": 1}, {"modality": "sound", "count": 7}]}}})");
  ASSERT_TRUE(reading.ok()) << reading.status();
  EXPECT_EQ(reading->model, "m");
  EXPECT_EQ(reading->tokens[usage::TokenClass::kUncachedInput], 3);
  EXPECT_EQ(reading->tokens[usage::TokenClass::kInputAudio], 7);
}

TEST(GenaiPrices, NamesTheRowAndTheFieldThatCannotBeRead) {
  const std::pair<std::string, const char*> cases[] = {
      {ModelOf(R"({"input_mtok": -1})"),
       "openai/gpt-4o.prices.input_mtok: is -1; must be a number of USD that is not negative"},
      {ModelOf(R"({"input_mtok": -0.5})"),
       "openai/gpt-4o.prices.input_mtok: is \"-0.5\"; must be a number of USD"},
      {ModelOf(R"({"input_mtok": true})"), "openai/gpt-4o.prices.input_mtok: is true; must be"},
      {ModelOf(R"({"input_mtok": "ten"})"), "openai/gpt-4o.prices.input_mtok: is \"ten\"; must be"},
      {ModelOf(R"({"input_mtok": [1]})"), "openai/gpt-4o.prices.input_mtok: is an array; must be"},
      {ModelOf(R"({"input_mtok": 1e10})"),
       "openai/gpt-4o.prices.input_mtok: is \"1e10\"; that is too large for a price"},
      {ModelOf(R"({"input_mtok": 1e999})"), "the document is no JSON"},
      {ModelOf(R"({"input_mtok": {"base": 1}})"),
       "openai/gpt-4o.prices.input_mtok.tiers: must be an array of at most 32 tiers"},
      {ModelOf(R"({"input_mtok": {"base": 1, "tiers": [{"start": 0, "price": 1}]}})"),
       "openai/gpt-4o.prices.input_mtok.tiers[0].start: must be a whole number of tokens"},
      {ModelOf(R"({"input_mtok": {"base": 1, "tiers": [{"start": 5, "price": 1},
                                                         {"start": 5, "price": 2}]}})"),
       "openai/gpt-4o.prices.input_mtok.tiers[1].start: is there twice"},
      {ModelOf(R"([{"constraint": {"start_date": "soon"}, "prices": {}}])"),
       "openai/gpt-4o.prices[0].constraint.start_date: must be like 2026-01-31"},
      {ModelOf(R"([{"constraint": {"start_date": "12345-1-01"}, "prices": {}}])"),
       "openai/gpt-4o.prices[0].constraint.start_date: must be like 2026-01-31"},
      {ModelOf(R"([{"constraint": {"weekday": 1}, "prices": {}}])"),
       "openai/gpt-4o.prices[0].constraint.weekday: is no constraint"},
      {ModelOf(R"([{"constraint": {"start_time": "25:00:00Z", "end_time": "01:00:00Z"}}])"),
       "openai/gpt-4o.prices[0].constraint.start_time: must be a time in UTC like 16:30:00Z"},
      {ModelOf("[7]"), "openai/gpt-4o.prices[0]: must be an object"},
      {ModelOf("null"), "openai/gpt-4o.prices: must be an object"},
      {R"({"id": "a", "match": {"equals": ""}, "prices": {}})",
       "openai/a.match.equals: has 0 bytes; allowed are 1 to 256"},
      {R"({"id": "a", "match": {"or": [{"like": "x"}]}, "prices": {}})",
       "openai/a.match.or[0].like: is no kind of match"},
      {R"({"id": "a", "match": {"regex": "("}, "prices": {}})",
       "openai/a.match.regex: \"(\" is no regular expression"},
      {R"({"id": "a", "prices": {}})", "openai/a.match: must be an object like"},
      {R"({"match": {"equals": "x"}})", "openai.models[0].id: is missing"},
      {"7", "openai.models[0]: must be an object"},
  };
  for (const auto& [models, error] : cases) {
    EXPECT_THAT(ErrorOf(FeedOf(models)), HasSubstr(error)) << models;
  }
}

TEST(GenaiPrices, NamesTheProviderThatCannotBeRead) {
  const std::pair<std::string, const char*> cases[] = {
      {"{}", "a genai-prices feed is an array of providers"},
      {"[7]", "providers[0]: must be an object"},
      {R"([{"models": []}])", "providers[0].id: is missing; it must be text"},
      {R"([{"id": "a/b", "models": []}])", "providers[0].id: must be a name without"},
      {R"([{"id": "a"}])", "a.models: must be an array"},
      {R"([{"id": "a", "models": []}, {"id": "A", "models": []}])",
       "providers[1].id: \"A\" is there twice"},
      {FeedOf("", R"(, "extractors": [{"api_flavor": "x", "root": "usage", "model_path": "model",
                         "mappings": [{"path": [], "dest": "input_tokens"}]}])"),
       "providers[0].extractors[0].mappings[0].path: must be a field's name, or an array"},
      {FeedOf("", R"(, "extractors": [{"api_flavor": "x", "root": [7], "model_path": "model"}])"),
       "providers[0].extractors[0].root[0]: must be a field's name, or an object"},
      {FeedOf("", R"(, "provider_match": {"contains": 7})"),
       "providers[0].provider_match.contains: must be text"},
      {FeedOf("", R"(, "fallback_model_providers": ["a, b"])"),
       "providers[0].fallback_model_providers: must be a name without"},
      {FeedOf("", R"(, "fallback_model_providers": "openai")"),
       "providers[0].fallback_model_providers: must be an array"},
  };
  for (const auto& [feed, error] : cases) EXPECT_THAT(ErrorOf(feed), HasSubstr(error)) << feed;
}

TEST(GenaiPrices, ASourceThatIsNotPrintableIsLeftOut) {
  const ReadDocument read = Read(R"([{"id": "a", "pricing_urls": ["https://a\u007f"], "models": [
      {"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 1}}]}])");
  ASSERT_EQ(read.document.prices.size(), 1u);
  EXPECT_EQ(read.document.prices[0].source, "");
}

TEST(GenaiPrices, RefusesFeedsThatAreTooLarge) {
  EXPECT_EQ(ErrorOf(std::string(kFeedBytesMax + 1, ' ')),
            "the feed has 16777217 bytes; at most 16 MiB are allowed");
  // 100 names, each with 33 sizes, in each of 31 models.
  std::string models;
  for (int m = 0; m < 31; ++m) {
    std::string match, tiers;
    for (int i = 0; i < 100; ++i) {
      absl::StrAppend(&match, i ? "," : "", "{\"equals\": \"m", m, "-", i, "\"}");
    }
    for (int i = 1; i <= 32; ++i) {
      absl::StrAppend(&tiers, i > 1 ? "," : "", "{\"start\": ", i, ", \"price\": 1}");
    }
    absl::StrAppend(&models, m ? "," : "", R"({"id": "x", "match": {"or": [)", match,
                    R"(]}, "prices": {"input_mtok": {"base": 1, "tiers": [)", tiers, "]}}}");
  }
  EXPECT_EQ(ErrorOf(FeedOf(models)), "the feed comes to more than 100000 rows of prices");
}

}  // namespace
}  // namespace bursar::pricing
