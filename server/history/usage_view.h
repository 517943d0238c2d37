#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ledger/ledger_view.h"

// The records themselves, and the runs that they tell of. The fields are those of the requests in
// protos/bursar/v1/telemetry_service.proto.
namespace bursar::history {

// What the first page of a list saw. The later ones show the same and no more, whatever is recorded
// meanwhile: each record comes exactly once.
struct FirstLook {
  absl::Time as_of;
  std::string snapshot;  // as the view wrote it
};

struct UsageQuery {
  struct Place {
    FirstLook look;
    ledger::TimePlace last;  // of the page before, by charge_time
  };
  absl::Time start = absl::InfinitePast();  // of charge_time: start <= t < end
  absl::Time end = absl::InfiniteFuture();  // InfiniteFuture: when the first page was asked for
  std::vector<ledger::Filter> filters;      // of every dimension of a record
  std::string trace_id;
  int page_size = 100;
  std::optional<Place> after;
};

// A record as it is kept, or the correction of one.
struct KeptRecord {
  usage::UsageRecord usage;
  ledger::RecordAnswer answer;  // `budgets`: the counters it charged; `spent`: how much
  absl::Time receive_time;
  absl::Time charge_time;
  std::string adjusts;  // the usage_id of the record that it corrects
  std::string adjust_reason;
};
struct UsagePage {
  std::vector<KeptRecord> records;  // the oldest first
  std::optional<UsageQuery::Place> next;
};

struct RunQuery {
  struct Place {
    FirstLook look;
    absl::Time last_time;  // of the last run of the page before
    std::string run;
  };
  std::optional<absl::Time> start;          // absent: 7 days before the first page was asked for
  absl::Time end = absl::InfiniteFuture();  // as above
  std::vector<ledger::Filter> filters;      // a record of the run has them
  bool top_only = false;
  int page_size = 50;
  std::optional<Place> after;
};

// One run, as its records of the range tell of it.
struct RunSummary {
  std::string run;
  usage::Subject subject;  // of its latest record
  absl::Time first_time, last_time;
  int64_t calls = 0;
  int64_t failed_calls = 0;
  int64_t cost_nanousd = 0;
  int64_t tree_cost_nanousd = 0;  // with every run below it; of a run that has a parent: its own
  int64_t sub_runs = 0;
  std::vector<ledger::BudgetStatus> caps;  // now; of budgets grouped by run or root_run alone

  bool is_top() const { return subject.parent_run.empty() && subject.root_run == run; }
};
struct RunPage {
  std::vector<RunSummary> runs;  // the one that was active last first
  std::optional<RunQuery::Place> next;
};

// Reads one tenant's records and changes nothing. Every transaction is a short one.
//
// Errors: UNAVAILABLE: the database cannot be reached, or took longer than 5 s. FieldError:
// `after` is none of this view's. Thread-safe.
class UsageView {
 public:
  virtual ~UsageView() = default;

  virtual absl::StatusOr<UsagePage> ListUsage(absl::string_view tenant,
                                              const UsageQuery& query) = 0;
  virtual absl::StatusOr<RunPage> ListRuns(absl::string_view tenant, const RunQuery& query) = 0;
};

inline constexpr absl::Duration kRunsDefault = absl::Hours(24 * 7);

// FieldError for what is not a question; `now` is about the time at which it was asked.
absl::Status Validate(const UsageQuery& query, absl::Time now);
absl::Status Validate(const RunQuery& query, absl::Time now);

}  // namespace bursar::history
