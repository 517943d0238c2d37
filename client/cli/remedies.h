#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bursar/v1/admin_service.pb.h"

// What would let a denied check through.
namespace bursar::cli {

struct DeniedCheck {
  v1::CostEvent denial;
  std::vector<v1::BudgetStatus> now;             // where its budgets stand by now
  std::optional<absl::Time> first_hold_expires;  // of those in the budget that denied
  bool frozen = false;                           // the budget that denied still is
};

// The budget that denied it, as it stands now, or as it stood then where it no longer applies.
const v1::BudgetStatus& Standing(const DeniedCheck& check);

// Each a sentence, with the very command line where there is one; the most direct first. Counts
// with the figures of now: what was too full may have room by now, and another budget none.
std::vector<std::string> RemediesFor(const DeniedCheck& check);

}  // namespace bursar::cli
