#include <bursar/money.h>
#include <gtest/gtest.h>

#include <limits>

namespace bursar {
namespace {

TEST(ParseUsd, IsExactToTheNanoDollar) {
  const std::pair<const char*, int64_t> kCases[] = {
      {"0", 0},
      {"0.12", 120'000'000},
      {"$0.50", 500'000'000},
      {"12", 12'000'000'000},
      {"12.", 12'000'000'000},
      {".000000001", 1},
      {"0.1", 100'000'000},  // 0.1 and 0.29 have no exact double
      {"0.29", 290'000'000},
      {"1000000.000000001", 1'000'000'000'000'001},
      {"9223372036.854775807", std::numeric_limits<int64_t>::max()},
  };
  for (const auto& [text, nanousd] : kCases) {
    const auto parsed = ParseUsd(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status().ToString();
    EXPECT_EQ(*parsed, nanousd) << text;
  }
}

TEST(ParseUsd, RefusesWhatIsNoAmountAndSaysWhy) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "is no amount"},
      {"$", "is no amount"},
      {".", "is no amount"},
      {"1.2.3", "is no amount"},
      {"1,5", "is no amount"},
      {"0.5 ", "is no amount"},
      {"1e3", "is no amount"},
      {"-1", "is negative"},
      {"0.1234567890", "has more than 9 decimals"},
      {"9223372036.854775808", "is too much"},
      {"9223372037", "is too much"},
      {"99999999999999999999", "is too much"},
  };
  for (const auto& [text, why] : kCases) {
    const auto parsed = ParseUsd(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(parsed.status().message().find(why), std::string::npos) << parsed.status().message();
  }
}

TEST(FormatUsd, ShowsEveryNanoDollarAndNoMoreZerosThanCents) {
  EXPECT_EQ(FormatUsd(0), "$0.00");
  EXPECT_EQ(FormatUsd(1), "$0.000000001");
  EXPECT_EQ(FormatUsd(500'000'000), "$0.50");
  EXPECT_EQ(FormatUsd(12'345'600'000), "$12.3456");
  EXPECT_EQ(FormatUsd(-100'000'000), "-$0.10");
  EXPECT_EQ(FormatUsd(std::numeric_limits<int64_t>::max()), "$9223372036.854775807");
  EXPECT_EQ(FormatUsd(std::numeric_limits<int64_t>::min()), "-$9223372036.854775808");
}

TEST(FormatUsd, IsReadBackAsTheSame) {
  for (const int64_t nanousd : {0L, 1L, 999'999'999L, 1'000'000'000L, 123'456'789'012L}) {
    EXPECT_EQ(*ParseUsd(FormatUsd(nanousd)), nanousd);
  }
}

}  // namespace
}  // namespace bursar
