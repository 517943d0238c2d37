#include "bench/pricing.h"

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "pricing/price_book.h"
#include "pricing/price_document.h"

namespace bursar::bench {
namespace {

using Kind = usage::NamePattern::Kind;
using usage::Model;
using usage::TokenClass;

constexpr char kFeed[] = "../shared/data/genai_prices_v2.json";
constexpr size_t kRowsMin = 1500;   // where the feed is not there
constexpr size_t kBlock = 100;      // calls timed together, each of another model
constexpr size_t kBlocksMin = 200;  // of each round

// The feed; without it, the built-in prices under so many providers' names that they are as many.
pricing::PriceDocument Prices() {
  std::ifstream file(kFeed);
  std::stringstream text;
  text << file.rdbuf();
  if (file.good()) {
    auto feed = pricing::ReadPrices("genai-prices", text.str());
    if (feed.ok()) return std::move(feed->document);
  }
  const pricing::PriceDocument built_in = pricing::PriceList::Default().value()->document();
  pricing::PriceDocument prices = built_in;
  for (int copy = 2; prices.prices.size() < kRowsMin; ++copy) {
    for (pricing::Price price : built_in.prices) {
      absl::StrAppend(&price.provider, "-", copy);
      prices.prices.push_back(std::move(price));
    }
  }
  return prices;
}

// A name that the pattern means. Of an expression, nobody can say one so simply: "".
std::string NameFor(const usage::NamePattern& pattern) {
  switch (pattern.kind()) {
    case Kind::kExact:
      return pattern.text();
    case Kind::kPrefix:
      return pattern.text() + "-20260801";
    case Kind::kSuffix:
      return "latest-" + pattern.text();
    case Kind::kContains:
      return absl::StrCat("eu.", pattern.text(), "-v1:0");
    case Kind::kRegex:
      break;
  }
  return "";
}

void AppendModels(const pricing::PriceDocument& prices, std::vector<Model>& exact,
                  std::vector<Model>& patterns) {
  for (const pricing::Price& price : prices.prices) {
    const bool is_exact = price.model.kind() == Kind::kExact;
    const std::string name = NameFor(price.model);
    if (name.empty()) continue;
    (is_exact ? exact : patterns).push_back({.provider = price.provider, .name = name});
  }
}

// The median of blocks of calls, in nanoseconds for one.
double TimeOf(const pricing::PriceBook& book, std::vector<Model> models, int rounds,
              int64_t& priced) {
  usage::TokenUsage tokens;
  tokens[TokenClass::kUncachedInput] = 1200;
  tokens[TokenClass::kCacheRead] = 8000;
  tokens[TokenClass::kVisibleOutput] = 350;
  tokens[TokenClass::kReasoning] = 900;
  const absl::Time now = absl::Now();
  std::mt19937 random(1);  // the same order in every run
  std::vector<double> nanoseconds;
  for (size_t block = 0; block < kBlocksMin * rounds;) {
    std::shuffle(models.begin(), models.end(), random);
    for (size_t first = 0; first + kBlock <= models.size(); first += kBlock, ++block) {
      const absl::Time begin = absl::Now();
      for (size_t i = first; i < first + kBlock; ++i) {
        priced += book.CostOf(models[i], tokens, now) ? 1 : 0;
      }
      nanoseconds.push_back(absl::ToDoubleNanoseconds(absl::Now() - begin) / kBlock);
    }
  }
  return Median(std::move(nanoseconds));
}

}  // namespace

Outcome PriceRecord(const Options& options) {
  pricing::PriceDocument prices = Prices();
  std::vector<Model> exact, patterns;
  AppendModels(prices, exact, patterns);
  const double rows = static_cast<double>(prices.prices.size());
  auto list = pricing::PriceList::Make(std::move(prices));
  if (!list.ok()) return {.problem = std::string(list.status().message())};
  const pricing::PriceBook book("bench", *std::move(list));

  // As many names of the one kind as of the other, whatever the list has more of.
  std::vector<Model> mix = exact;
  for (size_t i = 0; i < exact.size(); ++i) mix.push_back(patterns[i % patterns.size()]);
  int64_t priced = 0;
  Outcome outcome;
  outcome.value = TimeOf(book, mix, options.rounds, priced);
  outcome.values = {{"ratio", outcome.value / 1000},
                    {"exact_ns", TimeOf(book, exact, options.rounds, priced)},
                    {"pattern_ns", TimeOf(book, patterns, options.rounds, priced)},
                    {"rows", rows}};
  if (priced == 0) outcome.problem = "no name had a price";
  return outcome;
}

}  // namespace bursar::bench
