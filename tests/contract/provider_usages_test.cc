// Real answers of providers, with the tokens and the prices that they must come to: what others
// established, from a price feed of theirs, is compared with what we make of that feed.
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pricing/money.h"
#include "pricing/price_book.h"
#include "pricing/price_document.h"
#include "usage/provider_usage.h"

namespace bursar {
namespace {

using Json = nlohmann::json;
using pricing::Int128;
using usage::TokenClass;

constexpr char kFeed[] = BURSAR_SOURCE_DIR "/../shared/data/genai_prices_v2.json";
constexpr char kUsages[] = BURSAR_SOURCE_DIR "/../shared/data/provider_usages.json";

// The prices in the file are those of the feed as of then; some of the feed's begin later.
const absl::Time kPricedAt = absl::FromCivil(absl::CivilHour(2026, 7, 15, 12), absl::UTCTimeZone());

// Models whose price the file gives and we do not, with the reason.
const std::map<std::string, std::string> kUnpricedByUs = {
    {"cerebras/qwen-3-coder-480b",
     "the feed has no prices for it ({}), which the file takes for 0"},
};

std::optional<std::string> ReadFile(const char* path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// In 10^-18 USD; of "0.00123" and "3.4E-7".
Int128 ParseDecimal(const std::string& decimal) {
  const size_t e = decimal.find_first_of("eE");
  int shift = 18 + (e == std::string::npos ? 0 : std::stoi(decimal.substr(e + 1)));
  Int128 value = 0;
  bool fraction = false;
  for (char c : decimal.substr(0, e)) {
    if (c == '.') {
      fraction = true;
      continue;
    }
    value = value * 10 + (c - '0');
    if (fraction) --shift;
  }
  EXPECT_GE(shift, 0) << decimal;
  for (int i = 0; i < shift; ++i) value *= 10;
  return value;
}

// What the pair must cost, in nano-USD; nullopt: its model has no price in the feed.
std::optional<int64_t> ExpectedCost(const Json& pair) {
  if (!pair.contains("input_price")) return std::nullopt;
  // total_price is there where something was used that is neither input nor output.
  const Int128 sum = pair.contains("total_price")
                         ? ParseDecimal(pair["total_price"])
                         : ParseDecimal(pair["input_price"]) + ParseDecimal(pair["output_price"]);
  return static_cast<int64_t>((sum + 500'000'000) / 1'000'000'000);
}

using Quantities = std::map<std::string, int64_t>;

// Text and what tools put in are parts without a price, which we do not keep.
bool IsKept(const std::string& quantity) {
  return !absl::StrContains(quantity, "_text_") && !absl::StrContains(quantity, "_tool_");
}

// Our disjoint classes, put together again to wholes and parts.
Quantities Recombined(const usage::TokenUsage& tokens, const Quantities& expected) {
  Quantities sums = {
      {"input_tokens", tokens.InputTokens()},
      {"output_tokens", tokens.OutputTokens()},
      {"cache_read_tokens", tokens[TokenClass::kCacheRead]},
      {"cache_write_tokens", tokens[TokenClass::kCacheWrite5m] + tokens[TokenClass::kCacheWrite1h]},
      {"cache_write_1h_tokens", tokens[TokenClass::kCacheWrite1h]},
      {"output_reasoning_tokens", tokens[TokenClass::kReasoning]},
      {"input_audio_tokens", tokens[TokenClass::kInputAudio]},
      {"output_audio_tokens", tokens[TokenClass::kOutputAudio]},
      {"input_image_tokens", tokens[TokenClass::kInputImage]},
      {"output_image_tokens", tokens[TokenClass::kOutputImage]},
  };
  // Written for five minutes is also what was written without saying for how long.
  if (expected.count("cache_write_5m_tokens") > 0) {
    sums["cache_write_5m_tokens"] = tokens[TokenClass::kCacheWrite5m];
  }
  for (const auto& [name, count] : tokens.other_tokens) {
    if (!absl::StartsWith(name, "cache_read_")) {
      sums[name + "_tokens"] += count;
      continue;
    }
    const std::string kind = name.substr(sizeof("cache_read_") - 1);
    sums["cache_read_tokens"] += count;
    sums["cache_" + kind + "_read_tokens"] += count;
    sums["input_" + kind + "_tokens"] += count;
  }
  for (const auto& [name, count] : tokens.billed_units) sums[name + "es"] += count;  // searches
  std::erase_if(sums, [](const auto& sum) { return sum.second == 0; });
  return sums;
}

struct Score {
  int pairs = 0, tokens_right = 0, priced = 0, cost_right = 0, unpriced = 0, unpriced_right = 0;
};

class ProviderUsages : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto feed = ReadFile(kFeed), usages = ReadFile(kUsages);
    if (!feed || !usages) GTEST_SKIP() << "not here: " << kFeed << " and " << kUsages;
    auto read = pricing::ReadPrices("genai-prices", *feed);
    ASSERT_TRUE(read.ok()) << read.status();
    for (const std::string& warning : read->warnings) std::cout << "warning: " << warning << "\n";
    document_ = std::move(read->document);
    auto list = pricing::PriceList::Make(document_);
    ASSERT_TRUE(list.ok()) << list.status();
    book_.emplace("feed", *list);
    rows_ = Json::parse(*usages);
  }

  // One answer, as one API of one provider says it.
  void Check(const std::string& body, const Json& quantities, const Json& pair);
  void CheckCost(const std::string& name, const usage::Model& model,
                 const usage::TokenUsage& tokens, const Json& pair, Score& score);

  pricing::PriceDocument document_;
  std::optional<pricing::PriceBook> book_;
  Json rows_;
  std::map<std::string, Score> scores_;        // by api_flavor
  std::map<std::string, int> unpriced_by_us_;  // pairs, by model
};

void ProviderUsages::Check(const std::string& body, const Json& quantities, const Json& pair) {
  const std::string provider = pair["provider_id"], flavor = pair["api_flavor"];
  Score& score = scores_[flavor];
  ++score.pairs;
  const std::string name = absl::StrCat(provider, "/", flavor, " reads ", body.substr(0, 500));
  const auto extractor = book_->FindExtractor(provider, flavor);
  ASSERT_TRUE(extractor.ok()) << extractor.status();
  const auto reading = usage::ReadProviderUsage(**extractor, body);
  if (!reading.ok()) {
    ADD_FAILURE() << reading.status() << ": " << name;
    return;
  }
  Quantities expected;
  for (const auto& [quantity, count] : quantities.items()) {
    if (IsKept(quantity) && count != 0) expected[quantity] = count;
  }
  const Quantities ours = Recombined(reading->tokens, expected);
  EXPECT_EQ(ours, expected) << name;
  score.tokens_right += ours == expected ? 1 : 0;
  CheckCost(name, {.provider = provider, .name = reading->model}, reading->tokens, pair, score);
}

void ProviderUsages::CheckCost(const std::string& name, const usage::Model& model,
                               const usage::TokenUsage& tokens, const Json& pair, Score& score) {
  const auto expected = ExpectedCost(pair);
  const auto cost = book_->CostOf(model, tokens, kPricedAt);
  ++(expected ? score.priced : score.unpriced);
  const std::string named = absl::StrCat(model.provider, "/", model.name);
  if (expected && !cost && kUnpricedByUs.count(named) > 0) {
    ++unpriced_by_us_[named];
    return;
  }
  EXPECT_EQ(cost.has_value(), expected.has_value()) << name;
  if (cost && expected) {
    EXPECT_EQ(cost->nanousd, *expected) << cost->priced_as << ": " << name;
  }
  const bool right = expected ? cost && cost->nanousd == *expected : !cost;
  if (right) ++(expected ? score.cost_right : score.unpriced_right);
}

TEST_F(ProviderUsages, ComeToTheSameTokensAndTheSameCost) {
  for (const Json& row : rows_) {
    const std::string body = row["body"].dump();
    for (const Json& extracted : row["extracted"]) {
      for (const Json& pair : extracted["extractors"]) Check(body, extracted["usage"], pair);
    }
  }
  Score all;
  for (const auto& [flavor, score] : scores_) {
    std::cout << absl::StrFormat("%-11s tokens %d of %d, cost %d of %d, unpriced %d of %d\n",
                                 flavor, score.tokens_right, score.pairs, score.cost_right,
                                 score.priced, score.unpriced_right, score.unpriced);
    all.priced += score.priced;
    all.cost_right += score.cost_right;
  }
  int not_priced = 0;
  for (const auto& [model, pairs] : unpriced_by_us_) {
    std::cout << model << ": not priced in " << pairs << " pairs: " << kUnpricedByUs.at(model)
              << "\n";
    not_priced += pairs;
  }
  EXPECT_EQ(all.cost_right + not_priced, all.priced);
  EXPECT_LE(not_priced * 100, all.priced);  // 1 %
}

// As the store keeps it.
TEST_F(ProviderUsages, FeedStaysTheSameInTheProjectsOwnFormat) {
  const auto again = pricing::ReadPrices("bursar", pricing::WritePrices(document_));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->document == document_);
  EXPECT_TRUE(again->warnings.empty());
}

}  // namespace
}  // namespace bursar
