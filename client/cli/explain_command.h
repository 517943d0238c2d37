#pragma once

#include <string>

#include "cli/command.h"

namespace bursar::cli {

// bursar explain: what became of a check, why, and what would have to change? Exits with 1 where
// nothing is kept under the id.
class ExplainCommand final : public Command {
 public:
  explicit ExplainCommand(CLI::App& parent);
  int Run(Server& server, Output& output) override;

 private:
  std::string id_;
};

}  // namespace bursar::cli
