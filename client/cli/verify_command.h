#pragma once

#include "cli/command.h"

namespace bursar::cli {

// bursar verify: is the ledger what its records say? Exits with 1 where it is not.
class VerifyCommand final : public Command {
 public:
  explicit VerifyCommand(CLI::App& parent);
  int Run(Server& server, Output& output) override;

 private:
  v1::VerifyLedgerRequest request_;
};

}  // namespace bursar::cli
