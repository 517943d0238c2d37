#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/line_reader.h"
#include "cli/progress_line.h"
#include "cli/usage_line.h"

namespace bursar::cli {

// A content of 1 MiB, escaped in JSON, and all the rest.
inline constexpr size_t kUsageLineBytesMax = 4 << 20;

struct UsageImportOptions {
  std::string name;  // tells apart files whose lines are the same; part of the ids that are made
  bool dry_run = false;
  // How long a batch of which nothing gets through is tried again.
  std::chrono::nanoseconds patience = std::chrono::minutes(1);
};

// Records a usage log, a record for each line, by BatchRecordUsage: up to 1000 records and 3 MiB at
// a time, one batch after the other; a batch that is not full goes when nothing comes for a second.
// Memory is that of one batch, however long the log.
//
// A line that cannot be read, or that the server refuses, is named (on standard error; with --json
// as a line of JSON on standard output) and the others go on. UNAVAILABLE, DEADLINE_EXCEEDED,
// RESOURCE_EXHAUSTED and ABORTED are tried again under the same ids; any other error of a call ends
// the import. Imports the same log twice without counting anything twice.
class UsageImport {
 public:
  UsageImport(Server* server, UsageImportOptions options, Output& output);

  // Returns the exit code: 0 where every line was stored.
  int Run(LineReader& lines);

 private:
  using Batch = std::vector<UsageLine>;

  struct Totals {
    int64_t lines = 0;  // that are not blank
    int64_t recorded = 0;
    int64_t replayed = 0;
    int64_t refused = 0;
    int64_t unpriced = 0;
    int64_t doubtful = 0;  // replayed, with an id of ours and without a time
    int64_t cost_nanousd = 0;
  };

  void Take(LineReader::Got got, const LineReader& lines);
  void Add(std::string_view text, int64_t number);
  void Send();
  // Sends `batch` until nothing is left of it. An error ends the import.
  Status SendAll(Batch batch);
  // Both halves, each by itself: one record is what the server stumbles over.
  Status SendHalves(Batch batch);
  // One attempt; leaves in `batch` what is to be tried again, and says why. Returns an error where
  // the call failed.
  Status SendOnce(Batch* batch, Status* why_again);
  void Judge(const UsageLine& line, const v1::RecordUsageResult& result);
  void Wait(const Status& why, std::chrono::nanoseconds pause);
  void Refuse(int64_t number, StatusCode code, const std::string& message);
  void ShowProgress(const LineReader& lines);
  int Finish();
  void PrintTotals() const;
  void PrintJsonTotals() const;

  Server* const server_;  // null for a dry run
  const UsageImportOptions options_;
  Output& output_;
  ProgressLine progress_;
  Totals totals_;
  Batch batch_;
  size_t batch_bytes_ = 0;
  bool told_waiting_ = false;
  Status failure_;             // that ended the import
  int64_t failed_number_ = 0;  // the first line that was not stored then
};

}  // namespace bursar::cli
