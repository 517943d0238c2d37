#include "cli/parse.h"

#include <gtest/gtest.h>

#include "cli/nearest.h"
#include "cli/period.h"
#include "cli/render.h"

namespace bursar::cli {
namespace {

using namespace std::chrono_literals;

TEST(ParseCount, TakesWholeNumbersFromZeroUp) {
  EXPECT_EQ(*ParseCount("0"), 0);
  EXPECT_EQ(*ParseCount("9223372036854775807"), INT64_MAX);
  for (const char* wrong : {"", "12x", "1.5", "-1", "9223372036854775808", " 1", "+1"}) {
    EXPECT_FALSE(ParseCount(wrong).ok()) << wrong;
  }
}

TEST(ParseDuration, NeedsAUnit) {
  EXPECT_EQ(*ParseDuration("850ms"), 850ms);
  EXPECT_EQ(*ParseDuration("1h30m"), 90min);
  for (const char* wrong : {"", "5", "5 m", "-1s", "soon", "9999999h", "inf"}) {
    EXPECT_FALSE(ParseDuration(wrong).ok()) << wrong;
  }
}

TEST(ParseFilter, ReadsBothSigns) {
  const auto in = ParseFilter("user=a, b");
  ASSERT_TRUE(in.ok());
  EXPECT_EQ(in->ShortDebugString(), R"(dimension: "user" values: "a" values: "b")");
  EXPECT_EQ(ParseFilter("label:env!=prod")->ShortDebugString(),
            R"(dimension: "label:env" values: "prod" exclude: true)");
  for (const char* wrong : {"", "user", "=a", "!=a"})
    EXPECT_FALSE(ParseFilter(wrong).ok()) << wrong;
}

TEST(ParseChoice, IgnoresCaseAndKindOfDash) {
  EXPECT_EQ(*ParseChoice("LifeTime", WindowKinds()), v1::Window::KIND_LIFETIME);
  EXPECT_EQ(*ParseChoice("NOT_EXECUTED", Outcomes()), v1::OUTCOME_NOT_EXECUTED);
  EXPECT_EQ(ParseChoice("strict", EnforcementModes()).status().message(),
            "\"strict\" is unknown; one of hard, soft, observe would be right");
}

TEST(ParsePercents, RefusesWhatIsNone) {
  EXPECT_EQ(*ParsePercents("75, 90"), (std::vector<int>{75, 90}));
  for (const char* wrong : {"", "0", "75,", "75%", "1001"}) {
    EXPECT_FALSE(ParsePercents(wrong).ok()) << wrong;
  }
}

absl::Time At(const char* text) { return *ParseTime(text, absl::UTCTimeZone()); }

TEST(PeriodStart, TodayAndMonthFollowTheZone) {
  const absl::Time now = At("2026-11-01T02:30:00Z");
  const absl::TimeZone new_york = *LoadZone("America/New_York");
  EXPECT_EQ(*PeriodStart("today", now, absl::UTCTimeZone()), At("2026-11-01"));
  EXPECT_EQ(*PeriodStart("TODAY", now, new_york), At("2026-10-31T04:00:00Z"));  // still summer time
  EXPECT_EQ(*PeriodStart("month", now, absl::UTCTimeZone()), At("2026-11-01"));
  EXPECT_EQ(*PeriodStart("month", now, new_york), At("2026-10-01T04:00:00Z"));
}

TEST(PeriodStart, LengthsBeginAtTheFullHour) {
  const absl::Time now = At("2026-11-22T14:37:12Z");
  EXPECT_EQ(*PeriodStart("7d", now, absl::UTCTimeZone()), At("2026-11-15T14:00:00Z"));
  EXPECT_EQ(*PeriodStart("12h", now, absl::UTCTimeZone()), At("2026-11-22T02:00:00Z"));
  for (const char* wrong : {"", "d", "0d", "7w", "99999999999999999999d", "yesterday"}) {
    EXPECT_FALSE(PeriodStart(wrong, now, absl::UTCTimeZone()).ok()) << wrong;
  }
}

TEST(ParseTime, TakesTheZoneUnlessTheTextHasOne) {
  const absl::TimeZone berlin = *LoadZone("Europe/Berlin");
  EXPECT_EQ(*ParseTime("2026-11-22", berlin), At("2026-11-21T23:00:00Z"));
  EXPECT_EQ(*ParseTime("2026-07-01 12:00", berlin), At("2026-07-01T10:00:00Z"));
  EXPECT_EQ(*ParseTime("2026-07-01T12:00:00Z", berlin), At("2026-07-01T12:00:00Z"));
  EXPECT_FALSE(ParseTime("2026-13-01", berlin).ok());
  EXPECT_FALSE(LoadZone("Mars/Olympus").ok());
}

TEST(Nearest, SuggestsOnlyWhatIsNear) {
  const std::vector<std::string> commands = {"check", "record", "costs", "budgets", "status"};
  EXPECT_EQ(Nearest("chekc", commands), "check");
  EXPECT_EQ(Nearest("cost", commands), "costs");
  EXPECT_EQ(Nearest("budget", commands), "budgets");
  EXPECT_EQ(Nearest("frobnicate", commands), "");
}

TEST(FormatPercent, CutsOffSoThatOnlyAFullBudgetReadsAHundred) {
  EXPECT_EQ(FormatPercent(0), "0.0 %");
  EXPECT_EQ(FormatPercent(0.29), "29.0 %");
  EXPECT_EQ(FormatPercent(0.9999), "99.9 %");
  EXPECT_EQ(FormatPercent(1), "100.0 %");
  EXPECT_EQ(FormatPercent(1.25), "125.0 %");
}

}  // namespace
}  // namespace bursar::cli
