#pragma once

#include <string>

#include "cli/command.h"

namespace bursar::cli {

// bursar adjust: this is what a recorded call really used or cost.
class AdjustCommand final : public Command {
 public:
  explicit AdjustCommand(CLI::App& parent);

  // Errors: INVALID_ARGUMENT where the usage id is missing, or not exactly one of --cost and token
  // flags is given.
  StatusOr<v1::AdjustUsageRequest> Request() const;
  int Run(Server& server, Output& output) override;

 private:
  v1::AdjustUsageRequest request_;
  v1::TokenUsage tokens_;
  bool tokens_given_ = false;
};

}  // namespace bursar::cli
