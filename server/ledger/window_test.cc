#include "ledger/window.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace bursar::ledger {
namespace {

absl::Time At(absl::string_view rfc3339) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, rfc3339, &time, &error)) << error;
  return time;
}

Window In(WindowKind kind, const std::string& zone) {
  return Window{kind, zone, LoadZone(zone).value()};
}

absl::Duration Length(const Span& span) { return span.end - span.start; }

TEST(Window, LifetimeNeverEnds) {
  const Span span = WindowAt(Window{}, At("2026-11-22T12:00:00Z"));
  EXPECT_EQ(span.end, absl::InfiniteFuture());
  EXPECT_EQ(span.start, absl::InfinitePast());
}

TEST(Window, DayFollowsTheTimeZone) {
  const Span span = WindowAt(In(WindowKind::kDay, "America/New_York"), At("2026-11-22T03:00:00Z"));
  EXPECT_EQ(span.start, At("2026-11-21T00:00:00-05:00"));
  EXPECT_EQ(span.end, At("2026-11-22T00:00:00-05:00"));
  EXPECT_EQ(span.key, "DAY 2026-11-21");
}

TEST(Window, DaysHave23And25HoursWhenClocksChange) {
  const Window berlin = In(WindowKind::kDay, "Europe/Berlin");
  EXPECT_EQ(Length(WindowAt(berlin, At("2026-03-29T12:00:00Z"))), absl::Hours(23));
  EXPECT_EQ(Length(WindowAt(berlin, At("2026-10-25T12:00:00Z"))), absl::Hours(25));
}

TEST(Window, WeekStartsOnMonday) {
  const Window week = In(WindowKind::kWeek, "");
  EXPECT_EQ(WindowAt(week, At("2026-11-22T23:59:59Z")).start, At("2026-11-16T00:00:00Z"));
  EXPECT_EQ(WindowAt(week, At("2026-11-23T00:00:00Z")).start, At("2026-11-23T00:00:00Z"));
}

TEST(Window, MonthEndsWithTheMonth) {
  const Span span = WindowAt(In(WindowKind::kMonth, ""), At("2028-02-29T10:00:00Z"));
  EXPECT_EQ(span.start, At("2028-02-01T00:00:00Z"));
  EXPECT_EQ(span.end, At("2028-03-01T00:00:00Z"));
}

TEST(Window, AMidnightThatIsSkippedStartsTheDayLater) {  // Sao Paulo, 2018-11-04: 00:00 -> 01:00
  const Window day = In(WindowKind::kDay, "America/Sao_Paulo");
  const Span span = WindowAt(day, At("2018-11-04T12:00:00Z"));
  EXPECT_EQ(span.start, At("2018-11-04T03:00:00Z"));
  EXPECT_EQ(Length(span), absl::Hours(23));
}

TEST(Window, ADateThatWasLeftOutHasNoWindow) {  // Apia had no 2011-12-30
  const Window day = In(WindowKind::kDay, "Pacific/Apia");
  const absl::Time change = At("2011-12-30T10:00:00Z");
  const Span before = WindowAt(day, change - absl::Seconds(1));
  const Span after = WindowAt(day, change);
  EXPECT_EQ(before.key, "DAY 2011-12-29");
  EXPECT_EQ(before.end, change);
  EXPECT_EQ(after.key, "DAY 2011-12-31");
  EXPECT_EQ(after.start, change);
}

TEST(Window, AnUnknownZoneIsAnErrorThatNamesIt) {
  const auto zone = LoadZone("Europe/Berlln");
  EXPECT_EQ(zone.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(zone.status().message()).find("Europe/Berlln"), std::string::npos);
}

// R20: windows tile ten years, in zones chosen for their oddities.
class WindowTiles : public testing::TestWithParam<const char*> {};

TEST_P(WindowTiles, WithoutGapOrOverlap) {
  const absl::Time begin = At("2010-06-15T10:17:00Z"), end = At("2020-06-15T00:00:00Z");
  for (WindowKind kind :
       {WindowKind::kDay, WindowKind::kWeek, WindowKind::kMonth, WindowKind::kHour}) {
    const Window window = In(kind, GetParam());
    Span span = WindowAt(window, begin);
    int windows = 0;
    for (; span.end < end; ++windows) {
      ASSERT_LT(span.start, span.end);
      const absl::Time middle = span.start + Length(span) / 2;
      ASSERT_EQ(WindowAt(window, middle).key, span.key) << GetParam() << " " << middle;
      ASSERT_EQ(WindowAt(window, span.end - absl::Nanoseconds(1)).key, span.key);
      const Span next = WindowAt(window, span.end);
      ASSERT_EQ(next.start, span.end) << GetParam() << " after " << span.key;
      ASSERT_NE(next.key, span.key);
      span = next;
    }
    EXPECT_GT(windows, 100) << WindowKindName(kind);
  }
}

INSTANTIATE_TEST_SUITE_P(Zones, WindowTiles,
                         testing::Values("UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin",
                                         "Europe/Istanbul", "Europe/Moscow", "Europe/Lisbon",
                                         "America/New_York", "America/Los_Angeles",
                                         "America/Sao_Paulo", "America/Caracas", "America/St_Johns",
                                         "America/Havana", "America/Asuncion", "America/Santiago",
                                         "America/Scoresbysund", "Asia/Kolkata", "Asia/Kathmandu",
                                         "Asia/Tehran", "Asia/Gaza", "Asia/Pyongyang", "Asia/Amman",
                                         "Africa/Casablanca", "Africa/Cairo", "Australia/Lord_Howe",
                                         "Australia/Adelaide", "Pacific/Apia", "Pacific/Fakaofo",
                                         "Pacific/Chatham", "Antarctica/Troll"));

TEST(Window, MinutesTileAcrossAHalfHourChange) {  // Lord Howe, 2019-04-07 02:00 -> 01:30
  const Window minute = In(WindowKind::kMinute, "Australia/Lord_Howe");
  Span span = WindowAt(minute, At("2019-04-06T14:00:00Z"));
  for (int i = 0; i < 180; ++i) {
    ASSERT_EQ(Length(span), absl::Minutes(1));
    const Span next = WindowAt(minute, span.end);
    ASSERT_EQ(next.start, span.end);
    span = next;
  }
}

}  // namespace
}  // namespace bursar::ledger
