#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "pricing/price_document.h"
#include "pricing/price_key.h"

namespace bursar::pricing {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

PriceDocument Document(absl::string_view rows, absl::string_view rest = "") {
  auto read = ReadPrices("bursar", absl::StrCat(R"({"prices": [)", rows, "]", rest, "}"));
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? std::move(read->document) : PriceDocument();
}

constexpr char kBase[] = R"(
    {"provider": "p", "model": "m", "input": "1", "output": "2", "source": "old"},
    {"provider": "p", "model": "m", "input": "2", "output": "4", "min_input_tokens": 1000},
    {"provider": "p", "model": "n*", "input": "3", "cache_read": "0.3"},
    {"provider": "q", "model": "alias", "same_as": "p/m"})";
constexpr char kNews[] = R"(
    {"provider": "P", "model": "M", "input": "1", "output": "2", "source": "new"},
    {"provider": "p", "model": "n*", "input": "4", "cache_read": "0.3"},
    {"provider": "p", "model": "n", "input": "5"})";

std::vector<std::string> InputsOf(const PriceDocument& document) {
  std::vector<std::string> rows;
  for (const Price& price : document.prices) {
    rows.push_back(
        absl::StrCat(NameOf(price), " ", price.per_million[0].value_or(0) / 1'000'000'000));
  }
  return rows;
}

TEST(Merge, RowsTakeThePlaceOfThoseForTheSameAndOthersStay) {
  const MergedPrices merged = Merge(Document(kBase), Document(kNews), /*replace=*/false);
  EXPECT_THAT(InputsOf(merged.document),
              ElementsAre("P/M 1", "p/m 2", "p/n* 4", "q/alias 0", "p/n 5"));
  EXPECT_EQ(merged.document.prices[0].source, "new");
  EXPECT_EQ(merged.added, 1);
  EXPECT_EQ(merged.changed, 1);
  EXPECT_EQ(merged.unchanged, 1);  // but for its source
  EXPECT_EQ(merged.removed, 0);
  EXPECT_THAT(merged.jumps, ElementsAre());
}

TEST(Merge, ReplacingTakesAwayWhatIsNotNamed) {
  const MergedPrices merged = Merge(Document(kBase), Document(kNews), /*replace=*/true);
  EXPECT_THAT(InputsOf(merged.document), ElementsAre("P/M 1", "p/n* 4", "p/n 5"));
  EXPECT_EQ(merged.added, 1);
  EXPECT_EQ(merged.changed, 1);
  EXPECT_EQ(merged.unchanged, 1);
  EXPECT_EQ(merged.removed, 2);
}

TEST(Merge, TheSameNewsAgainChangeNothing) {
  for (const bool replace : {false, true}) {
    const MergedPrices once = Merge(Document(kBase), Document(kNews), replace);
    const MergedPrices twice = Merge(once.document, Document(kNews), replace);
    EXPECT_EQ(twice.document, once.document);
    EXPECT_EQ(twice.added + twice.changed + twice.removed, 0);
    EXPECT_EQ(twice.unchanged, 3);
  }
}

TEST(Merge, EachPartOfWhatARowIsForKeepsItApart) {
  const char* const row = R"({"provider": "p", "model": "m", "input": "1")";
  const PriceDocument base = Document(absl::StrCat(row, "}"));
  for (const char* other :
       {R"("service_tier": "batch")", R"("region": "eu")", R"("min_input_tokens": 5)",
        R"("effective_time": "2026-01-01T00:00:00Z")",
        R"("daily_start_utc": "00:00", "daily_end_utc": "12:00")", R"("match": "contains")"}) {
    const MergedPrices merged =
        Merge(base, Document(absl::StrCat(row, ", ", other, "}")), /*replace=*/false);
    EXPECT_EQ(merged.added, 1) << other;
    EXPECT_EQ(merged.document.prices.size(), 2u) << other;
  }
}

std::vector<std::string> Jumps(absl::string_view base, absl::string_view news) {
  return Merge(Document(base), Document(news), /*replace=*/false).jumps;
}

TEST(Merge, TellsOfPricesThatMoveByMoreThanTenTimesOrFromOrToNothing) {
  const auto jumps = [](const char* before, const char* after) {
    return Jumps(absl::StrCat(R"({"provider": "p", "model": "m", )", before, "}"),
                 absl::StrCat(R"({"provider": "p", "model": "m", )", after, "}"));
  };
  EXPECT_THAT(jumps(R"("input": "1")", R"("input": "10")"), ElementsAre());
  EXPECT_THAT(jumps(R"("input": "1")", R"("input": "10.01")"),
              ElementsAre("p/m: input moves from 1.00 to 10.01"));
  EXPECT_THAT(jumps(R"("input": "10")", R"("input": "1")"), ElementsAre());
  EXPECT_THAT(jumps(R"("input": "10.01")", R"("input": "1")"),
              ElementsAre("p/m: input moves from 10.01 to 1.00"));
  EXPECT_THAT(jumps(R"("input": "1")", R"("input": "0")"),
              ElementsAre("p/m: input moves from 1.00 to 0.00"));
  EXPECT_THAT(jumps(R"("input": "0")", R"("input": "1")"),
              ElementsAre("p/m: input moves from 0.00 to 1.00"));
  EXPECT_THAT(jumps(R"("input": "0")", R"("input": "0")"), ElementsAre());
  EXPECT_THAT(jumps(R"("input": "1", "output": "2")", R"("input": "1")"),
              ElementsAre("p/m: output moves from 2.00 to no price"));
  EXPECT_THAT(jumps(R"("input": "1")", R"("input": "1", "output": "2")"), ElementsAre());
  // Without a price of its own, a class costs what input costs.
  EXPECT_THAT(jumps(R"("input": "20", "cache_read": "1")", R"("input": "20")"),
              ElementsAre("p/m: cache_read moves from 1.00 to 20.00"));
  EXPECT_THAT(
      jumps(R"("input": "1", "other": {"x": "1"})", R"("input": "1", "other": {"x": "11"})"),
      ElementsAre("p/m: x moves from 1.00 to 11.00"));
  EXPECT_THAT(jumps(R"("billed_units": {"search": "1"})", R"("billed_units": {"search": "11"})"),
              ElementsAre("p/m: search moves from 1.00 to 11.00"));
  EXPECT_THAT(jumps(R"("input": "1")", R"("same_as": "n")"), ElementsAre());
}

TEST(Merge, AJumpIsFromWhatWasInForceForTheSameCalls) {
  const char* const base = R"({"provider": "p", "model": "m", "input": "1"},
    {"provider": "p", "model": "m", "input": "100", "effective_time": "2026-01-01T00:00:00Z"},
    {"provider": "p", "model": "m", "input": "1000", "service_tier": "priority"})";
  const auto jumps = [&](absl::string_view row) {
    return Jumps(base, absl::StrCat(R"({"provider": "p", "model": "m", )", row, "}"));
  };
  EXPECT_THAT(jumps(R"("input": "200", "effective_time": "2026-03-01T00:00:00Z")"), ElementsAre());
  EXPECT_THAT(jumps(R"("input": "1.1", "effective_time": "2026-03-01T00:00:00Z")"),
              ElementsAre(HasSubstr("from 2026-03-01T00:00:00Z: input moves from 100.00 to 1.10")));
  EXPECT_THAT(jumps(R"("input": "2", "effective_time": "2025-03-01T00:00:00Z")"), ElementsAre());
  EXPECT_THAT(jumps(R"("input": "2000", "service_tier": "priority")"), ElementsAre());
  EXPECT_THAT(jumps(R"("input": "200", "service_tier": "flex",
                       "effective_time": "2026-03-01T00:00:00Z")"),
              ElementsAre());
  EXPECT_THAT(Jumps(base, R"({"provider": "p", "model": "other", "input": "99999"})"),
              ElementsAre());
}

TEST(Merge, ProvidersAreMergedByTheirId) {
  const auto providers = [](bool replace, absl::string_view news) {
    const PriceDocument base = Document(
        "", R"(, "providers": [{"id": "a", "aliases": ["old"]}, {"id": "b", "aliases": ["old"]}])");
    std::vector<std::string> all;
    for (const Provider& each : Merge(base, Document("", news), replace).document.providers) {
      all.push_back(absl::StrCat(each.id, " ", each.aliases[0][0].text()));
    }
    return all;
  };
  const char* const news =
      R"(, "providers": [{"id": "c", "aliases": ["new"]}, {"id": "B", "aliases": ["new"]}])";
  EXPECT_THAT(providers(false, news), ElementsAre("a old", "B new", "c new"));
  EXPECT_THAT(providers(true, news), ElementsAre("c new", "B new"));
  EXPECT_THAT(providers(true, ""), ElementsAre("a old", "b old"));
}

TEST(Merge, TheVersionIsThatOfTheNewsIfTheyHaveOne) {
  const PriceDocument base = Document("", R"(, "version": "1")");
  EXPECT_EQ(Merge(base, Document("", R"(, "version": "2")"), false).document.version, "2");
  EXPECT_EQ(Merge(base, Document(""), false).document.version, "1");
}

}  // namespace
}  // namespace bursar::pricing
