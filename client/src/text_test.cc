#include "src/text.h"

#include <gtest/gtest.h>

namespace bursar::internal {
namespace {

using namespace std::chrono_literals;

TEST(FormatCount, SeparatesThousands) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1'000), "1,000");
  EXPECT_EQ(FormatCount(1'234'567), "1,234,567");
  EXPECT_EQ(FormatCount(-1'000), "-1,000");
  EXPECT_EQ(FormatCount(-100), "-100");
}

TEST(FormatDuration, KeepsWhatMattersAndNeverRoundsUp) {
  EXPECT_EQ(FormatDuration(0ns), "0 us");
  EXPECT_EQ(FormatDuration(999'999ns), "999 us");
  EXPECT_EQ(FormatDuration(850ms), "850 ms");
  EXPECT_EQ(FormatDuration(1'250ms), "1.25 s");
  EXPECT_EQ(FormatDuration(59'999ms), "59.99 s");
  EXPECT_EQ(FormatDuration(5min), "5m 00s");
  EXPECT_EQ(FormatDuration(3h + 20min), "3h 20m");
  EXPECT_EQ(FormatDuration(75h), "3d 03h");
}

}  // namespace
}  // namespace bursar::internal
