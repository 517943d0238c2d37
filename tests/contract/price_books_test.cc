// Price versions on the real PostgreSQL: kept for ever, seen by every replica, never lost between
// two that import at once.
#include "pricing/price_books.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "postgres/pg_price_store.h"
#include "support/test_database.h"

namespace bursar::pricing {
namespace {

using bursar::testing::TestDatabase;
using ::testing::HasSubstr;

constexpr char kTenant[] = "default";

// One replica's prices.
class Replica {
 public:
  explicit Replica(const TestDatabase& database)
      : pool_({.url = database.url()}, 2), store_(pool_), books_(store_) {}

  absl::StatusOr<Imported> Import(absl::string_view owner, const std::string& rows,
                                  const ImportOptions& options = {}) {
    auto read = ReadPrices("bursar", absl::StrCat(R"({"prices": [)", rows, "]}"));
    if (!read.ok()) return read.status();
    return books_.Import(owner, *std::move(read), options);
  }
  std::optional<int64_t> Million(absl::string_view tenant, const std::string& model,
                                 std::shared_ptr<const PriceBook> book = nullptr) {
    if (book == nullptr) book = books_.Of(tenant)->newest;
    usage::TokenUsage tokens;
    tokens[usage::TokenClass::kUncachedInput] = 1'000'000;
    const auto cost = book->CostOf({.provider = "p", .name = model}, tokens, absl::Now());
    return cost ? std::optional(cost->nanousd) : std::nullopt;
  }
  PriceBooks& books() { return books_; }
  PriceStore& store() { return store_; }

 private:
  postgres::SessionPool pool_;
  postgres::PgPriceStore store_;
  PriceBooks books_;
};

class PriceBooksTest : public ::testing::Test {
 protected:
  PriceBooksTest() {
    EXPECT_TRUE(first_.books().Open().ok());
    EXPECT_TRUE(second_.books().Open().ok());
  }

