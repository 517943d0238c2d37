#include <bursar/estimate.h>
#include <gtest/gtest.h>

#include <string>

namespace bursar {
namespace {

TEST(EstimateTokens, IsOneForEveryFourBytesRoundedUp) {
  const std::pair<size_t, int64_t> kCases[] = {
      {0, 0},
      {1, 1},
      {3, 1},
      {4, 1},
      {5, 2},
      {8, 2},
      {9, 3},
      {1'000'000, 250'000},
      {1'000'001, 250'001},
  };
  for (const auto& [bytes, tokens] : kCases) {
    EXPECT_EQ(EstimateTokens(std::string(bytes, 'x')), tokens) << bytes;
  }
}

TEST(EstimateTokens, CountsBytesAndNotCharacters) {
  EXPECT_EQ(EstimateTokens("\u00e4\u00f6\u00fc\u00df"), 2) << "four letters of two bytes each";
  EXPECT_EQ(EstimateTokens(std::string_view("a\0b\0c", 5)), 2);
}

}  // namespace
}  // namespace bursar
