#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "history/cost_query.h"

// Which sums are kept (table `rollup`), and which of them answer a question.
namespace bursar::history {

// Over how much time a rollup row sums, in UTC; kRecord: the records themselves.
enum class Grain { kRecord, kHour, kDay, kMonth };

// Rollup rows that keep the same dimensions apart. A dimension of many values (user, run) has
// families of its own, so that the others stay small; labels are in none: records answer.
struct Family {
  int number;  // rollup.family
  std::span<const absl::string_view> dimensions;
  Grain finest, coarsest;  // it has rows of these grains and those between
};

// The smallest first.
std::span<const Family> Families();

// The smallest family that keeps these dimensions apart; null: there is none.
const Family* FamilyWith(const std::vector<absl::string_view>& dimensions);

// What a question groups and filters by, or filters by alone.
std::vector<absl::string_view> DimensionsOf(const CostQuery& query, bool with_groups);

// The time that a question is about: start <= t < end. Where the end is "now", sums are taken up to
// `summed_until`, the end of a month, so that the last hour's records need not be read; the few
// that count after `end` (none by more than 10 minutes) are taken away again.
struct TimeRange {
  absl::Time start, end, summed_until;
};
// `as_of`: when the question's first page was answered. FieldError: longer than 20 years.
absl::StatusOr<TimeRange> RangeOf(const CostQuery& query, absl::Time as_of);

// Where each bucket within the range starts, in order, by the clock of the query's time zone; the
// first may start before the range. One without a bucket: the range's start.
std::vector<absl::Time> BucketStarts(const CostQuery& query, const TimeRange& range);

// A stretch of time whose sums come from rows of one grain.
struct Stretch {
  Grain grain;
  absl::Time start, end;

  bool operator==(const Stretch&) const = default;
};

// The range cut into stretches, as coarse as the family and the buckets' bounds allow; in order. No
// family: the records.
std::vector<Stretch> Cover(const TimeRange& range, std::span<const absl::Time> bucket_starts,
                           const Family* family);

// "rollup_day+rollup_hour+events": the grains of the stretches, coarsest first.
std::string SourceText(std::span<const Stretch> stretches);

}  // namespace bursar::history
