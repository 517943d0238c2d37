#pragma once

#include <memory>

#include "ledger/ledger_store.h"
#include "postgres/session.h"

namespace bursar::postgres {

// The ledger in PostgreSQL: two round trips for a batch, each a pipeline (lock and read; write and
// commit). Statements are in pg_ledger_read.cc and pg_ledger_write.cc. A lost connection is made
// anew with the next batch.
class PgLedgerStore final : public ledger::LedgerStore {
 public:
  explicit PgLedgerStore(std::unique_ptr<Session> session) : session_(std::move(session)) {}

  absl::StatusOr<ledger::BudgetBook> ReadBook(absl::string_view tenant) override;
  absl::StatusOr<Locked> Lock(absl::string_view tenant, const ledger::Footprint& footprint,
                              const ledger::Recollection& known) override;
  absl::Status Write(absl::string_view tenant, const ledger::State& state,
                     const ledger::Changes& changes) override;
  absl::Status Abandon() override;
  absl::Status WriteIfAgreed(absl::string_view tenant, const ledger::State& state,
                             const ledger::Changes& changes,
                             const ledger::Expectations& expected) override;
  absl::StatusOr<ledger::OverdueHolds> FindOverdue(
      absl::string_view tenant, const std::vector<ledger::Id>& counters) override;
  absl::StatusOr<std::vector<ledger::Overdue>> FindAllOverdue(
      int limit, const std::vector<std::string>& but_of) override;

 private:
  absl::Status EnsureConnected();
  absl::Status Commit(std::vector<Statement> statements);  // those first

  std::unique_ptr<Session> session_;
};

}  // namespace bursar::postgres
