#include "postgres/array.h"

#include <gtest/gtest.h>

#include "postgres/timestamp.h"

namespace bursar::postgres {
namespace {

TEST(Array, IsAnEmptyLiteralWithoutElements) {
  EXPECT_TRUE(Array().empty());
  EXPECT_EQ(Array().Literal(), "{}");
}

TEST(Array, SeparatesElementsOfEveryKind) {
  Array array;
  array.Int(1).Int(-9223372036854775807 - 1).Null().Bool(true).Raw("x-1").Text("a b");
  EXPECT_FALSE(array.empty());
  EXPECT_EQ(array.Literal(), R"({1,-9223372036854775808,NULL,t,x-1,"a b"})");
}

TEST(Array, QuotesTextSoThatNothingEndsItEarly) {
  struct Case {
    const char* value;
    const char* literal;
  };
  for (const Case& c : {
           Case{"", R"({""})"},
           Case{"NULL", R"({"NULL"})"},
           Case{"a,b", R"({"a,b"})"},
           Case{"{}", R"({"{}"})"},
           Case{"say \"hi\"", R"({"say \"hi\""})"},
           Case{"C:\\dir\\", R"({"C:\\dir\\"})"},
           Case{"\\\"", R"({"\\\""})"},
           Case{"\xF0\x9F\x92\xB0 caf\xC3\xA9", "{\"\xF0\x9F\x92\xB0 caf\xC3\xA9\"}"},
           Case{"it's\na line", "{\"it's\na line\"}"},
       }) {
    EXPECT_EQ(Array().Text(c.value).Literal(), c.literal);
  }
}

TEST(Array, WritesTimesWithoutQuotes) {
  EXPECT_EQ(Array().Time(absl::FromUnixMicros(1)).Time(absl::InfiniteFuture()).Literal(),
            "{1970-01-01T00:00:00.000001Z,infinity}");
}

TEST(Timestamp, IsWrittenInUtcToTheMicrosecond) {
  EXPECT_EQ(FormatTimestamp(absl::UnixEpoch()), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatTimestamp(absl::FromUnixMicros(-1)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatTimestamp(absl::FromUnixNanos(1795305600123456789)),
            "2026-11-22T00:00:00.123456Z");
  EXPECT_EQ(FormatTimestamp(absl::InfiniteFuture()), "infinity");
  EXPECT_EQ(FormatTimestamp(absl::InfinitePast()), "-infinity");
}

TEST(Timestamp, IsReadWithEveryOffsetAndFraction) {
  const absl::Time midnight = absl::FromUnixSeconds(1795305600);
  struct Case {
    const char* text;
    absl::Time time;
  };
  for (const Case& c : {
           Case{"2026-11-22 00:00:00+00", midnight},
           Case{"2026-11-22T00:00:00Z", midnight},
           Case{"2026-11-22 00:00:00.5+00", midnight + absl::Milliseconds(500)},
           Case{"2026-11-22 00:00:00.000001+00", midnight + absl::Microseconds(1)},
           Case{"2026-11-22 05:30:00+05:30", midnight},
           Case{"2026-11-21 20:29:48-03:30:12", midnight},
           Case{"0044-03-15 00:00:00+00 BC",
                absl::FromCivil(absl::CivilDay(-43, 3, 15), absl::UTCTimeZone())},
           Case{"12026-01-01 00:00:00+00",
                absl::FromCivil(absl::CivilDay(12026, 1, 1), absl::UTCTimeZone())},
           Case{"infinity", absl::InfiniteFuture()},
           Case{"-infinity", absl::InfinitePast()},
           Case{"", absl::InfiniteFuture()},
       }) {
    EXPECT_EQ(ParseTimestamp(c.text), c.time) << c.text;
  }
}

}  // namespace
}  // namespace bursar::postgres
