#include "pricing/price_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "pricing/price_key.h"
#include "pricing/price_list.h"
#include "usage/field_error.h"

namespace bursar::pricing {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using usage::NamePattern;
using usage::TokenClass;
using Kind = NamePattern::Kind;

NamePattern Pattern(Kind kind, const std::string& text) {
  return NamePattern::Make(kind, text).value();
}

ReadDocument Read(absl::string_view text) {
  auto read = ReadPrices("bursar", text);
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *std::move(read) : ReadDocument();
}

std::string ErrorOf(absl::string_view text) {
  const auto read = ReadPrices("bursar", text);
  return read.ok() ? "read" : std::string(read.status().message());
}

// Of a document with one row that has these fields besides provider and model.
std::string RowError(absl::string_view fields) {
  return ErrorOf(absl::StrCat(R"({"prices": [{"provider": "p", "model": "m", )", fields, "}]}"));
}

TEST(ReadPrices, ReadsEveryFieldOfARow) {
  const ReadDocument read = Read(R"({"version": "v1", "currency": "USD", "prices": [
    {"provider": "p", "model": "m-*", "service_tier": "batch", "region": "eu",
     "min_input_tokens": 200001, "effective_time": "2026-03-01T00:00:00+01:00",
     "daily_start_utc": "16:30", "daily_end_utc": "00:30:15",
     "input": "2.50", "cache_read": "0.25", "cache_write_5m": "3", "cache_write_1h": "4",
     "output": "10", "reasoning": "11", "input_audio": "5", "output_audio": "6",
     "input_image": "7", "output_image": "8", "other": {"input_video": "9"},
     "billed_units": {"web_search": "10"}, "max_output_tokens": 64000, "source": "here"},
    {"provider": "p", "model": "x", "match": "contains", "same_as": "q/*, q/y"}]})");
  ASSERT_EQ(read.document.prices.size(), 2u);
  EXPECT_EQ(read.document.version, "v1");
  EXPECT_THAT(read.warnings, ElementsAre());
  const Price& price = read.document.prices[0];
  EXPECT_EQ(price.provider, "p");
  EXPECT_EQ(price.model, Pattern(Kind::kPrefix, "m-"));
  EXPECT_EQ(price.service_tier, "batch");
  EXPECT_EQ(price.region, "eu");
  EXPECT_EQ(price.min_input_tokens, 200001);
  EXPECT_EQ(price.effective_time,
            absl::FromCivil(absl::CivilHour(2026, 2, 28, 23), absl::UTCTimeZone()));
  EXPECT_EQ(price.daily->start, absl::Hours(16) + absl::Minutes(30));
  EXPECT_EQ(price.daily->end, absl::Minutes(30) + absl::Seconds(15));
  std::vector<int64_t> milli_dollars;
  for (const auto& each : price.per_million) milli_dollars.push_back(*each / 1'000'000);
  EXPECT_THAT(milli_dollars,
              ElementsAre(2500, 250, 3000, 4000, 10000, 11000, 5000, 6000, 7000, 8000));
  EXPECT_THAT(price.other, ElementsAre(testing::Pair("input_video", 9'000'000'000)));
  EXPECT_THAT(price.billed_units, ElementsAre(testing::Pair("web_search", 10'000'000'000)));
  EXPECT_EQ(price.max_output_tokens, 64000);
  EXPECT_EQ(price.source, "here");
  EXPECT_EQ(read.document.prices[1].model, Pattern(Kind::kContains, "x"));
  EXPECT_EQ(read.document.prices[1].same_as, "q/*, q/y");
}

TEST(ReadPrices, ReadsAModelsNameAsItsMatchSays) {
  const auto model = [](absl::string_view name, absl::string_view match) {
    const std::string row =
        absl::StrCat(R"({"prices": [{"provider": "p", "input": "1", "model": ")", name,
                     R"(", "match": ")", match, R"("}]})");
    return Read(row).document.prices.at(0).model;
  };
  EXPECT_EQ(model("Gpt", ""), Pattern(Kind::kExact, "Gpt"));
  EXPECT_EQ(model("gpt*", ""), Pattern(Kind::kPrefix, "gpt"));
  EXPECT_EQ(model("*", ""), Pattern(Kind::kPrefix, ""));
  EXPECT_EQ(model("gpt*", "exact"), Pattern(Kind::kExact, "gpt*"));
  EXPECT_EQ(model("gpt", "prefix"), Pattern(Kind::kPrefix, "gpt"));
  EXPECT_EQ(model(":free", "suffix"), Pattern(Kind::kSuffix, ":free"));
  EXPECT_EQ(model("^o[134]", "regex"), Pattern(Kind::kRegex, "^o[134]"));
}

TEST(ReadPrices, DecimalsBeyondTheNanoDollarAreRoundedAndSaid) {
  const ReadDocument read = Read(R"({"prices": [
    {"provider": "p", "model": "m", "input": "0.1234567895", "output": "1.0000000000",
     "other": {"x": "0.00000000049"}}]})");
  EXPECT_EQ(read.document.prices[0].per_million[0], 123'456'790);
  EXPECT_EQ(read.document.prices[0].other.at("x"), 0);
  EXPECT_THAT(read.warnings,
              ElementsAre(HasSubstr("prices[0].input: \"0.1234567895\" is finer than a "
                                    "nano-dollar; taken as 0.12345679"),
                          HasSubstr("prices[0].other.x")));
}

