#pragma once

#include <bursar/requests.h>

namespace bursar::internal {

// A settlement that says nothing would free the hold and charge nothing; what nobody knows is
// charged as it was held (Outcome::kUnknown).
inline bool WouldSettleAsZero(const RecordRequest& record) {
  return !record.reservation_id.empty() && !record.keep_reservation && !record.tokens &&
         !record.provider_usage && !record.cost_nanousd &&
         (record.outcome == Outcome::kUnspecified || record.outcome == Outcome::kSucceeded);
}

}  // namespace bursar::internal
