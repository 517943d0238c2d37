#pragma once

#include <span>
#include <string>
#include <vector>

#include "history/rollup.h"
#include "postgres/placeholders.h"

namespace bursar::postgres {

// The batches of the tenant `$1` that the rollups do not have yet; and what that answers.
inline constexpr char kUnmerged[] = "SELECT receive_time FROM unmerged_batch WHERE tenant_id = $1";
std::vector<absl::Time> UnmergedOf(const Rows& rows);

// A question about costs as SQL, over four sources that together have every record once:
//   the rollups, for the stretches that they cover;
//   the batches that the rollups do not have yet, for the same stretches;
//   the records themselves, for the other stretches;
//   less the records that count after the range's end, and for a later page those that the first
//   page had not seen.
// A row is the bucket's number (from 1), the group's values, then sums in the order of kRollupSums,
// latency_max_us and latencies.
//
// Partitions of records are chosen when the text is planned, for which it says what can be said of
// receive_time: a record counts at most 10 minutes after it was received.
class CostSql {
 public:
  // A question that is not `grouped` has neither groups nor buckets. `unmerged`: the receive_time
  // of each batch that the rollups do not have yet, in the snapshot that answers.
  CostSql(absl::string_view tenant, const history::CostQuery& query,
          const history::TimeRange& range, std::span<const absl::Time> bucket_starts, bool grouped,
          std::span<const absl::Time> unmerged);

  std::string source() const { return history::SourceText(stretches_); }
  std::string Rows(int limit, int64_t offset) const;
  Params TakeParams() { return values_.Take(); }

 private:
  std::string Dimension(absl::string_view dimension);
  std::string StretchTable(bool of_records);
  std::string Arm(const std::string& from, const std::string& time, bool taken_away) const;
  void AddRollups(const history::Family& family);
  void AddRecords();
  void AddUnmerged(std::span<const absl::Time> unmerged);
  void TakeAwayLater(const history::TimeRange& range);
  void TakeAwayUnseen(const history::TimeRange& range);

  const history::CostQuery& query_;
  std::vector<history::Stretch> stretches_;
  Placeholders values_;
  std::string tenant_, buckets_;   // what stands for them
  std::vector<std::string> keys_;  // an expression for each group
  std::string filters_;            // " AND ..."
  std::vector<std::string> arms_;
};

}  // namespace bursar::postgres
