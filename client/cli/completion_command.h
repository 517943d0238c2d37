#pragma once

#include <string>

#include "cli/command.h"

namespace bursar::cli {

// What bash runs to complete a command line of `program`: its commands, flags and the words that
// flags take, as they are in the tree itself.
std::string BashCompletion(const CLI::App& program);

// bursar completion bash
class BashCompletionCommand final : public Command {
 public:
  // `program` is the whole tree, and outlives this.
  BashCompletionCommand(CLI::App& completion, const CLI::App& program);
  std::optional<int> RunAlone(Output& output) override;
  int Run(Server& server, Output& output) override;

 private:
  const CLI::App& program_;
};

}  // namespace bursar::cli
