#include "pricing/money.h"

#include <gtest/gtest.h>

#include <limits>

namespace bursar::pricing {
namespace {

TEST(Money, ReadsDecimalsExactly) {
  const std::pair<const char*, int64_t> cases[] = {
      {"0", 0},
      {"0.5", 500'000'000},
      {"12", 12'000'000'000},
      {"12.50", 12'500'000'000},
      {".25", 250'000'000},
      {"3.", 3'000'000'000},
      {"0.000000001", 1},
      {"0.1", 100'000'000},
      {"9223372036.854775807", std::numeric_limits<int64_t>::max()},
      {"0.0750000000", 75'000'000},
  };
  for (const auto& [text, nanousd] : cases) {
    const auto parsed = ParseUsd(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, nanousd) << text;
  }
}

TEST(Money, RefusesWhatIsNoAmount) {
  for (const char* text : {"", ".", "-1", "1e3", "1,5", "1.2.3", "0x1", " 1", "0.0000000001",
                           "9223372036.854775808", "99999999999999999999", "NaN"}) {
    EXPECT_FALSE(ParseUsd(text).ok()) << text;
  }
}

TEST(Money, RoundsFinerDecimalsHalfUpWhenAskedTo) {
  bool rounded = false;
  EXPECT_EQ(ParseUsd("0.0000000014", &rounded).value(), 1);
  EXPECT_TRUE(rounded);
  EXPECT_EQ(ParseUsd("0.0000000015", &rounded).value(), 2);
  EXPECT_TRUE(rounded);
  EXPECT_EQ(ParseUsd("0.0000000010", &rounded).value(), 1);
  EXPECT_FALSE(rounded);
}

TEST(Money, WritesWhatItReads) {
  EXPECT_EQ(FormatUsd(0), "0.00");
  EXPECT_EQ(FormatUsd(500'000'000), "0.50");
  EXPECT_EQ(FormatUsd(1), "0.000000001");
  EXPECT_EQ(FormatUsd(-1'250'000'000), "-1.25");
  EXPECT_EQ(FormatUsd(std::numeric_limits<int64_t>::min()), "-9223372036.854775808");
}

TEST(Money, DividesHalfUpAndSeesOverflow) {
  EXPECT_EQ(DivideHalfUp(1'499'999, 1'000'000), 1);
  EXPECT_EQ(DivideHalfUp(1'500'000, 1'000'000), 2);
  EXPECT_EQ(DivideHalfUp(Int128{1} << 100, 10), std::nullopt);
}

}  // namespace
}  // namespace bursar::pricing