TEST(ReadPrices, AnErrorNamesTheRowAndTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("input": 2.5)", "prices[0].input: must be decimal text like \"2.50\""},
      {R"("input": "-1")", "prices[0].input: must be decimal text like \"2.50\", but is \"-1\""},
      {R"("input": "1e-6")", "prices[0].input: must be decimal text"},
      {R"("input": "")", "prices[0].input: must be decimal text"},
      {R"("input": null)", "prices[0].input: must be decimal text"},
      {R"("input": "99999999999")", "prices[0].input: must be decimal text"},
      {R"("imput": "1")", "prices[0].imput: is not known; did you mean \"input\"?"},
      {R"("input": "1", "cached_read": "1")", "did you mean \"cache_read\"?"},
      {R"("input": "1", "efective_time": "1")", "did you mean \"effective_time\"?"},
      {R"("input": "1", "input": "2")", "has the key \"input\" twice"},
      {R"("source": "x")", "prices[0].input: is missing"},
      {R"("input": "1", "effective_time": "soon")", "prices[0].effective_time: is \"soon\""},
      {R"("input": "1", "effective_time": "infinite-past")", "prices[0].effective_time"},
      {R"("input": "1", "effective_time": 5)", "prices[0].effective_time: must be text"},
      {R"("input": "1", "min_input_tokens": -1)", "prices[0].min_input_tokens: must be a whole"},
      {R"("input": "1", "min_input_tokens": 1.5)", "prices[0].min_input_tokens: must be a whole"},
      {R"("input": "1", "max_output_tokens": "9")", "prices[0].max_output_tokens: must be a whole"},
      {R"("input": "1", "daily_start_utc": "00:30")", "prices[0].daily_end_utc: is missing"},
      {R"("input": "1", "daily_end_utc": "00:30")", "prices[0].daily_start_utc: is missing"},
      {R"("input": "1", "daily_start_utc": "0:30", "daily_end_utc": "01:00")",
       "prices[0].daily_start_utc: is \"0:30\"; must be a time of the day like 00:30"},
      {R"("input": "1", "daily_start_utc": "00:30", "daily_end_utc": "24:01")",
       "prices[0].daily_end_utc"},
      {R"("input": "1", "daily_start_utc": "00:30", "daily_end_utc": "00:30")",
       "prices[0].daily_end_utc: is the start as well"},
      {R"("input": "1", "match": "glob")", "prices[0].match: is \"glob\"; allowed are contains"},
      {R"("input": "1", "match": "regex", "region": "\u0000")", "prices[0].region"},
      {R"("other": {"x": 1})", "prices[0].other.x: must be decimal text"},
      {R"("other": {"output": "1"})", "prices[0].other.output: is no other class"},
      {R"("other": ["x"])", "prices[0].other: must be an object"},
      {R"("billed_units": {"": "1"})", "prices[0].billed_units"},
      {R"("input": "1", "same_as": "q/m")", "prices[0].same_as: is given beside prices"},
      {R"("same_as": "q/")", "prices[0].same_as: must be like"},
      {R"("same_as": "a,,b")", "prices[0].same_as: must be like"},
      {R"("same_as": "a,b,c,d,e")", "prices[0].same_as: names 5 models; at most 4"},
  };
  for (const auto& [fields, error] : cases) EXPECT_THAT(RowError(fields), HasSubstr(error));
}

