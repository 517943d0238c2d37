#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ledger/id.h"

namespace bursar::ledger {

// What VerifyLedger knows between two of its pages. Pure; the pages themselves are read by
// server/postgres/pg_ledger_view_verify.cc.
//
// That a counter's `spent` is the sum of what records charged it cannot be read in one short
// transaction: a counter can have millions of records. Nor can the records be read once for each
// counter: there can be a million of those. So all counters are read once and all records once,
// page by page, and what must agree is kept in little:
//
// - The counters, in the order of their ids, are cut into stretches, one for each page of them,
//   each with the snapshot in which that page was read. Of a stretch only the sum of `spent` is
//   kept, each multiplied by a weight made of the counter's id, modulo 2^128. Ids are hashes, so
//   that errors of several counters cancel each other out with the probability of two random
//   numbers of 128 bits being the same.
// - Each record's charges are subtracted from their stretches, if the stretch's snapshot saw the
//   record. Records are never changed, so that this is exact however late they are read.
// - A stretch that is not zero then holds a wrong counter. It is read once more in a hundred
// smaller
//   stretches, and those again, until a stretch is one counter.
//
// The cost is thus two scans, and two more if something is wrong.
struct Verification {
  enum class Step { kReservations, kCounters, kRecords, kUsageIds, kRollups };

  struct Snapshot {
    absl::Time as_of;
    std::string text;  // pg_current_snapshot()
  };
  struct Interval {
    Id from, to;  // from <= id < to
  };
  struct Stretch {
    Interval ids;         // from its first counter to right behind its last one
    size_t snapshot = 0;  // of `snapshots`
    int64_t spent = 0;    // the plain sums are exact where a stretch is one counter
    int64_t charged = 0;
    absl::uint128 difference;  // weighted: 0 where all agree
  };
  // A stretch that does not agree: one counter (`ids.from`) if `single`, else a stretch beyond
  // those that are read once more.
  struct Suspect {
    Interval ids;
    bool single = false;
    int64_t spent = 0, charged = 0;
  };

  static constexpr int64_t kFirstPiece = 10'000;  // counters of a stretch: more than a page has
  static constexpr size_t kNarrowedMax = 32;      // stretches read once more
  static constexpr Id kLastId{~uint64_t{0}, ~uint64_t{0}};

  Step step = Step::kReservations;
  Id from;                                       // the next id to read, but of records
  // Of records: the last one that was read; of rollups: where the next day is looked for.
  absl::Time after_time = absl::InfinitePast();
  Id after_id;
  int64_t piece = kFirstPiece;
  std::vector<Interval> intervals = {{Id{}, kLastId}};  // of counters that are still to be read
  std::vector<Snapshot> snapshots;
  std::vector<Stretch> stretches;  // ascending

  static Id After(const Id& id);  // the next one

  bool narrowing() const { return piece < kFirstPiece; }

  // A page of counters was read from the first interval in one snapshot: all that there are if
  // `whole`, else as many as a page may have.
  struct CounterSpent {
    Id id;
    int64_t spent = 0;
  };
  void AddCounters(const std::vector<CounterSpent>& counters, bool whole, Snapshot snapshot);
  // The sum of the charges to a counter that the snapshot of its stretch saw. Counters outside of
  // all stretches are left alone.
  void AddCharge(const Id& counter, absl::int128 amount);
  // All records were read: what does not agree, and the next step.
  std::vector<Suspect> FinishRecords();

  std::string Encode() const;
  static std::optional<Verification> Decode(absl::string_view text);  // nullopt: is none
};

}  // namespace bursar::ledger
