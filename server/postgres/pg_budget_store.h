#pragma once

#include "ledger/budget_store.h"
#include "postgres/session_pool.h"

namespace bursar::postgres {

class PgBudgetStore final : public ledger::BudgetStore {
 public:
  explicit PgBudgetStore(SessionPool& pool) : pool_(pool) {}

  absl::StatusOr<ledger::Budget> Create(absl::string_view tenant, ledger::Budget budget) override;
  absl::StatusOr<ledger::Budget> Get(absl::string_view tenant, absl::string_view id) override;
  absl::StatusOr<std::vector<ledger::Budget>> List(absl::string_view tenant,
                                                   absl::string_view after, int limit) override;
  absl::StatusOr<ledger::Budget> Update(
      absl::string_view tenant, absl::string_view id, absl::string_view etag,
      const std::function<absl::Status(ledger::Budget&)>& change) override;
  absl::Status Delete(absl::string_view tenant, absl::string_view id,
                      absl::string_view etag) override;

 private:
  SessionPool& pool_;
};

}  // namespace bursar::postgres