TEST(ReadPrices, AnErrorOfTheDocumentSaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "must be a JSON object"},
      {R"({"prices":)", "must be a JSON object with \"prices\""},
      {R"({"price": []})", "price: is not known; did you mean \"prices\"?"},
      {R"({"prices": {}})", "prices: must be a list"},
      {R"({"prices": [7]})", "prices[0]: must be an object"},
      {R"({"currency": "EUR"})", "currency: must be \"USD\""},
      {R"({"unit": "USD per token"})", "unit: must be \"USD per 1000000 tokens\""},
      {R"({"version": 7})", "version: must be text"},
      {R"({"prices": [{"model": "m", "input": "1"}]})", "prices[0].provider: is missing"},
      {R"({"prices": [{"provider": "p", "input": "1"}]})", "prices[0].model: is missing"},
      {R"({"prices": [{"provider": "p", "model": "", "input": "1"}]})", "prices[0].model"},
      {R"({"prices": [{"provider": "p", "model": "(", "match": "regex", "input": "1"}]})",
       "prices[0].model: \"(\" is no regular expression"},
      {R"({"prices": [{"provider": "p", "model": "m", "input": "1"},
                      {"provider": "P", "model": "M", "input": "2"}]})",
       "prices[1]: is for the same as prices[0]: P/M"},
  };
  for (const auto& [text, error] : cases) EXPECT_THAT(ErrorOf(text), HasSubstr(error));
  EXPECT_THAT(ErrorOf(std::string(100'000, '[')), HasSubstr("must be a JSON object"));
}

TEST(ReadPrices, AnErrorOfAProviderNamesItsPlace) {
  const auto error = [](absl::string_view provider) {
    return ErrorOf(absl::StrCat(R"({"providers": [{"id": "a"}, )", provider, "]}"));
  };
  const auto extractor = [&error](absl::string_view fields) {
    return error(absl::StrCat(R"({"id": "b", "extractors": [{"api_flavor": "x", )", fields, "}]}"));
  };
  EXPECT_THAT(error(R"({"id": "A"})"), HasSubstr("providers[1].id: \"A\" is there twice"));
  EXPECT_THAT(error(R"({"ids": "b"})"), HasSubstr("providers[1].ids: is not known"));
  EXPECT_THAT(error(R"({"id": "b", "aliases": [{"regex": "("}]})"),
              HasSubstr("providers[1].aliases[0].regex: \"(\" is no regular"));
  EXPECT_THAT(error(R"({"id": "b", "aliases": ["x", []]})"),
              HasSubstr("providers[1].aliases[1]: must name at least one"));
  EXPECT_THAT(error(R"({"id": "b", "aliases": [{"like": "x"}]})"),
              HasSubstr("providers[1].aliases[0]: must be text, or an object"));
  EXPECT_THAT(extractor(R"("root": "usage")"),
              HasSubstr("providers[1].extractors[0].mappings: is missing"));
  EXPECT_THAT(extractor(R"("mappings": [{"quantity": "q"}])"),
              HasSubstr("providers[1].extractors[0].mappings[0].path: is missing"));
  EXPECT_THAT(extractor(R"("mappings": [{"path": "a", "quantity": "in_tokens"}])"),
              HasSubstr("mappings[0].quantity: is \"in_tokens\"; must be like input_tokens"));
  EXPECT_THAT(extractor(R"("mappings": [{"path": ["a", {"where": "b"}], "quantity": "q"}])"),
              HasSubstr("providers[1].extractors[0].mappings[0].path[1].is: is missing"));
  EXPECT_THAT(
      extractor(R"("mappings": [{"path": "a", "quantity": "input_tokens", "required": 1}])"),
      HasSubstr("mappings[0].required: must be true or false"));
  EXPECT_THAT(error(R"({"id": "b", "extractors": [{"api_flavor": "x", "mappings": []},
                                                   {"api_flavor": "x", "mappings": []}]})"),
              HasSubstr("providers[1].extractors[1].api_flavor: \"x\" is there twice"));
}

TEST(ReadPrices, AFormatThatIsNotKnownIsAnErrorThatListsThose) {
  const auto read = ReadPrices("csv", "");
  EXPECT_THAT(std::string(read.status().message()),
              HasSubstr("format: is \"csv\"; allowed are bursar, genai-prices and litellm"));
  EXPECT_EQ(usage::FieldOf(read.status()), "format");
}

// Random documents of everything that a document can say.
class AnyDocument {
 public:
  explicit AnyDocument(uint64_t seed) : random_(seed) {}

  PriceDocument Make() {
    PriceDocument document{.version = Maybe() ? Text() : ""};
    std::vector<std::string> keys;
    for (uint64_t i = Up(12); i > 0; --i) {
      Price price = MakePrice();
      keys.push_back(RowKey(price));
      if (std::count(keys.begin(), keys.end(), keys.back()) == 1) {
        document.prices.push_back(std::move(price));
      }
    }
    for (uint64_t i = Up(3); i > 0; --i) document.providers.push_back(MakeProvider(i));
    return document;
  }

 private:
  uint64_t Up(uint64_t to) { return random_() % (to + 1); }
  bool Maybe() { return random_() % 2 == 0; }
  int64_t Amount() { return static_cast<int64_t>(random_() >> (1 + Up(62))); }
  std::string Text() {
    static const char* const kTexts[] = {"gpt", "a b", "*",    "x*",      "\"quoted\"", "prefix",
                                         "ä€",  "a/b", "M\\m", "{brace}", "[1]",        "-"};
    return absl::StrCat(kTexts[Up(11)], Up(9));
  }
  NamePattern MakePattern() {
    const Kind kind = static_cast<Kind>(Up(4));
    if (kind == Kind::kRegex) return Pattern(kind, "^o[134]$");
    return Pattern(kind, Maybe() ? absl::StrCat(Text(), "*") : Text());
  }
  Price MakePrice() {
    Price price{.provider = Text(), .model = MakePattern()};
    if (Maybe()) price.service_tier = Text();
    if (Maybe()) price.region = Text();
    if (Maybe()) price.min_input_tokens = static_cast<int64_t>(Up(1'000'000'000'000));
    if (Maybe()) {
      price.effective_time = absl::FromUnixNanos(static_cast<int64_t>(random_() >> 1));
    }
    if (Maybe()) {
      const auto start = absl::Seconds(static_cast<int64_t>(Up(86'399)));
      price.daily = {start, start < absl::Hours(12) ? absl::Hours(24) : absl::Minutes(90)};
    }
    if (Maybe()) price.max_output_tokens = static_cast<int64_t>(Up(1'000'000));
    if (Maybe()) price.source = Text();
    if (Up(3) == 0) {
      price.same_as = Text();
      return price;
    }
    price.per_million[Up(usage::kTokenClasses - 1)] = Amount();
    for (auto& each : price.per_million) {
      if (Maybe()) each = Amount();
    }
    for (uint64_t i = Up(2); i > 0; --i) price.other[Text()] = Amount();
    for (uint64_t i = Up(2); i > 0; --i) price.billed_units[Text()] = Amount();
    return price;
  }
  usage::NameRule MakeRule() {
    usage::NameRule rule(Up(2) + 1);
    for (auto& all : rule) {
      for (uint64_t i = Up(2) + 1; i > 0; --i) all.push_back(MakePattern());
    }
    return rule;
  }
  std::vector<usage::JsonStep> MakePath(uint64_t least) {
    std::vector<usage::JsonStep> path(Up(3) + least);
    for (auto& step : path) {
      step.field = Text();
      if (Maybe()) step.where = MakeRule();
    }
    return path;
  }
  Provider MakeProvider(uint64_t number) {
    Provider provider{.id = absl::StrCat("id", number)};
    if (Maybe()) provider.aliases = MakeRule();
    for (uint64_t i = Up(2); i > 0; --i) {
      usage::Extractor extractor{.api_flavor = absl::StrCat("flavor", i)};
      extractor.root = MakePath(0);
      extractor.model_path = MakePath(0);
      for (uint64_t j = Up(3); j > 0; --j) {
        extractor.mappings.push_back({.path = MakePath(1),
                                      .quantity = Maybe() ? "input_tokens" : "web_searches",
                                      .required = Maybe()});
      }
      provider.extractors.push_back(std::move(extractor));
    }
    return provider;
  }

  std::mt19937_64 random_;
};

TEST(WritePrices, WhatIsWrittenReadsBackAsItWas) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  AnyDocument any(seed);
  size_t rows = 0;
  for (int round = 0; round < 300; ++round) {
    const PriceDocument document = any.Make();
    rows += document.prices.size();
    const std::string text = WritePrices(document);
    const auto read = ReadPrices("bursar", text);
    ASSERT_TRUE(read.ok()) << read.status() << "\n" << text;
    ASSERT_EQ(read->document, document) << text;
    ASSERT_THAT(read->warnings, ElementsAre());
  }
  EXPECT_GT(rows, 100u);
}

TEST(WritePrices, ARowIsALineThatPeopleCanRead) {
  const std::string text = R"({
  "version": "v",
  "currency": "USD",
  "unit": "USD per 1000000 tokens",
  "prices": [
    {"provider": "p", "model": "m*", "input": "2.50", "billed_units": {"request": "5.00"}},
    {"provider": "p", "model": "*", "match": "exact", "same_as": "q/*"}
  ],
  "providers": [
    {"id": "q", "aliases": [{"contains": "qq"}, ["a", {"suffix": "b"}]], "extractors": [
      {"api_flavor": "chat", "root": "usage", "mappings": [
        {"path": ["d", {"where": "modality", "is": "TEXT"}, "count"], "quantity": "web_searches"},
        {"path": "input", "quantity": "input_tokens", "required": true}
      ]}
    ]}
  ]
}
)";
  EXPECT_EQ(WritePrices(Read(text).document), text);
}

TEST(PriceList, TwoRowsForTheSameAreAnError) {
  PriceDocument document =
      Read(R"({"prices": [{"provider": "p", "model": "m", "input": "1"}]})").document;
  document.prices.push_back(document.prices[0]);
  EXPECT_THAT(std::string(PriceList::Make(document).status().message()),
              HasSubstr("two prices are for the same: p/m"));
}

}  // namespace
}  // namespace bursar::pricing
