#include "pricing/price_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "pricing/money.h"
#include "pricing/price_document.h"

namespace bursar::pricing {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using usage::TokenClass;

constexpr int64_t kMillion = 1'000'000;

std::shared_ptr<const PriceList> ListOf(absl::string_view json) {
  auto read = ReadPrices("bursar", json);
  EXPECT_TRUE(read.ok()) << read.status();
  auto list = PriceList::Make(std::move(read->document));
  EXPECT_TRUE(list.ok()) << list.status();
  return *list;
}

PriceBook BookOf(absl::string_view json) { return {"test", ListOf(json)}; }

absl::Time On(int year, int month, int day, int hour = 0, int minute = 0) {
  return absl::FromCivil(absl::CivilMinute(year, month, day, hour, minute), absl::UTCTimeZone());
}
const absl::Time kEarly = On(2026, 1, 1);
const absl::Time kLate = On(2026, 7, 1);

usage::TokenUsage Tokens(int64_t input, int64_t output) {
  usage::TokenUsage tokens;
  tokens[TokenClass::kUncachedInput] = input;
  tokens[TokenClass::kVisibleOutput] = output;
  return tokens;
}

usage::TokenUsage Other(const std::string& name, int64_t count) {
  usage::TokenUsage tokens;
  tokens.other_tokens[name] = count;
  return tokens;
}

std::optional<int64_t> CostOf(const PriceBook& book, const usage::Model& model,
                              const usage::TokenUsage& tokens, absl::Time time = kEarly) {
  const auto cost = book.CostOf(model, tokens, time);
  if (!cost) return std::nullopt;
  return cost->nanousd;
}

// By which row a call of so many input tokens goes; "" where there is no price.
std::string PricedAs(const PriceBook& book, const usage::Model& model, absl::Time time = kEarly) {
  const auto cost = book.CostOf(model, Tokens(1, 1), time);
  return cost ? cost->priced_as : "";
}

class PriceBookTest : public testing::Test {
 protected:
  std::optional<int64_t> CostOf(const std::string& model, const usage::TokenUsage& tokens,
                                absl::Time time = kEarly, const std::string& tier = "") {
    return pricing::CostOf(book_, {.provider = "p", .name = model, .service_tier = tier}, tokens,
                           time);
  }
  const PriceBook book_ = BookOf(R"({"version": "test", "prices": [
    {"provider": "p", "model": "m", "input": "2.50", "cache_read": "1.25", "output": "10",
     "other": {"output_citation": "4"}, "billed_units": {"web_search": "10"},
     "max_output_tokens": 100},
    {"provider": "p", "model": "m", "input": "2", "output": "8",
     "effective_time": "2026-06-01T00:00:00Z"},
    {"provider": "p", "model": "m", "input": "4", "output": "16", "min_input_tokens": 200001,
     "effective_time": "2026-06-01T00:00:00Z"},
    {"provider": "p", "model": "m", "input": "1", "output": "4", "service_tier": "batch"},
    {"provider": "p", "model": "m-*", "input": "1", "output": "1"},
    {"provider": "p", "model": "m-long-*", "input": "3", "output": "3"},
    {"provider": "p", "model": "input-only", "input": "7"}
  ]})");
};

TEST_F(PriceBookTest, MultipliesEachClassAndRoundsOnce) {
  EXPECT_EQ(CostOf("m", Tokens(1000, 100)), 2'500'000 + 1'000'000);
  // 1 token of cache at 1.25 USD/M is 1250 nano-USD; nothing is lost on the way.
  usage::TokenUsage tokens = Tokens(0, 0);
  tokens[TokenClass::kCacheRead] = 1;
  EXPECT_EQ(CostOf("m", tokens), 1250);
}

TEST_F(PriceBookTest, BilledUnitsCostByTheThousand) {
  usage::TokenUsage tokens;
  tokens.billed_units["web_search"] = 3;
  EXPECT_EQ(CostOf("m", tokens), 30'000'000);
  tokens.billed_units["image"] = 0;
  EXPECT_EQ(CostOf("m", tokens), 30'000'000);
  tokens.billed_units["image"] = 1;
  EXPECT_EQ(CostOf("m", tokens), std::nullopt);
}

