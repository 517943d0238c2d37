#include "ledger/window.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"

namespace bursar::ledger {
namespace {

// Days, weeks and months: CivilUnit is aligned to the window, `length` counts its units.
template <typename CivilUnit>
Span CivilWindow(CivilUnit start, int length, absl::Time time, absl::TimeZone zone,
                 absl::string_view name) {
  // A date goes by its first moment: clocks set back over midnight show it twice, and one that was
  // left out has no moment of its own.
  while (time < absl::FromCivil(start, zone)) start -= length;
  while (time >= absl::FromCivil(start + length, zone)) start += length;
  return Span{absl::FromCivil(start, zone), absl::FromCivil(start + length, zone),
              absl::StrCat(name, " ", absl::FormatCivilTime(absl::CivilDay(start)))};
}

// The moment at which the offset of `a` ends; a < b have different offsets, with one change
// between.
absl::Time OffsetChange(absl::Time a, absl::Time b, absl::TimeZone zone) {
  const int offset = zone.At(a).offset;
  int64_t low = absl::ToUnixSeconds(a), high = absl::ToUnixSeconds(b) + 1;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (zone.At(absl::FromUnixSeconds(middle)).offset == offset ? low : high) = middle;
  }
  return absl::FromUnixSeconds(high);
}

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// Minutes and hours: aligned to the civil clock, cut where the UTC offset changes.
Span ClockWindow(int64_t seconds, absl::Time time, absl::TimeZone zone, absl::string_view name) {
  const int offset = zone.At(time).offset;
  const int64_t civil = absl::ToUnixSeconds(time) + offset;
  absl::Time start = absl::FromUnixSeconds(FloorDivide(civil, seconds) * seconds - offset);
  absl::Time end = start + absl::Seconds(seconds);
  if (zone.At(start).offset != offset) start = OffsetChange(start, time, zone);
  const absl::Time last = end - absl::Seconds(1);
  if (zone.At(last).offset != offset) end = OffsetChange(time, last, zone);
  return Span{
      start, end,
      absl::StrCat(name, " ", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", start, absl::UTCTimeZone()))};
}

}  // namespace

absl::string_view WindowKindName(WindowKind kind) {
  static constexpr absl::string_view kNames[] = {"",    "LIFETIME", "MINUTE", "HOUR",
                                                 "DAY", "WEEK",     "MONTH"};
  return kNames[static_cast<int>(kind)];
}

absl::StatusOr<absl::TimeZone> LoadZone(absl::string_view name) {
  absl::TimeZone zone = absl::UTCTimeZone();
  if (!name.empty() && !absl::LoadTimeZone(name, &zone)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", name.substr(0, 64), "\" is not a time zone; IANA names like Europe/Berlin are"));
  }
  return zone;
}

Span WindowAt(const Window& window, absl::Time time) {
  const absl::string_view name = WindowKindName(window.kind);
  const absl::CivilDay day = absl::ToCivilDay(time, window.zone);
  switch (window.kind) {
    case WindowKind::kLifetime:
      return Span{.key = std::string(name)};
    case WindowKind::kMinute:
      return ClockWindow(60, time, window.zone, name);
    case WindowKind::kHour:
      return ClockWindow(3600, time, window.zone, name);
    case WindowKind::kDay:
      return CivilWindow(day, 1, time, window.zone, name);
    case WindowKind::kWeek:
      return CivilWindow(absl::PrevWeekday(day + 1, absl::Weekday::monday), 7, time, window.zone,
                         name);
    case WindowKind::kMonth:
      return CivilWindow(absl::CivilMonth(day), 1, time, window.zone, name);
  }
  return Span{.key = std::string(name)};
}

}  // namespace bursar::ledger
