#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "cli/command.h"
#include "cli/costs_summary.h"
#include "cli/costs_text.h"
#include "cli/time_range.h"
#include "cli/watch.h"

namespace bursar::cli {

// bursar costs: where did the money go?
class CostsCommand final : public Command {
 public:
  explicit CostsCommand(CLI::App& parent);

  // Errors: INVALID_ARGUMENT for a time or a zone that cannot be read, --period with --from, a
  // period that has an end of its own with --to, or a range that ends before it starts.
  StatusOr<v1::QueryCostsRequest> Request(absl::Time now) const;
  int Run(Server& server, Output& output) override;

 private:
  void AddRangeFlags();
  void AddRowFlags();
  void AddSummaryFlags();

  StatusOr<TimeRange> Range(absl::Time now, absl::TimeZone zone) const;
  std::optional<BarPlace> Bars(const Output& output) const;
  // What Run shows; `total_nanousd` is set to its total.
  StatusOr<std::string> Show(Server& server, const Output& output, JsonForm form,
                             int64_t* total_nanousd) const;
  int FailOver(int64_t total_nanousd, Output& output) const;

  v1::QueryCostsRequest request_;
  std::string from_;
  std::string to_;
  std::string period_;
  std::optional<bool> bars_;
  bool summary_ = false;
  SummaryRules rules_;
  WatchFlag watch_;
  std::optional<int64_t> fail_over_nanousd_;
};

}  // namespace bursar::cli