TEST_F(PriceBookTest, TakesThePriceInForceAndTheTierReached) {
  EXPECT_EQ(CostOf("m", Tokens(kMillion, 0), kEarly), 2'500'000'000);
  EXPECT_EQ(CostOf("m", Tokens(200'000, 0), kLate), 400'000'000);
  EXPECT_EQ(CostOf("m", Tokens(200'001, 0), kLate), 800'004'000);
  EXPECT_EQ(CostOf("m", Tokens(1, 0), On(2026, 6, 1)), 2'000);
  EXPECT_EQ(CostOf("m", Tokens(1, 0), On(2026, 6, 1) - absl::Nanoseconds(1)), 2'500);
}

TEST_F(PriceBookTest, ATierOfItsOwnComesFirstAndAnUnknownOneIsStandard) {
  EXPECT_EQ(CostOf("m", Tokens(kMillion, 0), kEarly, "batch"), 1'000'000'000);
  EXPECT_EQ(CostOf("m", Tokens(kMillion, 0), kLate, "BATCH"), 1'000'000'000);
  EXPECT_EQ(CostOf("m", Tokens(kMillion, 0), kEarly, "priority"), 2'500'000'000);
}

TEST_F(PriceBookTest, TheLongestPrefixWins) {
  EXPECT_EQ(CostOf("m-x", Tokens(kMillion, 0)), 1'000'000'000);
  EXPECT_EQ(CostOf("m-long-x", Tokens(kMillion, 0)), 3'000'000'000);
  EXPECT_EQ(CostOf("m-lonf", Tokens(kMillion, 0)), 1'000'000'000);
}

TEST_F(PriceBookTest, WhatHasNoPriceIsUnpricedNeverFree) {
  EXPECT_EQ(CostOf("unknown", Tokens(1, 1)), std::nullopt);
  EXPECT_EQ(CostOf("input-only", Tokens(1, 1)), std::nullopt);
  EXPECT_EQ(CostOf("input-only", Tokens(1, 0)), 7'000);
  EXPECT_EQ(CostOf("m", Tokens(1'000'000'000'000, 1'000'000'000'000)), std::nullopt);  // > 10^15
  EXPECT_EQ(PricedAs(book_, {.provider = "", .name = "m"}), "");
  EXPECT_EQ(PricedAs(book_, {.provider = "q", .name = "m"}), "");
}

TEST_F(PriceBookTest, TheCaseOfNamesMakesNoDifferenceAndNamesMayBeLong) {
  EXPECT_EQ(PricedAs(book_, {.provider = "P", .name = "M-Long-X"}), "p/m-long-*");
  EXPECT_EQ(PricedAs(book_, {.provider = "p", .name = "m-long-" + std::string(5000, 'X')}),
            "p/m-long-*");
}

TEST(PriceBook, ARequestIsChargedOnceThoughNobodyCountsItElseAsOftenAsItIsCounted) {
  const PriceBook book = BookOf(R"({"prices": [
    {"provider": "p", "model": "m", "input": "1", "billed_units": {"request": "5"}}]})");
  const usage::Model model{.provider = "p", .name = "m"};
  usage::TokenUsage tokens = Tokens(1000, 0);
  EXPECT_EQ(CostOf(book, model, tokens), 1'000'000 + 5'000'000);
  tokens.billed_units["request"] = 1;
  EXPECT_EQ(CostOf(book, model, tokens), 1'000'000 + 5'000'000);
  tokens.billed_units["request"] = 3;
  EXPECT_EQ(CostOf(book, model, tokens), 1'000'000 + 15'000'000);
}

// A price for each class, such that what is charged says which price it was.
TEST(PriceBook, AClassWithoutAPriceFallsBack) {
  const PriceBook book = BookOf(R"({"prices": [
    {"provider": "p", "model": "bare", "input": "1", "output": "2"},
    {"provider": "p", "model": "cached", "input": "1", "output": "2", "cache_read": "3",
     "cache_write_5m": "4", "input_audio": "5", "input_image": "6", "reasoning": "7",
     "output_audio": "8", "output_image": "9"},
    {"provider": "p", "model": "full", "input": "1", "output": "2", "cache_read": "3",
     "cache_write_1h": "4", "input_audio": "5",
     "other": {"cache_read_audio": "11", "input_video": "12", "output_video": "13", "video": "14"}},
    {"provider": "p", "model": "video", "input": "1", "other": {"input_video": "12"},
     "input_audio": "5"},
    {"provider": "p", "model": "none", "cache_read": "3"}
  ]})");
  const auto price = [&book](const char* model, const usage::TokenUsage& tokens) {
    const auto cost = CostOf(book, {.provider = "p", .name = model}, tokens);
    return cost ? *cost / 1000 : -1;  // dollars for a million tokens
  };
  const auto of_class = [&price](const char* model, TokenClass token_class) {
    usage::TokenUsage tokens;
    tokens[token_class] = 1;
    return price(model, tokens);
  };
  const auto of_classes = [&of_class](const char* model) {
    std::vector<int64_t> prices;
    for (int i = 0; i < usage::kTokenClasses; ++i) {
      prices.push_back(of_class(model, static_cast<TokenClass>(i)));
    }
    return prices;
  };
  // uncached, read, 5m, 1h, output, reasoning, in audio, out audio, in image, out image
  EXPECT_THAT(of_classes("bare"), ElementsAre(1, 1, 1, 1, 2, 2, 1, 2, 1, 2));
  EXPECT_THAT(of_classes("cached"), ElementsAre(1, 3, 4, 4, 2, 7, 5, 8, 6, 9));
  EXPECT_THAT(of_classes("full"), ElementsAre(1, 3, 1, 4, 2, 2, 5, 2, 1, 2));
  EXPECT_THAT(of_classes("none"), ElementsAre(-1, 3, -1, -1, -1, -1, -1, -1, -1, -1));

  EXPECT_EQ(price("full", Other("cache_read_audio", 1)), 11);
  EXPECT_EQ(price("full", Other("cache_read_image", 1)), 3);
  EXPECT_EQ(price("full", Other("input_video", 1)), 12);
  EXPECT_EQ(price("full", Other("input_text", 1)), 1);
  EXPECT_EQ(price("full", Other("output_video", 1)), 13);
  EXPECT_EQ(price("full", Other("output_text", 1)), 2);
  EXPECT_EQ(price("full", Other("video", 1)), 14);
  EXPECT_EQ(price("full", Other("anything", 1)), 1);
  EXPECT_EQ(price("video", Other("cache_read_video", 1)), 12);
  EXPECT_EQ(price("video", Other("cache_read_audio", 1)), 5);
  EXPECT_EQ(price("video", Other("cache_read_text", 1)), 1);
  EXPECT_EQ(price("video", Other("cache_write_video", 1)), 12);
  EXPECT_EQ(price("cached", Other("cache_write_video", 1)), 4);
  EXPECT_EQ(price("video", Other("output_video", 1)), -1);
  EXPECT_EQ(price("none", Other("cache_read_video", 1)), 3);
  EXPECT_EQ(price("none", Other("anything", 1)), -1);
}

TEST(PriceBook, RowsThatBeginLaterEndTheSizesAndHoursOfEarlierOnes) {
  const PriceBook book = BookOf(R"({"prices": [
    {"provider": "p", "model": "m", "input": "1"},
    {"provider": "p", "model": "m", "input": "2", "min_input_tokens": 200001},
    {"provider": "p", "model": "m", "input": "3", "daily_start_utc": "00:30",
     "daily_end_utc": "16:30"},
    {"provider": "p", "model": "m", "input": "4", "effective_time": "2026-03-01T00:00:00Z"}
  ]})");
  const usage::Model model{.provider = "p", .name = "m"};
  EXPECT_EQ(CostOf(book, model, Tokens(1, 0), On(2026, 2, 1, 20)), 1'000);
  EXPECT_EQ(CostOf(book, model, Tokens(300'000, 0), On(2026, 2, 1, 20)), 600'000'000);
  EXPECT_EQ(CostOf(book, model, Tokens(1, 0), On(2026, 2, 1, 12)), 3'000);
  EXPECT_EQ(CostOf(book, model, Tokens(300'000, 0), On(2026, 3, 1, 12)), 1'200'000'000);
}

TEST(PriceBook, HoursMayGoOverMidnightAndEndBeforeTheirEnd) {
  const PriceBook book = BookOf(R"({"prices": [
    {"provider": "p", "model": "m", "input": "2"},
    {"provider": "p", "model": "m", "input": "1", "daily_start_utc": "16:30",
     "daily_end_utc": "00:30"}
  ]})");
  const auto at = [&book](absl::Time time) {
    return CostOf(book, {.provider = "p", .name = "m"}, Tokens(1, 0), time).value();
  };
  EXPECT_EQ(at(On(2026, 2, 1, 16, 29)), 2'000);
  EXPECT_EQ(at(On(2026, 2, 1, 16, 30)), 1'000);
  EXPECT_EQ(at(On(2026, 2, 1, 23, 59)), 1'000);
  EXPECT_EQ(at(On(2026, 2, 2, 0, 29)), 1'000);
  EXPECT_EQ(at(On(2026, 2, 2, 0, 30)), 2'000);
  EXPECT_EQ(at(On(1960, 2, 2, 0, 29)), 1'000);  // before 1970 a day has hours too
}

TEST(PriceBook, TheCallsOwnRegionComesBeforeAnyOther) {
  const PriceBook book = BookOf(R"({"prices": [
    {"provider": "p", "model": "m", "input": "1"},
    {"provider": "p", "model": "m", "input": "2", "region": "eu-west-1"},
    {"provider": "p", "model": "m", "input": "3", "service_tier": "flex"},
    {"provider": "p", "model": "m", "input": "4", "region": "eu-west-1", "service_tier": "flex"}
  ]})");
  const auto at = [&book](const char* region, const char* tier) {
    return CostOf(book, {.provider = "p", .name = "m", .service_tier = tier, .region = region},
                  Tokens(1, 0))
        .value();
  };
  EXPECT_EQ(at("", ""), 1'000);
  EXPECT_EQ(at("us-east-1", ""), 1'000);
  EXPECT_EQ(at("EU-west-1", ""), 2'000);
  EXPECT_EQ(at("us-east-1", "flex"), 3'000);
  EXPECT_EQ(at("eu-west-1", "flex"), 4'000);
}

TEST(PriceBook, APatternWithoutAPriceThatCountsLeavesTheCallToTheNext) {
  const PriceBook book = BookOf(R"({"prices": [
    {"provider": "p", "model": "model", "input": "1", "output": "1",
     "effective_time": "2026-07-01T00:00:00Z"},
    {"provider": "p", "model": "mode*", "input": "2", "output": "2", "service_tier": "batch"},
    {"provider": "p", "model": "mo*", "input": "3", "output": "3"}
  ]})");
  EXPECT_EQ(PricedAs(book, {.provider = "p", .name = "model"}, kEarly), "p/mo*");
  EXPECT_EQ(PricedAs(book, {.provider = "p", .name = "model"}, kLate), "p/model");
  EXPECT_EQ(PricedAs(book, {.provider = "p", .name = "model", .service_tier = "batch"}, kEarly),
            "p/mode*");
}

constexpr char kAliases[] = R"({"prices": [
    {"provider": "openai", "model": "gpt-4o", "input": "1", "output": "1",
     "max_output_tokens": 100},
    {"provider": "openai", "model": "ft:gpt-4o*", "same_as": "gpt-4o"},
    {"provider": "azure", "model": "*", "same_as": "openai/*, anthropic/*"},
    {"provider": "azure", "model": "my-deployment", "same_as": "openai/gpt-4o",
     "max_output_tokens": 50},
    {"provider": "azure", "model": "chain", "same_as": "my-deployment"},
    {"provider": "anthropic", "model": "claude", "input": "3", "output": "3",
     "max_output_tokens": 10},
    {"provider": "azure", "model": "detour", "same_as": "p/nowhere, anthropic/claude"},
    {"provider": "p", "model": "nowhere", "same_as": "none", "max_output_tokens": 7},
    {"provider": "p", "model": "a", "same_as": "b"},
    {"provider": "p", "model": "b", "same_as": "p/a"},
    {"provider": "p", "model": "s0", "same_as": "s1"},
    {"provider": "p", "model": "s1", "same_as": "s2"},
    {"provider": "p", "model": "s2", "same_as": "s3"},
    {"provider": "p", "model": "s3", "same_as": "s4"},
    {"provider": "p", "model": "s4", "same_as": "s5"},
    {"provider": "p", "model": "s5", "input": "1", "output": "1"},
    {"provider": "p", "model": "meta/llama", "input": "1", "output": "1"},
    {"provider": "p", "model": "llama", "same_as": "meta/llama"}
  ], "providers": [
    {"id": "openai", "aliases": [{"contains": "openai"}]},
    {"id": "azure", "aliases": ["azure_openai", [{"prefix": "ms-"}, {"suffix": "-azure"}]]}
  ]})";

TEST(PriceBook, WhatIsTheSameAsAnotherModelIsPricedAsThat) {
  const PriceBook book = BookOf(kAliases);
  const auto priced_as = [&book](const char* provider, const char* name) {
    return PricedAs(book, {.provider = provider, .name = name});
  };
  EXPECT_EQ(priced_as("openai", "ft:gpt-4o:acme::1"), "openai/gpt-4o");
  EXPECT_EQ(priced_as("azure", "gpt-4o"), "openai/gpt-4o");
  EXPECT_EQ(priced_as("azure", "claude"), "anthropic/claude");
  EXPECT_EQ(priced_as("azure", "unknown"), "");
  EXPECT_EQ(priced_as("azure", "chain"), "openai/gpt-4o");
  EXPECT_EQ(priced_as("p", "llama"), "p/meta/llama");
  EXPECT_EQ(priced_as("p", "a"), "");  // a circle
  EXPECT_EQ(priced_as("p", "s1"), "p/s5");
  EXPECT_EQ(priced_as("p", "s0"), "");  // five steps
}

TEST(PriceBook, TheFirstRowOnTheWayThatKnowsHowLongAnswersAreSaysIt) {
  const PriceBook book = BookOf(kAliases);
  const auto max_of = [&book](const char* provider, const char* name) {
    return book.Find({.provider = provider, .name = name}, 1, kEarly)->max_output_tokens;
  };
  EXPECT_EQ(max_of("openai", "gpt-4o"), 100);
  EXPECT_EQ(max_of("openai", "ft:gpt-4o:x"), 100);
  EXPECT_EQ(max_of("azure", "my-deployment"), 50);
  EXPECT_EQ(max_of("azure", "chain"), 50);
  EXPECT_EQ(max_of("azure", "claude"), 10);
  EXPECT_EQ(max_of("azure", "detour"), 10);  // not of the row that led nowhere
}

TEST(PriceBook, AProviderIsNamedByItsIdElseByAnAlias) {
  const PriceBook book = BookOf(kAliases);
  EXPECT_EQ(PricedAs(book, {.provider = "OpenAI", .name = "GPT-4o"}), "openai/gpt-4o");
  EXPECT_EQ(PricedAs(book, {.provider = "my-OpenAI-proxy", .name = "gpt-4o"}), "openai/gpt-4o");
  EXPECT_EQ(PricedAs(book, {.provider = "MS-x-Azure", .name = "gpt-4o"}), "openai/gpt-4o");
  EXPECT_EQ(PricedAs(book, {.provider = "ms-x", .name = "gpt-4o"}), "");
  // An alias that is this very name comes before one that only matches it.
  EXPECT_EQ(PricedAs(book, {.provider = "azure_openai", .name = "my-deployment"}), "openai/gpt-4o");
  EXPECT_EQ(PricedAs(book, {.provider = "azure_openai_2", .name = "my-deployment"}), "");
}

TEST(PriceBook, ATenantsOwnRowsComeBeforeTheOperators) {
  const auto base = ListOf(kAliases);
  const auto own = ListOf(R"({"prices": [
    {"provider": "OpenAI", "model": "gpt-4o", "input": "0.5", "output": "0.5",
     "effective_time": "2026-07-01T00:00:00Z"},
    {"provider": "azure", "model": "new", "same_as": "anthropic/claude"},
    {"provider": "anthropic", "model": "cl*", "input": "9", "output": "9"},
    {"provider": "in-house", "model": "m", "input": "0", "output": "0"}
  ]})");
  const PriceBook book("b+o", base, own);
  EXPECT_EQ(book.version(), "b+o");
  const auto cost = [&book](const char* provider, const char* name, absl::Time time) {
    return CostOf(book, {.provider = provider, .name = name}, Tokens(1000, 0), time);
  };
  EXPECT_EQ(cost("openai", "gpt-4o", kEarly), 1'000'000);
  EXPECT_EQ(cost("openai", "gpt-4o", kLate), 500'000);
  EXPECT_EQ(cost("x-openai", "gpt-4o", kLate), 500'000);  // the alias is the operator's
  EXPECT_EQ(cost("azure", "gpt-4o", kLate), 500'000);     // so is the way there
  EXPECT_EQ(cost("azure", "new", kEarly), 9'000'000);
  EXPECT_EQ(cost("anthropic", "claude", kEarly), 9'000'000);
  EXPECT_EQ(cost("in-house", "m", kEarly), 0);
}

TEST(PriceBook, ExtractorsAreFoundByFlavorAndErrorsSayWhichThereAre) {
  const auto base = ListOf(R"({"providers": [
    {"id": "openai", "aliases": [{"contains": "openai"}], "extractors": [
      {"api_flavor": "responses", "mappings": []}, {"api_flavor": "chat", "mappings": []}]},
    {"id": "anthropic", "extractors": [
      {"api_flavor": "chat", "mappings": []}, {"api_flavor": "default", "mappings": []}]},
    {"id": "one", "extractors": [{"api_flavor": "special", "mappings": []}]},
    {"id": "two", "extractors": [
      {"api_flavor": "a", "mappings": []}, {"api_flavor": "b", "mappings": []}]},
    {"id": "none"}
  ]})");
  const PriceBook book("v", base, ListOf(R"({"providers": [{"id": "openai"},
      {"id": "none", "extractors": [{"api_flavor": "own", "mappings": []}]}]})"));
  const auto flavor = [&book](const char* provider, const char* asked) -> std::string {
    const auto found = book.FindExtractor(provider, asked);
    return found.ok() ? (*found)->api_flavor : std::string(found.status().message());
  };
  EXPECT_EQ(flavor("openai", ""), "chat");
  EXPECT_EQ(flavor("My-OpenAI", "Responses"), "responses");
  EXPECT_EQ(flavor("anthropic", ""), "default");
  EXPECT_EQ(flavor("one", ""), "special");
  EXPECT_EQ(flavor("none", ""), "own");
  EXPECT_THAT(flavor("openai", "chatt"),
              HasSubstr("api_flavor: is \"chatt\"; of openai the price book knows: "
                        "responses, chat"));
  EXPECT_THAT(flavor("two", ""),
              HasSubstr("api_flavor: must be given; of two the price book knows: a, b"));
  EXPECT_THAT(flavor("nobody", ""), HasSubstr("provider: \"nobody\""));
}

TEST(PriceBook, TheBuiltInBookPricesTodaysModels) {
  const auto book = PriceBook::Default();
  ASSERT_TRUE(book.ok()) << book.status();
  EXPECT_EQ(book->version(), "default-2026-08-21");
  const auto priced_as = [&book](const char* provider, const char* name) {
    return PricedAs(*book, {.provider = provider, .name = name}, On(2026, 8, 21));
  };
  EXPECT_EQ(priced_as("openai", "gpt-4o"), "openai/gpt-4o");
  EXPECT_EQ(priced_as("openai", "gpt-4o-mini"), "openai/gpt-4o-mini");
  EXPECT_EQ(priced_as("openai", "gpt-5-mini"), "openai/gpt-5-mini");
  EXPECT_EQ(priced_as("anthropic", "claude-sonnet-4-5-20250929"), "anthropic/claude-sonnet-4-5*");
  EXPECT_EQ(priced_as("google", "gemini-2.5-flash"), "google/gemini-2.5-flash");
  EXPECT_EQ(priced_as("vertex_ai", "claude-haiku-4-5@20251001"), "anthropic/claude-haiku-4-5*");
  EXPECT_EQ(priced_as("azure_openai", "gpt-5.2"), "openai/gpt-5.2");
  for (const auto& [provider, name] : {std::pair{"mistral", "mistral-large-latest"},
                                       {"deepseek", "deepseek-chat"},
                                       {"groq", "llama-3.3-70b-versatile"},
                                       {"x-ai", "grok-3"},
                                       {"xai", "grok-4"},
                                       {"aws", "amazon.nova-pro-v1:0"},
                                       {"bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"},
                                       {"azure", "gpt-4o"},
                                       {"cohere", "command-r-plus"}}) {
    EXPECT_NE(priced_as(provider, name), "") << provider << "/" << name;
  }
  EXPECT_EQ(book->Find({.provider = "openai", .name = "gpt-4o"}, 1, kLate)->max_output_tokens,
            16384);
}

// $1.25 and $10 a million for gpt-5, $3 and $15 for Claude Sonnet 4.5, $6 and $22.50 where its
// input is beyond 200,000 tokens: what their providers' own pages said.
TEST(PriceBook, TheBuiltInBookHasThePricesThatProvidersPublish) {
  const auto book = PriceBook::Default().value();
  const auto cost = [&book](const char* provider, const char* name, usage::TokenUsage tokens) {
    return CostOf(book, {.provider = provider, .name = name}, tokens, On(2026, 2, 1));
  };
  EXPECT_EQ(cost("openai", "gpt-5", Tokens(1000, 1000)), 1'250'000 + 10'000'000);
  EXPECT_EQ(cost("anthropic", "claude-sonnet-4-5", Tokens(1000, 1000)), 3'000'000 + 15'000'000);
  EXPECT_EQ(cost("anthropic", "claude-sonnet-4-5", Tokens(200'001, 1000)),
            1'200'006'000 + 22'500'000);
  usage::TokenUsage cached = Tokens(0, 0);
  cached[TokenClass::kCacheRead] = 1000;
  cached[TokenClass::kCacheWrite1h] = 1000;
  EXPECT_EQ(cost("anthropic", "claude-sonnet-4-5", cached), 300'000 + 6'000'000);
  cached.billed_units["web_search"] = 1;
  EXPECT_EQ(cost("anthropic", "claude-sonnet-4-5", cached), 300'000 + 6'000'000 + 10'000'000);
}

TEST(PriceBook, TheBuiltInBookReadsItsProvidersUsageAndNamesItsSources) {
  const auto book = PriceBook::Default().value();
  for (const char* provider : {"openai", "anthropic", "google", "mistral", "deepseek", "x-ai",
                               "groq", "aws", "azure", "cohere", "openrouter"}) {
    const auto extractor = book.FindExtractor(provider, "");
    ASSERT_TRUE(extractor.ok()) << extractor.status();
    EXPECT_FALSE((*extractor)->mappings.empty()) << provider;
  }
  for (const ListedPrice* row : book.List({})) {
    EXPECT_THAT(row->price->source, HasSubstr("(2026-08-21)")) << row->name;
  }
}

// The whole costs what its classes cost one by one, but for the one rounding.
TEST(PriceBook, TheSumIsThatOfItsClassesRoundedOnce) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    PriceDocument document;
    Price price{.provider = "p",
                .model = usage::NamePattern::Make(usage::NamePattern::Kind::kExact, "m").value()};
    for (auto& each : price.per_million) each = random() % 100'000'000'000;
    price.other["input_video"] = random() % 100'000'000'000;
    document.prices.push_back(price);
    const PriceBook book("v", PriceList::Make(document).value());
    usage::TokenUsage all;
    Int128 exact = 0;  // nano-USD x 10^6
    for (int i = 0; i < usage::kTokenClasses; ++i) {
      all.tokens[i] = random() % 1'000'000;
      exact += Int128{all.tokens[i]} * *price.per_million[i];
    }
    all.other_tokens["input_video"] = random() % 1'000'000;
    exact += Int128{all.other_tokens["input_video"]} * price.other["input_video"];
    const Int128 twice = Int128{*CostOf(book, {.provider = "p", .name = "m"}, all)} * 2'000'000;
    EXPECT_LE(twice - 2 * exact, kMillion);
    EXPECT_GT(twice - 2 * exact, -kMillion);
  }
}

}  // namespace
}  // namespace bursar::pricing
