#pragma once

#include <string>

#include "absl/time/time.h"
#include "cli/command.h"
#include "cli/range_flags.h"

namespace bursar::cli {

// bursar usage: the records themselves, oldest first.
class UsageCommand final : public Command {
 public:
  explicit UsageCommand(CLI::App& parent);

  // Errors: those of RangeFlags.
  StatusOr<v1::ListUsageRequest> Request(absl::Time now) const;
  int Run(Server& server, Output& output) override;

 private:
  RangeFlags range_;
  v1::ListUsageRequest request_;
  int64_t limit_ = 100;
  bool all_ = false;
};

}  // namespace bursar::cli
