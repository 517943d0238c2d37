#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "cli/call_filters.h"
#include "cli/command.h"

namespace bursar::cli {

// bursar prices reprice: gives records the cost that the newest prices make of them. Prints the
// difference first and asks.
class RepriceCommand final : public Command {
 public:
  explicit RepriceCommand(CLI::App& prices);

  // Errors: INVALID_ARGUMENT where --from is missing, or the range ends before it starts.
  StatusOr<v1::RepriceUsageRequest> Request(absl::Time now) const;
  int Run(Server& server, Output& output) override;

 private:
  int Preview(Server& server, v1::RepriceUsageRequest request, v1::RepriceUsageResponse* all,
              Output& output) const;
  // Whether to go on: by --yes or by asking; else the exit code.
  std::optional<int> Refused(const v1::RepriceUsageResponse& preview, Output& output) const;

  std::optional<absl::Time> from_;
  std::optional<absl::Time> to_;
  CallFilters filters_;
  v1::RepriceUsageRequest request_;
  bool dry_run_ = false;
  bool yes_ = false;
};

}  // namespace bursar::cli
