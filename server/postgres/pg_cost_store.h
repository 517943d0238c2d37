#pragma once

#include "history/cost_query.h"
#include "postgres/session_pool.h"

namespace bursar::postgres {

// Answers from the rollups where they keep what is asked for apart, else from the records: the
// sums are the same. A transaction of at most three round trips.
class PgCostStore final : public history::CostStore {
 public:
  explicit PgCostStore(SessionPool& pool) : pool_(pool) {}

  absl::StatusOr<history::CostAnswer> Query(absl::string_view tenant,
                                            const history::CostQuery& query) override;

 private:
  SessionPool& pool_;
};

}  // namespace bursar::postgres
