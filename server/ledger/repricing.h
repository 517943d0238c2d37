#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ledger/lane.h"
#include "ledger/ledger_view.h"
#include "pricing/price_books.h"

namespace bursar::ledger {

struct Repriced {
  int64_t examined = 0;
  int64_t records = 0;         // that got, or would get, another cost
  int64_t still_unpriced = 0;  // examined, and without a price yet
  int64_t delta_nanousd = 0;
  std::string price_version;
  std::optional<TimePlace> next;
};

// Gives records the cost that the newest prices make of their tokens, as of when they count: an
// adjustment each, charged to the budgets that the record charged. What a caller declared, or
// somebody corrected by hand, is left as it is. A page that is asked for again adjusts nothing
// twice.
class Repricer {
 public:
  Repricer(LedgerView& view, Lanes& lanes, pricing::PriceBooks& prices)
      : view_(view), lanes_(lanes), prices_(prices) {}

  // One page. With `validate_only` it only says what would become of it. Waits for the ledger: not
  // for threads that must not block. Errors are the ledger's; what was repriced before stays.
  absl::StatusOr<Repriced> Run(absl::string_view tenant, const RepriceQuery& query,
                               bool validate_only, absl::Time deadline);

 private:
  absl::Status Adjust(absl::string_view tenant, const std::vector<std::string>& usage_ids,
                      absl::Time deadline, Repriced& repriced);

  LedgerView& view_;
  Lanes& lanes_;
  pricing::PriceBooks& prices_;
};

}  // namespace bursar::ledger
