#include "ledger/verification.h"

#include <algorithm>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace bursar::ledger {
namespace {

constexpr int64_t kNarrower = 100;                       // how many stretches a suspect one becomes
constexpr int64_t kMicrosMax = 253'402'300'799'000'000;  // the year 9999
constexpr int64_t kNever = std::numeric_limits<int64_t>::min();
constexpr size_t kUuidBytes = 36;

// Odd, so that no single amount is lost in it.
absl::uint128 Weighted(const Id& counter, absl::int128 amount) {
  return (absl::MakeUint128(counter.high, counter.low) | 1) * absl::uint128(amount);
}

// Sums that leave int64 wrap: a breach can have any number in it.
int64_t Plus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

bool ReadId(absl::string_view text, Id& id) {
  if (text.size() != kUuidBytes) return false;
  id = FromUuid(text);
  return ToUuid(id) == text;
}

bool ReadTime(absl::string_view text, absl::Time& time) {
  int64_t micros = 0;
  if (!absl::SimpleAtoi(text, &micros)) return false;
  time = micros == kNever ? absl::InfinitePast() : absl::FromUnixMicros(micros);
  return micros == kNever || (micros >= 0 && micros <= kMicrosMax);
}

std::string WriteTime(absl::Time time) {
  return absl::StrCat(time == absl::InfinitePast() ? kNever : absl::ToUnixMicros(time));
}

using Words = std::vector<absl::string_view>;

bool ReadHead(const Words& words, Verification& v) {
  int step = 0;
  if (words.size() != 6 || !absl::SimpleAtoi(words[1], &step) || step < 0 ||
      step > static_cast<int>(Verification::Step::kRollups)) {
    return false;
  }
  v.step = static_cast<Verification::Step>(step);
  return ReadId(words[2], v.from) && ReadTime(words[3], v.after_time) &&
         ReadId(words[4], v.after_id) && absl::SimpleAtoi(words[5], &v.piece) && v.piece >= 1 &&
         v.piece <= Verification::kFirstPiece;
}

bool ReadStretch(const Words& words, Verification& v) {
  Verification::Stretch stretch;
  uint64_t high = 0, low = 0;
  if (words.size() != 8 || !ReadId(words[1], stretch.ids.from) ||
      !ReadId(words[2], stretch.ids.to) || !absl::SimpleAtoi(words[3], &stretch.snapshot) ||
      !absl::SimpleAtoi(words[4], &stretch.spent) ||
      !absl::SimpleAtoi(words[5], &stretch.charged) || !absl::SimpleAtoi(words[6], &high) ||
      !absl::SimpleAtoi(words[7], &low) || stretch.snapshot >= v.snapshots.size()) {
    return false;
  }
  stretch.difference = absl::MakeUint128(high, low);
  v.stretches.push_back(stretch);
  return true;
}

bool ReadLine(const Words& words, Verification& v) {
  if (words[0] == "verify") return ReadHead(words, v);
  if (words[0] == "interval") {
    Verification::Interval& interval = v.intervals.emplace_back();
    return words.size() == 3 && ReadId(words[1], interval.from) && ReadId(words[2], interval.to);
  }
  if (words[0] == "snapshot") {
    Verification::Snapshot& snapshot = v.snapshots.emplace_back();
    if (words.size() != 3 || !ReadTime(words[1], snapshot.as_of)) return false;
    snapshot.text = std::string(words[2]);
    return true;
  }
  return words[0] == "stretch" && ReadStretch(words, v);
}

}  // namespace

Id Verification::After(const Id& id) {
  return {id.high + (id.low == ~uint64_t{0} ? 1 : 0), id.low + 1};
}

void Verification::AddCounters(const std::vector<CounterSpent>& counters, bool whole,
                               Snapshot snapshot) {
  snapshots.push_back(std::move(snapshot));
  for (size_t next = 0; next < counters.size();) {
    const size_t end = std::min(next + static_cast<size_t>(piece), counters.size());
    Stretch stretch{.ids = {counters[next].id, After(counters[end - 1].id)},
                    .snapshot = snapshots.size() - 1};
    for (; next < end; ++next) {
      stretch.spent = Plus(stretch.spent, counters[next].spent);
      stretch.difference += Weighted(counters[next].id, counters[next].spent);
    }
    stretches.push_back(stretch);
  }
  if (!whole) {
    from = After(counters.back().id);
    return;
  }
  intervals.erase(intervals.begin());
  if (!intervals.empty()) {
    from = intervals.front().from;
    return;
  }
  step = Step::kRecords;
  after_time = absl::InfinitePast();
}

void Verification::AddCharge(const Id& counter, absl::int128 amount) {
  auto beyond =
      std::upper_bound(stretches.begin(), stretches.end(), counter,
                       [](const Id& id, const Stretch& stretch) { return id < stretch.ids.from; });
  if (beyond == stretches.begin()) return;
  Stretch& stretch = *std::prev(beyond);
  if (counter >= stretch.ids.to) return;
  stretch.charged = Plus(stretch.charged, static_cast<int64_t>(absl::Int128Low64(amount)));
  stretch.difference -= Weighted(counter, amount);
}

std::vector<Verification::Suspect> Verification::FinishRecords() {
  std::vector<Suspect> named;
  for (const Stretch& stretch : stretches) {
    if (stretch.difference == 0) continue;
    if (piece > 1 && intervals.size() < kNarrowedMax) {
      intervals.push_back(stretch.ids);
    } else {
      named.push_back({stretch.ids, piece == 1, stretch.spent, stretch.charged});
    }
  }
  stretches.clear();
  snapshots.clear();
  after_time = absl::InfinitePast();
  piece = std::max<int64_t>(1, piece / kNarrower);
  step = intervals.empty() ? Step::kUsageIds : Step::kCounters;
  from = intervals.empty() ? Id{} : intervals.front().from;
  return named;
}

std::string Verification::Encode() const {
  std::string text = absl::StrCat("verify ", static_cast<int>(step), " ", ToUuid(from), " ",
                                  WriteTime(after_time), " ", ToUuid(after_id), " ", piece);
  for (const Interval& interval : intervals) {
    absl::StrAppend(&text, "\ninterval ", ToUuid(interval.from), " ", ToUuid(interval.to));
  }
  for (const Snapshot& snapshot : snapshots) {
    absl::StrAppend(&text, "\nsnapshot ", WriteTime(snapshot.as_of), " ", snapshot.text);
  }
  for (const Stretch& stretch : stretches) {
    absl::StrAppend(&text, "\nstretch ", ToUuid(stretch.ids.from), " ", ToUuid(stretch.ids.to), " ",
                    stretch.snapshot, " ", stretch.spent, " ", stretch.charged);
    absl::StrAppend(&text, " ", absl::Uint128High64(stretch.difference), " ",
                    absl::Uint128Low64(stretch.difference));
  }
  return text;
}

std::optional<Verification> Verification::Decode(absl::string_view text) {
  Verification v;
  v.intervals.clear();
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!ReadLine(absl::StrSplit(line, ' '), v)) return std::nullopt;
  }
  const auto ascends = [](const Stretch& a, const Stretch& b) { return a.ids.from < b.ids.from; };
  const bool reading = v.step == Step::kCounters || v.step == Step::kReservations;
  const bool whole = absl::StartsWith(text, "verify ") && reading == !v.intervals.empty() &&
                     std::is_sorted(v.stretches.begin(), v.stretches.end(), ascends);
  return whole ? std::optional(std::move(v)) : std::nullopt;
}

}  // namespace bursar::ledger
