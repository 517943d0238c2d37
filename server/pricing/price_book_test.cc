#include "pricing/price_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pricing/money.h"

namespace bursar::pricing {
namespace {

using testing::HasSubstr;
using usage::TokenClass;

constexpr char kBook[] = R"({"version": "test", "prices": [
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
]})";

const absl::Time kEarly = absl::FromCivil(absl::CivilDay(2026, 1, 1), absl::UTCTimeZone());
const absl::Time kLate = absl::FromCivil(absl::CivilDay(2026, 7, 1), absl::UTCTimeZone());

usage::TokenUsage Tokens(int64_t input, int64_t output) {
  usage::TokenUsage tokens;
  tokens[TokenClass::kUncachedInput] = input;
  tokens[TokenClass::kVisibleOutput] = output;
  return tokens;
}

class PriceBookTest : public testing::Test {
 protected:
  std::optional<int64_t> CostOf(const std::string& model, const usage::TokenUsage& tokens,
                                absl::Time time = kEarly, const std::string& tier = "") {
    auto cost = book_.CostOf({.provider = "p", .name = model, .service_tier = tier}, tokens, time);
    if (!cost) return std::nullopt;
    return cost->nanousd;
  }
  PriceBook book_ = PriceBook::Parse(kBook).value();
};

TEST_F(PriceBookTest, MultipliesEachClassAndRoundsOnce) {
  EXPECT_EQ(CostOf("m", Tokens(1000, 100)), 2'500'000 + 1'000'000);
  // 1 token of cache at 1.25 USD/M is 1250 nano-USD; nothing is lost on the way.
  usage::TokenUsage tokens = Tokens(0, 0);
  tokens[TokenClass::kCacheRead] = 1;
  EXPECT_EQ(CostOf("m", tokens), 1250);
}

TEST_F(PriceBookTest, AbsentClassesFallBackToInputOrOutput) {
  usage::TokenUsage tokens = Tokens(0, 0);
  tokens[TokenClass::kCacheWrite1h] = 1'000'000;
  tokens[TokenClass::kReasoning] = 1'000'000;
  tokens.other_tokens["input_video"] = 1'000'000;
  tokens.other_tokens["output_citation"] = 1'000'000;
  EXPECT_EQ(CostOf("m", tokens), (2'500 + 10'000 + 2'500 + 4'000) * int64_t{1'000'000});
}

TEST_F(PriceBookTest, BilledUnitsCostByTheThousand) {
  usage::TokenUsage tokens;
  tokens.billed_units["web_search"] = 3;
  EXPECT_EQ(CostOf("m", tokens), 30'000'000);
  tokens.billed_units["image"] = 1;
  EXPECT_EQ(CostOf("m", tokens), std::nullopt);
}

TEST_F(PriceBookTest, TakesThePriceInForceAndTheTierReached) {
  EXPECT_EQ(CostOf("m", Tokens(1'000'000, 0), kEarly), 2'500'000'000);
  EXPECT_EQ(CostOf("m", Tokens(200'000, 0), kLate), 400'000'000);
  EXPECT_EQ(CostOf("m", Tokens(200'001, 0), kLate), 800'004'000);
}

TEST_F(PriceBookTest, ATierOfItsOwnComesFirstAndAnUnknownOneIsStandard) {
  EXPECT_EQ(CostOf("m", Tokens(1'000'000, 0), kEarly, "batch"), 1'000'000'000);
  EXPECT_EQ(CostOf("m", Tokens(1'000'000, 0), kEarly, "priority"), 2'500'000'000);
}

TEST_F(PriceBookTest, TheLongestPrefixWins) {
  EXPECT_EQ(CostOf("m-x", Tokens(1'000'000, 0)), 1'000'000'000);
  EXPECT_EQ(CostOf("m-long-x", Tokens(1'000'000, 0)), 3'000'000'000);
  EXPECT_EQ(CostOf("m-lonf", Tokens(1'000'000, 0)), 1'000'000'000);
}

TEST_F(PriceBookTest, WhatHasNoPriceIsUnpricedNeverFree) {
  EXPECT_EQ(CostOf("unknown", Tokens(1, 1)), std::nullopt);
  EXPECT_EQ(CostOf("input-only", Tokens(1, 1)), std::nullopt);
  EXPECT_EQ(CostOf("input-only", Tokens(1, 0)), 7'000);
  EXPECT_EQ(CostOf("m", Tokens(1'000'000'000'000, 1'000'000'000'000)), std::nullopt);  // > 10^15
}

TEST(PriceBook, ABadRowIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"version":"v","prices":[{"provider":"p","model":"m","input":2.5}]})", "prices[0].input"},
      {R"({"version":"v","prices":[{"provider":"p","model":"m","input":"-1"}]})",
       "prices[0].input"},
      {R"({"version":"v","prices":[{"model":"m"}]})", "prices[0].provider"},
      {R"({"version":"v","prices":[{"provider":"p","model":"m","effective_time":"soon"}]})",
       "prices[0].effective_time"},
      {R"({"prices":[]})", "version"},
      {R"([])", "JSON object"},
      {R"({"version":)", "JSON object"},
  };
  for (const auto& [text, named] : cases) {
    const auto book = PriceBook::Parse(text);
    ASSERT_FALSE(book.ok()) << text;
    EXPECT_THAT(std::string(book.status().message()), HasSubstr(named));
  }
}

TEST(PriceBook, TheBuiltInBookPricesTodaysModels) {
  const auto book = PriceBook::Default();
  ASSERT_TRUE(book.ok()) << book.status();
  for (const auto& [provider, name] : {std::pair{"openai", "gpt-4o"},
                                       {"openai", "gpt-5-mini"},
                                       {"anthropic", "claude-sonnet-4-5"},
                                       {"google", "gemini-2.5-flash"},
                                       {"mistral", "mistral-large-latest"},
                                       {"deepseek", "deepseek-chat"},
                                       {"groq", "llama-3.3-70b-versatile"},
                                       {"x-ai", "grok-3"}}) {
    EXPECT_TRUE(book->CostOf({.provider = provider, .name = name}, Tokens(10, 10), kLate)) << name;
  }
}

}  // namespace
}  // namespace bursar::pricing
