#include "cli/line_reader.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "testing/standard_input.h"

namespace bursar::cli {
namespace {

using namespace std::chrono_literals;
using Got = LineReader::Got;

// Each line with its number; "?" for one that is too long.
std::vector<std::string> LinesOf(const std::string& text, size_t line_bytes_max) {
  const int file = testing::FileOf(text);
  LineReader reader(file, line_bytes_max);
  std::vector<std::string> lines;
  while (true) {
    const Got got = reader.Next(1s);
    if (got != Got::kLine && got != Got::kTooLong) break;
    lines.push_back(std::to_string(reader.number()) + ":" +
                    (got == Got::kLine ? std::string(reader.line()) : "?"));
  }
  EXPECT_EQ(reader.bytes(), static_cast<int64_t>(text.size()));
  EXPECT_EQ(reader.bytes_in_all(), static_cast<int64_t>(text.size()));
  close(file);
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineReader, GivesEveryLineWhetherOrNotTheLastOneEnds) {
  EXPECT_EQ(LinesOf("a\n\nb\n", 10), (Lines{"1:a", "2:", "3:b"}));
  EXPECT_EQ(LinesOf("a\nb", 10), (Lines{"1:a", "2:b"}));
  EXPECT_EQ(LinesOf("", 10), Lines{});
}

TEST(LineReader, PassesOverWhatIsTooLongAndGoesOn) {
  EXPECT_EQ(LinesOf("a\n0123456789\n01234567890\nb", 10),
            (Lines{"1:a", "2:0123456789", "3:?", "4:b"}));
  // Longer than what is read at a time, and at the end.
  const std::string huge(3'000'000, 'x');
  EXPECT_EQ(LinesOf(huge + "\nb\n" + huge, 1'000'000), (Lines{"1:?", "2:b", "3:?"}));
  EXPECT_EQ(LinesOf(huge, 4'000'000), (Lines{"1:" + huge}));
}

TEST(LineReader, SaysThatNothingCameAndGoesOnLater) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  LineReader reader(ends[0], 100);
  EXPECT_EQ(reader.bytes_in_all(), std::nullopt);
  EXPECT_EQ(reader.Next(1ms), Got::kNothing);
  ASSERT_EQ(write(ends[1], "be", 2), 2);
  EXPECT_EQ(reader.Next(1ms), Got::kNothing);
  ASSERT_EQ(write(ends[1], "gun\n", 4), 4);
  EXPECT_EQ(reader.Next(1s), Got::kLine);
  EXPECT_EQ(reader.line(), "begun");
  close(ends[1]);
  EXPECT_EQ(reader.Next(1s), Got::kEnd);
  close(ends[0]);
}

TEST(LineReader, SaysWhyItCannotRead) {
  const int folder = open("/", O_RDONLY);
  LineReader reader(folder, 100);
  EXPECT_EQ(reader.Next(1s), Got::kFailed);
  EXPECT_EQ(reader.error(), "Is a directory");
  close(folder);
}

}  // namespace
}  // namespace bursar::cli
