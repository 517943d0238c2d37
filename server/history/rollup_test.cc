#include "history/rollup.h"

#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"

namespace bursar::history {
namespace {

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", text, &time, &error)) << error;
  return time;
}

TimeRange Between(const std::string& start, const std::string& end) {
  return {At(start), At(end), At(end)};
}

// "month 2026-10-01 00:00 .. 2026-11-01 00:00"
std::string TextOf(const Stretch& stretch) {
  static const char* const kGrains[] = {"record", "hour", "day", "month"};
  const auto text = [](absl::Time time) {
    return absl::FormatTime("%Y-%m-%d %H:%M", time, absl::UTCTimeZone());
  };
  return absl::StrCat(kGrains[static_cast<int>(stretch.grain)], " ", text(stretch.start), " .. ",
                      text(stretch.end));
}

std::string CoverText(const CostQuery& query, const TimeRange& range,
                      const std::vector<absl::string_view>& dimensions) {
  const auto starts = BucketStarts(query, range);
  return absl::StrJoin(Cover(range, starts, FamilyWith(dimensions)), "\n",
                       [](std::string* out, const Stretch& s) { out->append(TextOf(s)); });
}

TEST(FamilyWith, IsTheSmallestThatKeepsThemApart) {
  EXPECT_EQ(FamilyWith({})->number, 1);
  EXPECT_EQ(FamilyWith({"model", "provider"})->number, 1);
  EXPECT_EQ(FamilyWith({"user"})->number, 2);
  EXPECT_EQ(FamilyWith({"agent", "model"})->number, 4);
  EXPECT_EQ(FamilyWith({"user", "model"})->number, 6);
  EXPECT_EQ(FamilyWith({"run"})->number, 7);
  EXPECT_EQ(FamilyWith({"user", "run"}), nullptr);
  EXPECT_EQ(FamilyWith({"label:env"}), nullptr);
}

TEST(Cover, TakesTheCoarsestGrainThatFits) {
  const CostQuery whole;
  EXPECT_EQ(CoverText(whole, Between("2026-08-30 22:30", "2026-11-02 01:15"), {"model"}),
            "record 2026-08-30 22:30 .. 2026-08-30 23:00\n"
            "hour 2026-08-30 23:00 .. 2026-08-31 00:00\n"
            "day 2026-08-31 00:00 .. 2026-09-01 00:00\n"
            "month 2026-09-01 00:00 .. 2026-11-01 00:00\n"
            "day 2026-11-01 00:00 .. 2026-11-02 00:00\n"
            "hour 2026-11-02 00:00 .. 2026-11-02 01:00\n"
            "record 2026-11-02 01:00 .. 2026-11-02 01:15");
  EXPECT_EQ(CoverText(whole, Between("2026-11-02 01:05", "2026-11-02 01:15"), {"model"}),
            "record 2026-11-02 01:05 .. 2026-11-02 01:15");
  EXPECT_EQ(CoverText(whole, Between("2026-09-01 00:00", "2026-11-02 12:00"), {"user", "model"}),
            "month 2026-09-01 00:00 .. 2026-11-01 00:00\n"
            "day 2026-11-01 00:00 .. 2026-11-02 00:00\n"
            "record 2026-11-02 00:00 .. 2026-11-02 12:00");
  EXPECT_EQ(CoverText(whole, Between("2026-09-01 00:00", "2026-11-01 00:00"), {"run"}),
            "hour 2026-09-01 00:00 .. 2026-11-01 00:00");
  EXPECT_EQ(CoverText(whole, Between("2026-09-01 00:00", "2026-11-01 00:00"), {"label:x"}),
            "record 2026-09-01 00:00 .. 2026-11-01 00:00");
}

TEST(Cover, FollowsTheBucketsOfATimeZone) {
  CostQuery query{.time_zone = "America/New_York", .bucket = Bucket::kDay};
  EXPECT_EQ(CoverText(query, Between("2026-10-31 04:00", "2026-11-03 05:00"), {"model"}),
            "hour 2026-10-31 04:00 .. 2026-11-03 05:00");
  query = {.time_zone = "Asia/Kolkata", .bucket = Bucket::kDay};
  EXPECT_EQ(CoverText(query, Between("2026-11-01 18:30", "2026-11-03 18:30"), {"model"}),
            "record 2026-11-01 18:30 .. 2026-11-01 19:00\n"
            "hour 2026-11-01 19:00 .. 2026-11-02 18:00\n"
            "record 2026-11-02 18:00 .. 2026-11-02 19:00\n"
            "hour 2026-11-02 19:00 .. 2026-11-03 18:00\n"
            "record 2026-11-03 18:00 .. 2026-11-03 18:30");
  query = {.time_zone = "Europe/Berlin", .bucket = Bucket::kMonth};
  EXPECT_EQ(CoverText(query, Between("2026-10-31 23:00", "2026-11-30 23:00"), {"model"}),
            "hour 2026-10-31 23:00 .. 2026-11-01 00:00\n"
            "day 2026-11-01 00:00 .. 2026-11-30 00:00\n"
            "hour 2026-11-30 00:00 .. 2026-11-30 23:00");
}

// Whatever is asked: no moment twice, none left out, rows whole and inside of one bucket.
TEST(Cover, TilesTheRange) {
  std::mt19937_64 random(20);
  static const char* const kZones[] = {"UTC", "Asia/Kathmandu", "Australia/Lord_Howe",
                                       "America/Sao_Paulo", "Pacific/Apia"};
  const absl::Time epoch = At("2018-01-01 00:00");
  for (int i = 0; i < 2000; ++i) {
    const CostQuery query{.time_zone = kZones[random() % 5],
                          .bucket = static_cast<Bucket>(random() % 5)};
    TimeRange range;
    range.start = epoch + absl::Minutes(random() % (60 * 24 * 365));
    range.end = range.summed_until = range.start + absl::Minutes(1 + random() % (60 * 24 * 90));
    const Family& family = Families()[random() % Families().size()];
    const auto starts = BucketStarts(query, range);
    ASSERT_FALSE(starts.empty());
    EXPECT_LE(starts.front(), range.start);
    absl::Time next = range.start;
    for (const Stretch& stretch : Cover(range, starts, &family)) {
      EXPECT_EQ(stretch.start, next);
      EXPECT_LT(stretch.start, stretch.end);
      next = stretch.end;
      if (stretch.grain == Grain::kRecord) continue;
      EXPECT_GE(stretch.grain, family.finest);
      EXPECT_LE(stretch.grain, family.coarsest);
      EXPECT_EQ(stretch.start,
                absl::FromUnixSeconds(absl::ToUnixSeconds(stretch.start) / 3600 * 3600));
    }
    EXPECT_EQ(next, range.end);
    if (HasFailure()) FAIL() << query.time_zone << " " << static_cast<int>(query.bucket);
  }
}

TEST(RangeOf, EndsNowWhereNoEndIsGiven) {
  const absl::Time now = At("2026-11-30 23:55");
  const auto open = RangeOf({.start = At("2026-11-01 00:00"), .end = absl::InfiniteFuture()}, now);
  EXPECT_EQ(open->end, now);
  EXPECT_EQ(open->summed_until, At("2027-01-01 00:00")) << "a record may be ten minutes ahead";
  const auto closed =
      RangeOf({.start = At("2026-11-01 00:00"), .end = At("2026-11-02 00:00")}, now);
  EXPECT_EQ(closed->summed_until, At("2026-11-02 00:00"));
  EXPECT_FALSE(RangeOf({.start = At("1926-11-01 00:00"), .end = absl::InfiniteFuture()}, now).ok());
}

}  // namespace
}  // namespace bursar::history
