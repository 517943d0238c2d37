#pragma once

#include <string>

#include "absl/time/time.h"
#include "cli/command.h"
#include "cli/range_flags.h"

namespace bursar::cli {

// bursar runs: which runs were active, the last one first, what they cost and how full their caps
// are.
class RunsCommand final : public Command {
 public:
  explicit RunsCommand(CLI::App& parent);

  // Errors: those of RangeFlags.
  StatusOr<v1::ListRunsRequest> Request(absl::Time now) const;
  int Run(Server& server, Output& output) override;

 private:
  RangeFlags range_;
  v1::ListRunsRequest request_;
  int32_t limit_ = 50;
  bool all_runs_ = false;
};

}  // namespace bursar::cli
