#include "postgres/timestamp.h"

#include <gtest/gtest.h>

namespace bursar::postgres {
namespace {

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

TEST(Timestamp, IsRfc3339ToTheMicrosecondInUtc) {
  std::string out;
  for (const auto& [text, expected] : std::initializer_list<std::pair<const char*, const char*>>{
           {"2026-11-22 12:00:00+00", "2026-11-22T12:00:00.000000Z"},
           {"2026-11-22 12:00:00.1+00", "2026-11-22T12:00:00.100000Z"},
           {"2026-11-22 12:00:00.123456+00", "2026-11-22T12:00:00.123456Z"},
           {"2026-11-22 13:30:00.5+01:30", "2026-11-22T12:00:00.500000Z"},
           {"2026-11-22 13:00:00+01", "2026-11-22T12:00:00.000000Z"},
           {"infinity", "infinity"},
       }) {
    ToRfc3339(text, out);
    EXPECT_EQ(out, expected);
  }
}

}  // namespace
}  // namespace bursar::postgres
