#pragma once

#include <string>

#include "cli/call_filters.h"
#include "cli/command.h"

namespace bursar::cli {

// bursar holds: which calls hold how much, the oldest first?
class HoldsCommand final : public Command {
 public:
  explicit HoldsCommand(CLI::App& parent);

  // Errors: INVALID_ARGUMENT for --budget with a state in which nothing is held.
  StatusOr<v1::ListReservationsRequest> Request() const;
  int Run(Server& server, Output& output) override;

 private:
  CallFilters filters_;
  v1::Reservation::State state_ = v1::Reservation::STATE_ACTIVE;
  int32_t limit_ = 100;
};

}  // namespace bursar::cli
