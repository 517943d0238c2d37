#pragma once

#include "history/usage_view.h"
#include "postgres/session_pool.h"

namespace bursar::postgres {

// ListUsage's statements are in pg_usage_view.cc, those of ListRuns in pg_usage_view_runs.cc.
class PgUsageView final : public history::UsageView {
 public:
  explicit PgUsageView(SessionPool& pool) : pool_(pool) {}

  absl::StatusOr<history::UsagePage> ListUsage(absl::string_view tenant,
                                               const history::UsageQuery& query) override;
  absl::StatusOr<history::RunPage> ListRuns(absl::string_view tenant,
                                            const history::RunQuery& query) override;

 private:
  SessionPool& pool_;
};

}  // namespace bursar::postgres