  TestDatabase database_;
  Replica first_{database_}, second_{database_};
};

TEST_F(PriceBooksTest, TheBuiltInPricesAreTheFirstVersionOfTheOperatorsOnce) {
  EXPECT_EQ(first_.books().Of(kTenant)->newest->version(), "1");
  EXPECT_EQ(second_.books().Of(kTenant)->newest->version(), "1");
  EXPECT_EQ(first_.store().ListVersions()->size(), 1);
}

TEST_F(PriceBooksTest, ATenantsOwnCountForItAloneAndAtOnce) {
  const auto imported = first_.Import(kTenant, R"({"provider": "p", "model": "m", "input": "2"})");
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->version, "1+1");
  EXPECT_EQ(imported->added, 1);
  EXPECT_EQ(first_.Million(kTenant, "m"), 2'000'000'000);
  EXPECT_EQ(first_.Million("other", "m"), std::nullopt);
  ASSERT_TRUE(second_.books().Refresh().ok());
  EXPECT_EQ(second_.Million(kTenant, "m"), 2'000'000'000);
  ASSERT_TRUE(second_.Import("", R"({"provider": "p", "model": "m", "input": "1"})").ok());
  EXPECT_EQ(second_.Million("other", "m"), 1'000'000'000);
  EXPECT_EQ(second_.Million(kTenant, "m"), 2'000'000'000);
  EXPECT_EQ(second_.books().Of(kTenant)->newest->version(), "2+1");
}

TEST_F(PriceBooksTest, OlderVersionsStayAsTheyWere) {
  ASSERT_TRUE(first_.Import(kTenant, R"({"provider": "p", "model": "m", "input": "2"})").ok());
  const absl::Time between = absl::Now();
  absl::SleepFor(absl::Milliseconds(5));
  ASSERT_TRUE(first_.Import(kTenant, R"({"provider": "p", "model": "m", "input": "3"})").ok());
  const auto prices = first_.books().Of(kTenant);
  EXPECT_EQ(prices->newest->version(), "1+2");
  EXPECT_EQ(prices->VersionAt(between), "1+1");
  EXPECT_EQ(prices->VersionAt(absl::UnixEpoch()), "1");
  EXPECT_FALSE(prices->IsNewestAt(between));
  EXPECT_TRUE(prices->IsNewestAt(absl::Now()));
  Replica third(database_);  // it never had the older one
  ASSERT_TRUE(third.books().Open().ok());
  EXPECT_EQ(third.Million(kTenant, "m", third.books().Version(kTenant, "1+1").value()),
            2'000'000'000);
  EXPECT_EQ(third.Million(kTenant, "m"), 3'000'000'000);
  EXPECT_EQ(third.books().Version(kTenant, "7+9").value()->version(), "1+2") << "never kept";
}

TEST_F(PriceBooksTest, ADocumentThatSaysNothingNewMakesNoVersion) {
  const std::string row = R"({"provider": "p", "model": "m", "input": "2"})";
  ASSERT_TRUE(first_.Import(kTenant, row).ok());
  const auto again = second_.Import(kTenant, row);
  EXPECT_EQ(again->version, "1+1");
  EXPECT_EQ(again->unchanged, 1);
  const auto trial = first_.Import(kTenant, R"({"provider": "p", "model": "n", "input": "2"})",
                                   {.validate_only = true});
  EXPECT_EQ(trial->added, 1);
  EXPECT_EQ(trial->version, "1+1");
  EXPECT_EQ(first_.Million(kTenant, "n"), std::nullopt);
}

TEST_F(PriceBooksTest, TwoThatImportAtOnceLoseNothing) {
  constexpr int kEach = 12;
  auto import = [](Replica& replica, const std::string& prefix) {
    for (int i = 0; i < kEach; ++i) {
      const auto imported = replica.Import(kTenant, absl::StrCat(R"({"provider": "p", "model": ")",
                                                                 prefix, i, R"(", "input": "1"})"));
      EXPECT_TRUE(imported.ok()) << imported.status();
    }
  };
  std::thread other([&] { import(second_, "b"); });
  import(first_, "a");
  other.join();
  ASSERT_TRUE(first_.books().Refresh().ok());
  for (int i = 0; i < kEach; ++i) {
    EXPECT_TRUE(first_.Million(kTenant, absl::StrCat("a", i))) << i;
    EXPECT_TRUE(first_.Million(kTenant, absl::StrCat("b", i))) << i;
  }
  EXPECT_EQ(first_.books().Of(kTenant)->own.size(), 2 * kEach);
}

TEST_F(PriceBooksTest, AJumpIsRefusedUnlessItIsMeant) {
  ASSERT_TRUE(first_.Import("", R"({"provider": "p", "model": "m", "input": "2"})").ok());
  const std::string dear = R"({"provider": "p", "model": "m", "input": "250"})";
  const auto refused = first_.Import(kTenant, dear);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("p/m"));
  EXPECT_EQ(first_.Million(kTenant, "m"), 2'000'000'000);
  const auto meant = first_.Import(kTenant, dear, {.accept_jumps = true});
  ASSERT_TRUE(meant.ok()) << meant.status();
  EXPECT_FALSE(meant->warnings.empty());
  EXPECT_EQ(first_.Million(kTenant, "m"), 250'000'000'000);
}

TEST_F(PriceBooksTest, ReplaceDropsWhatIsNotNamed) {
  ASSERT_TRUE(first_.Import(kTenant, R"({"provider": "p", "model": "m", "input": "2"})").ok());
  ASSERT_TRUE(
      first_.Import(kTenant, R"({"provider": "p", "model": "n", "input": "2"})", {.replace = true})
          .ok());
  EXPECT_EQ(first_.Million(kTenant, "m"), std::nullopt);
  EXPECT_EQ(first_.Million(kTenant, "n"), 2'000'000'000);
}

TEST_F(PriceBooksTest, AnOperatorsPricesAreNotReplacedByANewStart) {
  ASSERT_TRUE(first_.Import("", R"({"provider": "p", "model": "m", "input": "2"})").ok());
  Replica restarted(database_);
  ASSERT_TRUE(restarted.books().Open().ok());
  EXPECT_EQ(restarted.Million(kTenant, "m"), 2'000'000'000);
  EXPECT_EQ(restarted.books().Of(kTenant)->newest->version(), "2");
}

}  // namespace
}  // namespace bursar::pricing
