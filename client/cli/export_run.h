#pragma once

#include <chrono>
#include <string>

#include "cli/command.h"
#include "cli/compression.h"
#include "cli/export_state.h"
#include "cli/progress_line.h"
#include "src/file_descriptor.h"

namespace bursar::cli {

// What is to be written, and where.
struct ExportPlan {
  std::string path;     // "-": standard output
  bool bundle = false;  // `path` is a folder
  Compression compression = Compression::kNone;
  v1::ExportUsageRequest request;  // of the first page
  std::string asked;               // the flags that decide what is written, as one text
  bool resume = false;             // there must be something to go on with
};

// Writes an export, page by page, in memory that does not grow with it.
//
// All is written to PATH.part, which gets its own name when it is complete. PATH.part.state says
// how far that is, never further than what is on the disk; an export that was broken off goes on
// there, with no row lost or doubled: the same flags cut PATH.part to the length that the state
// knows and ask for the page after it. For one thread.
class ExportRun {
 public:
  ExportRun(Server* server, ExportPlan plan, Output& output);

  int Run();  // the exit code

 private:
  Status Begin();
  Status TakeUp(const ExportState& state);
  Status Lock();
  Status WriteFiles();
  Status WriteFile(ExportedFile* file);
  Status Open(const ExportedFile& file);
  Status Append(const v1::ExportUsageResponse& page, ExportedFile* file);
  Status Write(std::string_view bytes, ExportedFile* file);
  Status Save();
  Status Finish();
  int Say(const Status& status);
  void DropPart() const;

  void AskHowMany();
  void ShowProgress(const ExportedFile& file);
  void PrintTotals() const;

  bool to_stdout() const { return plan_.path == "-"; }
  std::string PathOf(const ExportedFile& file) const;

  Server* const server_;
  const ExportPlan plan_;
  const std::string part_;
  const std::string state_path_;
  Output& output_;
  ProgressLine progress_;
  Compressor compressor_;
  ExportState state_;
  v1::ExportUsageRequest request_;
  internal::FileDescriptor lock_;
  internal::FileDescriptor file_;
  int64_t rows_expected_ = 0;  // about; 0: not known
  bool server_failed_ = false;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  int64_t rows_written_ = 0;  // by this run
  std::chrono::steady_clock::time_point saved_;
};

}  // namespace bursar::cli
