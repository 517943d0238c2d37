#pragma once

#include "cli/command.h"
#include "cli/flags.h"

namespace bursar::cli {

// bursar check: may this call be made?
class CheckCommand final : public Command {
 public:
  explicit CheckCommand(CLI::App& parent);

  // Errors: INVALID_ARGUMENT where neither tokens, a prompt nor a cost is given;
  // FAILED_PRECONDITION for a file that cannot be read.
  StatusOr<v1::CheckBudgetRequest> Request() const;
  int Run(Server& server, Output& output) override;

 private:
  v1::CheckBudgetRequest request_;
  ModelFlags model_;
  bool tokens_given_ = false;
  CLI::Option* input_tokens_ = nullptr;
  std::string prompt_file_;
};

}  // namespace bursar::cli
