#include "cli/time_range.h"

#include <gtest/gtest.h>

#include "cli/period.h"

namespace bursar::cli {
namespace {

// "start to end", in UTC, of a period that is given on November 22nd.
std::string RangeText(std::string_view period, absl::TimeZone zone = absl::UTCTimeZone()) {
  const absl::Time now = *ParseTime("2026-11-22T14:37:12Z", absl::UTCTimeZone());
  const auto range = ParsePeriod(period, now, zone);
  if (!range.ok()) return range.status().message();
  const auto text = [](absl::Time time) { return FormatMinute(time, absl::UTCTimeZone()); };
  return text(range->start) + " to " + (range->end ? text(*range->end) : "now");
}

TEST(ParsePeriod, ARangeHasItsLastDay) {
  const std::pair<const char*, const char*> kCases[] = {
      {"today", "2026-11-22 00:00 UTC to now"},
      {"7d", "2026-11-15 14:00 UTC to now"},
      {"2026-11-15", "2026-11-15 00:00 UTC to 2026-11-16 00:00 UTC"},
      {"2026-02", "2026-02-01 00:00 UTC to 2026-03-01 00:00 UTC"},
      {"2026-11-01..2026-11-15", "2026-11-01 00:00 UTC to 2026-11-16 00:00 UTC"},
      {" 2026-11-15 .. 2026-11-15 ", "2026-11-15 00:00 UTC to 2026-11-16 00:00 UTC"},
      {"2026-09..2026-10", "2026-09-01 00:00 UTC to 2026-11-01 00:00 UTC"},
      {"2026-10..2026-11-02", "2026-10-01 00:00 UTC to 2026-11-03 00:00 UTC"},
      {"2026-11-01T08:00..2026-11-01 17:30", "2026-11-01 08:00 UTC to 2026-11-01 17:30 UTC"},
      {"2026-11-01..2026-11-02T00:00Z", "2026-11-01 00:00 UTC to 2026-11-02 00:00 UTC"},
      {"2026-11-01..", "2026-11-01 00:00 UTC to now"},
      {"..2026-11-15", "2016-11-08 00:00 UTC to 2026-11-16 00:00 UTC"},  // 3,660 days
  };
  for (const auto& [period, range] : kCases) EXPECT_EQ(RangeText(period), range) << period;
}

TEST(ParsePeriod, ADayMayHave25Hours) {
  const absl::TimeZone berlin = *LoadZone("Europe/Berlin");  // winter time begins on October 25th
  EXPECT_EQ(RangeText("2026-10-25..2026-10-25", berlin),
            "2026-10-24 22:00 UTC to 2026-10-25 23:00 UTC");
}

TEST(ParsePeriod, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> kCases[] = {
      {"2026-11-15..2026-11-01",
       "the range ends (2026-11-02 00:00 UTC) before it starts (2026-11-15 00:00 UTC)"},
      {"2026-11-23..",
       "the range ends (2026-11-22 14:37 UTC) before it starts (2026-11-23 00:00 UTC)"},
      {"soon..2026-11-01",
       "\"soon\" is no time; 2026-11-22, 2026-11 or 2026-11-22T14:30 would be right"},
      {"2026-11-01...2026-11-02",
       "\".2026-11-02\" is no time; 2026-11-22, 2026-11 or 2026-11-22T14:30 would be right"},
      {"2026-02-30",
       "\"2026-02-30\" is no period; today, month, a length like 7d or 12h, a day, a month like "
       "2026-10 or a range like 2026-11-01..2026-11-15 would be right"},
  };
  for (const auto& [period, message] : kCases) EXPECT_EQ(RangeText(period), message) << period;
}

}  // namespace
}  // namespace bursar::cli
