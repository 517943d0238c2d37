#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pricing/price_book.h"
#include "pricing/price_document.h"
#include "pricing/price_key.h"

namespace bursar::pricing {
namespace {

using testing::ElementsAre;

std::shared_ptr<const PriceList> ListOf(absl::string_view json) {
  auto read = ReadPrices("bursar", json);
  EXPECT_TRUE(read.ok()) << read.status();
  return PriceList::Make(std::move(read->document)).value();
}

absl::Time On(int year, int month, int day, int hour = 0) {
  return absl::FromCivil(absl::CivilHour(year, month, day, hour), absl::UTCTimeZone());
}

// What of a row tells it from others here: its input price, in dollars.
std::vector<std::string> Names(const PriceBook& book, const PriceFilter& filter) {
  std::vector<std::string> names;
  for (const ListedPrice* row : book.List(filter)) {
    const auto input = row->price->per_million[0];
    names.push_back(RowName(*row->price) +
                    (input ? " $" + std::to_string(*input / 1'000'000'000) : ""));
  }
  return names;
}

PriceBook BookOf(bool with_own) {
  const auto base = ListOf(R"({"prices": [
    {"provider": "z", "model": "m", "input": "1"},
    {"provider": "z", "model": "m", "input": "2", "min_input_tokens": 100},
    {"provider": "z", "model": "m", "input": "3", "effective_time": "2026-06-01T00:00:00Z"},
    {"provider": "z", "model": "m", "input": "4", "service_tier": "batch"},
    {"provider": "z", "model": "m*", "input": "5"},
    {"provider": "a", "model": "*", "same_as": "z/*"},
    {"provider": "h", "model": "h", "input": "6"},
    {"provider": "h", "model": "h", "input": "7", "daily_start_utc": "08:00",
     "daily_end_utc": "16:00"}
  ], "providers": [{"id": "z", "aliases": ["zed"]}]})");
  const auto own = ListOf(R"({"prices": [
    {"provider": "Z", "model": "M", "input": "8"},
    {"provider": "h", "model": "h", "input": "9", "effective_time": "2026-06-01T00:00:00Z"}
  ]})");
  return {"v", base, with_own ? own : nullptr};
}

TEST(ListPrices, AllRowsComeInOneOrder) {
  EXPECT_THAT(Names(BookOf(false), {}),
              ElementsAre("a/*", "h/h $6", "h/h, 08:00-16:00 UTC $7", "z/m $1",
                          "z/m, from 100 input tokens $2", "z/m, from 2026-06-01T00:00:00Z $3",
                          "z/m, tier batch $4", "z/m* $5"));
}

TEST(ListPrices, AProviderIsNamedByIdOrAlias) {
  EXPECT_EQ(Names(BookOf(false), {.provider = "Zed"}).size(), 5u);
  EXPECT_EQ(Names(BookOf(true), {.provider = "z"}).size(), 2u);
  EXPECT_EQ(Names(BookOf(true), {.provider = "nobody"}).size(), 0u);
}

TEST(ListPrices, AtATimeOnlyWhatCountsThen) {
  const PriceBook book = BookOf(false);
  EXPECT_THAT(
      Names(book, {.provider = "z", .as_of = On(2026, 5, 1)}),
      ElementsAre("z/m $1", "z/m, from 100 input tokens $2", "z/m, tier batch $4", "z/m* $5"));
  EXPECT_THAT(Names(book, {.provider = "z", .as_of = On(2026, 6, 1)}),
              ElementsAre("z/m, from 2026-06-01T00:00:00Z $3", "z/m, tier batch $4", "z/m* $5"));
  EXPECT_THAT(Names(book, {.provider = "h", .as_of = On(2026, 6, 1, 9)}),
              ElementsAre("h/h, 08:00-16:00 UTC $7"));
  EXPECT_THAT(Names(book, {.provider = "h", .as_of = On(2026, 6, 1, 16)}), ElementsAre("h/h $6"));
}

TEST(ListPrices, OwnRowsHideTheOperatorsFromWhenOnTheyAreThePrice) {
  const PriceBook book = BookOf(true);
  EXPECT_THAT(Names(book, {.provider = "z"}), ElementsAre("Z/M $8", "z/m* $5"));
  EXPECT_THAT(Names(book, {.provider = "h"}), ElementsAre("h/h $6", "h/h, 08:00-16:00 UTC $7",
                                                          "h/h, from 2026-06-01T00:00:00Z $9"));
  EXPECT_THAT(Names(book, {.provider = "h", .as_of = On(2026, 5, 1)}), ElementsAre("h/h $6"));
  EXPECT_THAT(Names(book, {.provider = "h", .as_of = On(2026, 7, 1)}),
              ElementsAre("h/h, from 2026-06-01T00:00:00Z $9"));
}

TEST(ListPrices, AModelsRowsAreThoseThatItsCallsGoBy) {
  const PriceBook book = BookOf(false);
  EXPECT_THAT(Names(book, {.provider = "z", .model = "M", .as_of = On(2026, 6, 1)}),
              ElementsAre("z/m, from 2026-06-01T00:00:00Z $3", "z/m, tier batch $4"));
  EXPECT_THAT(Names(book, {.model = "mx"}), ElementsAre("a/*", "z/m* $5"));
  EXPECT_THAT(Names(book, {.provider = "a", .model = "mx"}), ElementsAre("a/*", "z/m* $5"));
  EXPECT_THAT(Names(book, {.model = "unknown"}), ElementsAre());
  EXPECT_THAT(Names(BookOf(true), {.provider = "z", .model = "m"}), ElementsAre("Z/M $8"));
}

}  // namespace
}  // namespace bursar::pricing
