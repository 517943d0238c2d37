#pragma once

#include <string>

#include "cli/command.h"
#include "cli/flags.h"

namespace bursar::cli {

// bursar record: this is what a call took.
class RecordCommand final : public Command {
 public:
  explicit RecordCommand(CLI::App& parent);

  // Errors: INVALID_ARGUMENT where token flags and --provider-usage are both given;
  // FAILED_PRECONDITION for a file that cannot be read.
  StatusOr<v1::RecordUsageRequest> Request() const;
  int Run(Server& server, Output& output) override;

 private:
  void AddCallFlags();

  v1::RecordUsageRequest request_;
  v1::TokenUsage tokens_;
  ModelFlags model_;
  bool tokens_given_ = false;
  std::string provider_usage_file_;
  std::string api_flavor_;
};

}  // namespace bursar::cli
