#include "history/rollup.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "ledger/window.h"
#include "usage/field_error.h"
#include "usage/limits.h"

namespace bursar::history {
namespace {

constexpr absl::string_view kModel[] = {"provider", "model",   "service_tier",
                                        "region",   "account", "event_type"};
constexpr absl::string_view kUser[] = {"user", "project", "team"};
constexpr absl::string_view kStep[] = {"workflow", "tool", "step", "event_type"};
constexpr absl::string_view kWork[] = {"project", "team",     "agent", "workflow",
                                       "tool",    "provider", "model", "event_type"};
constexpr absl::string_view kOutcome[] = {
    "outcome",   "cost_basis", "error_type", "error_category", "error_severity",
    "guardrail", "agent",      "provider",   "model",          "event_type"};
constexpr absl::string_view kUserModel[] = {"user", "provider", "model"};
constexpr absl::string_view kRun[] = {"root_run", "run", "parent_run"};

// By the hour, a user's models and a run's day would be nearly as many rows as there are records.
constexpr Family kFamilies[] = {
    {1, kModel, Grain::kHour, Grain::kMonth},   {2, kUser, Grain::kHour, Grain::kMonth},
    {3, kStep, Grain::kHour, Grain::kMonth},    {4, kWork, Grain::kHour, Grain::kMonth},
    {5, kOutcome, Grain::kHour, Grain::kMonth}, {6, kUserModel, Grain::kDay, Grain::kMonth},
    {7, kRun, Grain::kHour, Grain::kHour},
};

Grain Finer(Grain grain) { return static_cast<Grain>(static_cast<int>(grain) - 1); }

// The first moment of a grain's row at or before `time`.
absl::Time Floor(absl::Time time, Grain grain) {
  const absl::CivilSecond civil = absl::ToCivilSecond(time, absl::UTCTimeZone());
  switch (grain) {
    case Grain::kHour:
      return absl::FromCivil(absl::CivilHour(civil), absl::UTCTimeZone());
    case Grain::kDay:
      return absl::FromCivil(absl::CivilDay(civil), absl::UTCTimeZone());
    case Grain::kMonth:
      return absl::FromCivil(absl::CivilMonth(civil), absl::UTCTimeZone());
    case Grain::kRecord:
      break;
  }
  return time;
}

// The first at or after `time`. A little more than a grain is in the next one; no month is shorter
// than 28 days.
absl::Time Ceiling(absl::Time time, Grain grain) {
  const absl::Time floor = Floor(time, grain);
  if (floor == time) return time;
  constexpr absl::Duration kMore[] = {absl::ZeroDuration(), absl::Hours(1), absl::Hours(24),
                                      absl::Hours(24 * 31)};
  return Floor(floor + kMore[static_cast<int>(grain)], grain);
}

void Add(Stretch stretch, std::vector<Stretch>& stretches) {
  if (stretch.start >= stretch.end) return;
  if (!stretches.empty() && stretches.back().grain == stretch.grain &&
      stretches.back().end == stretch.start) {
    stretches.back().end = stretch.end;
  } else {
    stretches.push_back(stretch);
  }
}

// Whole rows of `grain` in the middle, finer ones on both sides.
void CoverCell(absl::Time start, absl::Time end, Grain grain, const Family& family,
               std::vector<Stretch>& stretches) {
  if (start >= end) return;
  if (grain < family.finest) return Add({Grain::kRecord, start, end}, stretches);
  const absl::Time first = Ceiling(start, grain), last = Floor(end, grain);
  if (first >= last) return CoverCell(start, end, Finer(grain), family, stretches);
  CoverCell(start, first, Finer(grain), family, stretches);
  Add({grain, first, last}, stretches);
  CoverCell(last, end, Finer(grain), family, stretches);
}

}  // namespace

std::span<const Family> Families() { return kFamilies; }

const Family* FamilyWith(const std::vector<absl::string_view>& dimensions) {
  for (const Family& family : kFamilies) {
    const auto kept = [&](absl::string_view dimension) {
      return std::find(family.dimensions.begin(), family.dimensions.end(), dimension) !=
             family.dimensions.end();
    };
    if (std::all_of(dimensions.begin(), dimensions.end(), kept)) return &family;
  }
  return nullptr;
}

std::vector<absl::string_view> DimensionsOf(const CostQuery& query, bool with_groups) {
  std::vector<absl::string_view> dimensions;
  for (const auto& filter : query.filters) dimensions.push_back(filter.dimension);
  if (with_groups) {
    dimensions.insert(dimensions.end(), query.group_by.begin(), query.group_by.end());
  }
  return dimensions;
}

absl::StatusOr<TimeRange> RangeOf(const CostQuery& query, absl::Time as_of) {
  // A later page's end is the moment of the first one, where that was asked up to now.
  if (query.end != absl::InfiniteFuture() && query.end != as_of) {
    return TimeRange{query.start, query.end, query.end};
  }
  if (as_of - query.start > kRangeMax) {
    return usage::FieldError("start_time", "is more than 20 years ago; ask for less");
  }
  // A start in the future has no records, but is no reason for an error.
  const absl::Time end = std::max(as_of, query.start);
  return TimeRange{query.start, end, Ceiling(end + usage::kFutureMax, Grain::kMonth)};
}

std::vector<absl::Time> BucketStarts(const CostQuery& query, const TimeRange& range) {
  if (query.bucket == Bucket::kNone) return {range.start};
  constexpr ledger::WindowKind kKinds[] = {ledger::WindowKind::kLifetime, ledger::WindowKind::kHour,
                                           ledger::WindowKind::kDay, ledger::WindowKind::kWeek,
                                           ledger::WindowKind::kMonth};
  const ledger::Window window{
      .kind = kKinds[static_cast<int>(query.bucket)],
      .time_zone = query.time_zone,
      .zone = ledger::LoadZone(query.time_zone).value_or(absl::UTCTimeZone())};
  std::vector<absl::Time> starts;
  absl::Time next = range.start;
  while (next < range.summed_until) {
    const ledger::Span span = ledger::WindowAt(window, next);
    starts.push_back(span.start);
    next = span.end;
  }
  return starts;
}

std::vector<Stretch> Cover(const TimeRange& range, std::span<const absl::Time> bucket_starts,
                           const Family* family) {
  std::vector<Stretch> stretches;
  if (family == nullptr) {
    Add({Grain::kRecord, range.start, range.summed_until}, stretches);
    return stretches;
  }
  for (size_t i = 0; i < bucket_starts.size(); ++i) {
    const absl::Time start = std::max(bucket_starts[i], range.start);
    const absl::Time end = i + 1 < bucket_starts.size() ? bucket_starts[i + 1] : range.summed_until;
    CoverCell(start, end, family->coarsest, *family, stretches);
  }
  return stretches;
}

std::string SourceText(std::span<const Stretch> stretches) {
  constexpr absl::string_view kNames[] = {"events", "rollup_hour", "rollup_day", "rollup_month"};
  std::string text;
  for (int grain = static_cast<int>(Grain::kMonth); grain >= 0; --grain) {
    const auto is_of = [&](const Stretch& s) { return static_cast<int>(s.grain) == grain; };
    if (std::none_of(stretches.begin(), stretches.end(), is_of)) continue;
    absl::StrAppend(&text, text.empty() ? "" : "+", kNames[grain]);
  }
  return text.empty() ? "events" : text;
}

}  // namespace bursar::history
