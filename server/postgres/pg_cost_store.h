#pragma once

#include "history/cost_query.h"
#include "postgres/session_pool.h"

namespace bursar::postgres {

// Answers from the usage records themselves ("events"): exact percentiles included.
class PgCostStore final : public history::CostStore {
 public:
  explicit PgCostStore(SessionPool& pool) : pool_(pool) {}

  absl::StatusOr<history::CostAnswer> Query(absl::string_view tenant,
                                            const history::CostQuery& query) override;

 private:
  SessionPool& pool_;
};

}  // namespace bursar::postgres
