#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "cli/command.h"

namespace bursar::cli {

// --dry-run and --accept-jumps, of the commands that import prices.
void AddImportFlags(CLI::App& app, v1::ImportPricesRequest* request);

// Imports, and prints `pairs` and what became of them, or the answer as JSON; returns the exit
// code.
int ImportPrices(Server& server, const v1::ImportPricesRequest& request,
                 std::vector<std::pair<std::string, std::string>> pairs,
                 v1::ImportPricesResponse* response, Output& output);

// bursar prices import
class ImportPricesCommand final : public Command {
 public:
  explicit ImportPricesCommand(CLI::App& prices);
  // Errors: INVALID_ARGUMENT where the file is missing, too long, or does not show its format and
  // --format is missing; FAILED_PRECONDITION where it cannot be read.
  StatusOr<v1::ImportPricesRequest> Request() const;
  int Run(Server& server, Output& output) override;
  // The server compares 15 MB with what it has: tens of seconds.
  std::chrono::nanoseconds default_timeout() const override { return std::chrono::minutes(2); }

 private:
  v1::ImportPricesRequest request_;
  std::string file_;
};

// bursar prices list
class ListPricesCommand final : public Command {
 public:
  explicit ListPricesCommand(CLI::App& prices);
  v1::ListPricesRequest Request(absl::Time now) const;
  int Run(Server& server, Output& output) override;

 private:
  std::string provider_;
  std::string model_;
  std::optional<absl::Time> at_;
  bool all_ = false;
};

// bursar prices show: all that is known of what one model costs, and of those that it is priced as.
class ShowPriceCommand final : public Command {
 public:
  explicit ShowPriceCommand(CLI::App& prices);
  int Run(Server& server, Output& output) override;

 private:
  std::string provider_;
  std::string model_;
  std::optional<absl::Time> at_;
};

}  // namespace bursar::cli
