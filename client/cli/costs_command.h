#pragma once

#include <string>

#include "absl/time/time.h"
#include "cli/command.h"

namespace bursar::cli {

// bursar costs: where did the money go?
class CostsCommand final : public Command {
 public:
  explicit CostsCommand(CLI::App& parent);

  // Errors: INVALID_ARGUMENT for a time or a zone that cannot be read, --period with --from, or a
  // range that ends before it starts.
  StatusOr<v1::QueryCostsRequest> Request(absl::Time now) const;
  int Run(Server& server, Output& output) override;

 private:
  v1::QueryCostsRequest request_;
  std::string from_;
  std::string to_;
  std::string period_;
};

}  // namespace bursar::cli
