#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/flags.h"

namespace bursar::cli {

// bursar record: this is what a call took. With --stdin: this is what many took.
class RecordCommand final : public Command {
 public:
  explicit RecordCommand(CLI::App& parent);

  // Errors: INVALID_ARGUMENT where token flags and --provider-usage are both given;
  // FAILED_PRECONDITION for a file that cannot be read.
  StatusOr<v1::RecordUsageRequest> Request() const;
  int Run(Server& server, Output& output) override;
  std::optional<int> RunAlone(Output& output) override;
  std::chrono::nanoseconds default_timeout() const override;

 private:
  void AddUsageFlags();
  void AddCallFlags();
  void AddImportFlags();
  // What is wrong with the flags together.
  Status CheckImportWords() const;
  int Import(Server* server, Output& output) const;

  v1::RecordUsageRequest request_;
  v1::TokenUsage tokens_;
  ModelFlags model_;
  bool tokens_given_ = false;
  std::string provider_usage_file_;
  std::string api_flavor_;
  std::vector<CLI::Option*> of_one_;  // the flags that describe one record
  bool stdin_ = false;
  bool dry_run_ = false;
  std::string import_name_;
};

}  // namespace bursar::cli
