#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "cli/call_filters.h"
#include "cli/command.h"

namespace bursar::cli {

// bursar events: what was worth telling, oldest first: thresholds, denials, overruns, expiries.
class EventsCommand final : public Command {
 public:
  explicit EventsCommand(CLI::App& parent);

  // Errors: INVALID_ARGUMENT for a time that cannot be read, --since with --from, or a range that
  // ends before it starts.
  StatusOr<v1::ListCostEventsRequest> Request(absl::Time now) const;
  int Run(Server& server, Output& output) override;

 private:
  CallFilters filters_;
  std::string kind_;
  std::optional<std::chrono::nanoseconds> since_;
  std::optional<absl::Time> from_;
  std::optional<absl::Time> to_;
  int32_t limit_ = 100;
};

}  // namespace bursar::cli
