#include "cli/runs_command.h"

#include <bursar/money.h>

#include <algorithm>

#include "cli/flags.h"
#include "cli/pages.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "cli/render.h"
#include "src/convert_types.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

constexpr char kDefaultPeriod[] = "7d";
constexpr int kBarCells = 10;

// The cap that is closest to stopping the run; nothing where it has none.
const v1::BudgetStatus* FullestOf(const v1::Run& run) {
  const auto& caps = run.caps();
  const auto fullest = std::max_element(caps.begin(), caps.end(),
                                        [](const v1::BudgetStatus& a, const v1::BudgetStatus& b) {
                                          return std::pair(a.would_deny(), a.used_fraction()) <
                                                 std::pair(b.would_deny(), b.used_fraction());
                                        });
  return fullest == caps.end() ? nullptr : &*fullest;
}

// "########..  78.5 % of $0.50".
std::string CapText(const v1::BudgetStatus* cap) {
  if (cap == nullptr) return "-";
  const double used = std::clamp(cap->used_fraction(), 0.0, 1.0);
  const auto full = static_cast<size_t>(used * kBarCells + 0.5);
  return std::string(full, '#') + std::string(kBarCells - full, '.') + "  " +
         FormatPercent(cap->used_fraction()) + " of " +
         FormatAmount(static_cast<Unit>(cap->unit()), cap->limit());
}

Table RunTable(const v1::ListRunsResponse& response) {
  Table table({{""},
               {"RUN"},
               {"AGENT"},
               {"STARTED"},
               {"LAST"},
               {"CALLS", Align::kRight},
               {"FAILED", Align::kRight},
               {"SUB-RUNS", Align::kRight},
               {"COST", Align::kPoint},
               {"WITH SUB-RUNS", Align::kPoint},
               {"CAP"}});
  for (const v1::Run& run : response.runs()) {
    const v1::BudgetStatus* cap = FullestOf(run);
    const BudgetStatus status = cap == nullptr ? BudgetStatus{} : internal::FromProto(*cap);
    table.AddRow({MarkOf(status), run.run(), run.agent(), FormatSecond(TimeOf(run.first_time())),
                  FormatSecond(TimeOf(run.last_time())), internal::FormatCount(run.calls()),
                  internal::FormatCount(run.failed_calls()), internal::FormatCount(run.sub_runs()),
                  FormatUsd(run.cost_nanousd()), FormatUsd(run.tree_cost_nanousd()), CapText(cap)},
                 EmphasisOf(status));
  }
  return table;
}

}  // namespace

RunsCommand::RunsCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("runs", "Show runs, what they cost, and how full their caps are");
  range_.AddTo(*app_, kDefaultPeriod);
  v1::ListRunsRequest* request = &request_;
  AddRepeatedFlag(*app_, "--filter", "DIM=VALUES", "like user=carol or agent!=x; may be repeated",
                  ParseFilter, [request](v1::Filter f) { *request->add_filters() = std::move(f); });
  app_->add_flag("--all-runs", all_runs_, "those that other runs started too");
  AddParsedFlag(*app_, "--limit", "N", "rows at most, up to 10000; default: 50", ParseRows,
                [this](int32_t rows) { limit_ = rows; });
}

StatusOr<v1::ListRunsRequest> RunsCommand::Request(absl::Time now) const {
  v1::ListRunsRequest request = request_;
  request.set_top_only(!all_runs_);
  if (Status status = range_.FillInto(now, kDefaultPeriod, &request); !status.ok()) return status;
  return request;
}

int RunsCommand::Run(Server& server, Output& output) {
  const auto request = Request(absl::Now());
  if (!request.ok()) return FailUsage(request.status(), output);
  v1::ListRunsResponse all;
  const Status status = ReadPages(server, &TelemetryStub::ListRuns, *request, limit_,
                                  &v1::ListRunsResponse::runs_size, &all);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) return PrintJson(all, output);
  if (all.runs().empty()) {
    output.out << "no such run\n";
  } else {
    output.out << RunTable(all).Render(output.palette);
  }
  if (!all.next_page_token().empty()) output.out << kMoreRows;
  return kExitOk;
}

}  // namespace bursar::cli
