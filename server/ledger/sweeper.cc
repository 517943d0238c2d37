#include "ledger/sweeper.h"

#include "status_macros.h"

namespace bursar::ledger {
namespace {
constexpr int kSweepMax = 1000;
constexpr size_t kExpireMax = 256;  // of one operation
}  // namespace

absl::Status Sweeper::Sweep() {
  lanes_.TendIdle();
  ASSIGN_OR_RETURN(std::vector<Overdue> overdue, store_->FindAllOverdue(kSweepMax));
  for (const Overdue& of_tenant : overdue) {
    const auto& keys = of_tenant.reservations;
    for (size_t first = 0; first < keys.size(); first += kExpireMax) {
      const auto last = keys.begin() + std::min(first + kExpireMax, keys.size());
      lanes_.Submit(of_tenant.tenant, Expire{{keys.begin() + first, last}}, absl::InfiniteFuture(),
                    nullptr);
    }
  }
  return absl::OkStatus();
}

}  // namespace bursar::ledger
