#include "cli/time_range.h"

#include "absl/time/civil_time.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

constexpr int64_t kOpenStartHours = 24 * 366 * 10;  // before there was anything to record

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

struct Span {
  absl::Time start;
  absl::Time end;
};

// The day of "2026-11-15", the month of "2026-10"; nothing where it is neither.
std::optional<Span> ParseDayOrMonth(std::string_view text, absl::TimeZone zone) {
  if (absl::CivilDay day; absl::ParseCivilTime(View(text), &day)) {
    return Span{absl::FromCivil(day, zone), absl::FromCivil(day + 1, zone)};
  }
  if (absl::CivilMonth month; absl::ParseCivilTime(View(text), &month)) {
    return Span{absl::FromCivil(month, zone), absl::FromCivil(month + 1, zone)};
  }
  return std::nullopt;
}

// One end of FROM..TO.
StatusOr<Span> ParseRangeEnd(std::string_view text, absl::TimeZone zone) {
  if (const auto span = ParseDayOrMonth(text, zone)) return *span;
  const auto time = ParseTime(text, zone);
  if (time.ok()) return Span{*time, *time};
  return WrongValue(text, "is no time", "2026-11-22, 2026-11 or 2026-11-22T14:30");
}

}  // namespace

StatusOr<TimeRange> ParsePeriod(std::string_view period, absl::Time now, absl::TimeZone zone) {
  if (const auto span = ParseDayOrMonth(period, zone)) return TimeRange{span->start, span->end};
  const size_t dots = period.find("..");
  if (dots == std::string_view::npos) {
    if (const auto start = PeriodStart(period, now, zone); start.ok()) {
      return TimeRange{*start, std::nullopt};
    }
    return WrongValue(period, "is no period",
                      "today, month, a length like 7d or 12h, a day, a month like 2026-10 or a "
                      "range like 2026-11-01..2026-11-15");
  }
  const std::string_view from = internal::Trim(period.substr(0, dots));
  const std::string_view to = internal::Trim(period.substr(dots + 2));
  TimeRange range;
  if (!to.empty()) {
    const auto last = ParseRangeEnd(to, zone);
    if (!last.ok()) return last.status();
    range.end = last->end;
  }
  if (from.empty()) {
    range.start = range.end.value_or(now) - absl::Hours(kOpenStartHours);
    return range;
  }
  const auto first = ParseRangeEnd(from, zone);
  if (!first.ok()) return first.status();
  range.start = first->start;
  const absl::Time end = range.end.value_or(now);
  if (end <= range.start) return RangeEndsBeforeItStarts(range.start, end, zone);
  return range;
}

}  // namespace bursar::cli
