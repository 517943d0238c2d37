#pragma once

#include "ledger/ledger_view.h"
#include "postgres/session_pool.h"

namespace bursar::postgres {

// The lists' statements are in pg_ledger_view.cc, those of Verify in pg_ledger_view_verify.cc, that
// of ListRepriceable in pg_ledger_view_reprice.cc.
class PgLedgerView final : public ledger::LedgerView {
 public:
  // `horizon`: for how long a usage id and its record must both be there.
  PgLedgerView(SessionPool& pool, absl::Duration horizon) : pool_(pool), horizon_(horizon) {}

  absl::StatusOr<ledger::BudgetStatusPage> ListStatuses(
      absl::string_view tenant, const ledger::Budget& budget,
      const ledger::BudgetStatusQuery& query) override;
  absl::StatusOr<ledger::ReservationPage> ListReservations(
      absl::string_view tenant, const ledger::ReservationQuery& query) override;
  absl::StatusOr<ledger::CostEventPage> ListCostEvents(
      absl::string_view tenant, const ledger::CostEventQuery& query) override;
  absl::StatusOr<ledger::RepricePage> ListRepriceable(absl::string_view tenant,
                                                      const ledger::RepriceQuery& query) override;
  absl::StatusOr<ledger::VerifiedPage> Verify(absl::string_view tenant, absl::string_view at,
                                              int page_size) override;

 private:
  SessionPool& pool_;
  const absl::Duration horizon_;
};

}  // namespace bursar::postgres
