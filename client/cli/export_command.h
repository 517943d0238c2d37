#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "cli/command.h"
#include "cli/export_run.h"

namespace bursar::cli {

// bursar export: records as CSV, JSON lines or a bundle, into a file; or --verify, is a bundle
// whole?
class ExportCommand final : public Command {
 public:
  explicit ExportCommand(CLI::App& parent);

  // Errors: INVALID_ARGUMENT for a time that cannot be read, --period with --from, a range that
  // ends before it starts, a bundle to standard output.
  StatusOr<ExportPlan> Plan(absl::Time now) const;
  int Run(Server& server, Output& output) override;
  std::optional<int> RunAlone(Output& output) override;

 private:
  enum class Form { kCsv, kJsonl, kBundle };
  Status FillRange(absl::Time now, v1::ExportUsageRequest* request) const;

  v1::ExportUsageRequest request_;
  Form form_ = Form::kCsv;
  std::optional<Compression> compression_;
  std::string period_;
  std::string from_;
  std::string to_;
  std::string path_ = "-";
  std::string verify_;
  bool resume_ = false;
};

}  // namespace bursar::cli
