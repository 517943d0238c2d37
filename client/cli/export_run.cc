#include "cli/export_run.h"

#include <bursar/money.h>
#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/export_bundle.h"
#include "cli/export_pages.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Request = v1::ExportUsageRequest;
using internal::FormatCount;

constexpr std::chrono::seconds kSaveEvery(1);  // each costs a write to the disk that lasts

std::string SizeText(int64_t bytes) {
  constexpr int64_t kMiB = 1 << 20;
  if (bytes < kMiB) return FormatCount((bytes + 1023) / 1024) + " KiB";
  return FormatCount(bytes / kMiB) + "." + std::to_string(bytes % kMiB * 10 / kMiB) + " MiB";
}

std::string RecordsText(int64_t rows) {
  return FormatCount(rows) + (rows == 1 ? " record" : " records");
}

bool HasRows(const ExportState& state) {
  return !state.files.empty() && (state.files[0].complete || !state.files[0].cursor.empty());
}

Status NotOurs(const std::string& part) {
  return {StatusCode::kFailedPrecondition,
          part + " is of an export with other flags; give those, or remove it to begin anew"};
}

Status Rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  return internal::SystemError("cannot write", to);
}

Status SyncFolderOf(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return internal::SyncFolder(folder.empty() ? "." : folder.string());
}

}  // namespace

ExportRun::ExportRun(Server* server, ExportPlan plan, Output& output)
    : server_(server),
      plan_(std::move(plan)),
      part_(plan_.path + ".part"),
      state_path_(part_ + ".state"),
      output_(output),
      progress_(output.err, output.live_err),
      compressor_(plan_.compression),
      request_(plan_.request) {}

int ExportRun::Run() {
  Status status = Begin();
  if (status.ok()) AskHowMany();
  if (status.ok()) status = WriteFiles();
  if (status.ok()) status = Finish();
  progress_.Clear();
  if (!status.ok()) return Say(status);
  PrintTotals();
  return kExitOk;
}

Status ExportRun::Begin() {
  if (!to_stdout()) {
    if (plan_.bundle && std::filesystem::exists(plan_.path)) {
      return {StatusCode::kFailedPrecondition,
              "there is a " + plan_.path + " already; another --output would be right"};
    }
    const auto before = std::filesystem::exists(part_)
                            ? ReadExportState(state_path_)
                            : StatusOr<std::optional<ExportState>>(std::nullopt);
    if (!before.ok()) return before.status();
    const bool begun = *before && HasRows(**before);
    if (!begun && plan_.resume) {
      return {StatusCode::kFailedPrecondition,
              "no export to " + plan_.path + " was broken off; without --resume one begins"};
    }
    if (Status status = Lock(); !status.ok()) return status;
    if (begun) return TakeUp(**before);
  }
  const std::string suffix(SuffixOf(plan_.compression));
  state_.asked = plan_.asked;
  if (plan_.bundle) {
    state_.files.push_back({.name = "records.csv" + suffix, .table = "records"});
    if (request_.filters().empty()) {  // rollups are sums of all that there is
      state_.files.push_back({.name = "rollups.csv" + suffix, .table = "rollups"});
    }
  } else {
    state_.files.push_back({.name = plan_.path, .table = "records"});
  }
  const auto request = JsonText(request_, JsonForm::kLine);
  if (!request.ok()) return request.status();
  state_.request = *request;
  return {};
}

Status ExportRun::TakeUp(const ExportState& state) {
  if (state.asked != plan_.asked) return NotOurs(part_);
  request_.Clear();
  if (!google::protobuf::util::JsonStringToMessage(state.request, &request_).ok()) {
    return NotOurs(part_);
  }
  request_.set_page_size(plan_.request.page_size());
  state_ = state;
  return {};
}

// Two exports to one place would mix their rows.
Status ExportRun::Lock() {
  std::error_code ignored;
  if (plan_.bundle) std::filesystem::create_directory(part_, ignored);
  auto locked = internal::OpenFile(part_, plan_.bundle ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT);
  if (!locked.ok()) return locked.status();
  lock_ = *std::move(locked);
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  return {StatusCode::kFailedPrecondition, "another export is writing to " + part_};
}

Status ExportRun::WriteFiles() {
  for (ExportedFile& file : state_.files) {
    if (file.complete) continue;
    if (Status status = WriteFile(&file); !status.ok()) return status;
  }
  return {};
}

Status ExportRun::WriteFile(ExportedFile* file) {
  if (Status status = Open(*file); !status.ok()) return status;
  Request first = request_;
  first.set_cursor(file->cursor);
  if (file->table == "rollups") {
    first.set_table(Request::TABLE_ROLLUPS);
    first.clear_columns();  // those are of records
  }
  ExportPages pages(server_, first);
  while (!file->complete) {
    const auto page = pages.Next();
    server_failed_ = !page.ok();
    Status status = page.ok() ? Append(*page, file) : page.status();
    const bool due = !page.ok() || file->complete || Clock::now() - saved_ >= kSaveEvery;
    if (const Status saved = due ? Save() : Status(); status.ok()) status = saved;
    if (!status.ok()) return status;
    if (progress_.Due()) ShowProgress(*file);
  }
  return {};
}

Status ExportRun::Open(const ExportedFile& file) {
  if (to_stdout()) return {};
  const std::string path = PathOf(file);
  auto opened = internal::OpenFile(path, O_RDWR | O_CREAT);
  if (!opened.ok()) return opened.status();
  file_ = *std::move(opened);
  if (lseek(file_.get(), 0, SEEK_END) < file.bytes) {
    return {StatusCode::kFailedPrecondition,
            path + " is shorter than its export left it; remove it to begin anew"};
  }
  if (ftruncate(file_.get(), file.bytes) != 0) return internal::SystemError("cannot write", path);
  return Save();
}

Status ExportRun::Append(const v1::ExportUsageResponse& page, ExportedFile* file) {
  const bool last = page.next_cursor().empty();
  if (!page.data().empty() || (last && file->bytes == 0)) {  // compressed nothing is something
    const auto bytes = compressor_.Compress(page.data());
    if (!bytes.ok()) return bytes.status();
    if (Status status = Write(*bytes, file); !status.ok()) return status;
  }
  file->rows += page.rows();
  rows_written_ += page.rows();
  file->cost_nanousd += page.cost_nanousd();
  file->cursor = page.next_cursor();
  file->complete = last;
  return {};
}

Status ExportRun::Write(std::string_view bytes, ExportedFile* file) {
  if (to_stdout()) {
    output_.out << bytes << std::flush;
    if (!output_.out) return {StatusCode::kFailedPrecondition, "cannot write to standard output"};
  } else if (Status status =
                 internal::WriteAt(file_, static_cast<uint64_t>(file->bytes), bytes, PathOf(*file));
             !status.ok()) {
    return status;
  }
  file->bytes += static_cast<int64_t>(bytes.size());
  return {};
}

// First what was written, then the word that it was.
Status ExportRun::Save() {
  if (to_stdout()) return {};
  if (fdatasync(file_.get()) != 0) return internal::SystemError("cannot write", part_);
  saved_ = Clock::now();
  return WriteExportState(state_path_, state_);
}

Status ExportRun::Finish() {
  if (to_stdout()) return {};
  if (plan_.bundle) {
    if (Status status = WriteManifest(part_, request_, state_.files); !status.ok()) return status;
  }
  if (Status status = Rename(part_, plan_.path); !status.ok()) return status;
  std::remove(state_path_.c_str());
  return SyncFolderOf(plan_.path);
}

int ExportRun::Say(const Status& status) {
  const int code = server_failed_ ? Fail(status, *server_, output_) : FailUsage(status, output_);
  if (to_stdout() || !HasRows(state_)) {
    if (!state_.files.empty()) DropPart();
    return code == kExitUsage && server_failed_ ? kExitUsage : kExitFailed;
  }
  const int64_t rows =
      std::accumulate(state_.files.begin(), state_.files.end(), int64_t{0},
                      [](int64_t sum, const ExportedFile& file) { return sum + file.rows; });
  output_.err << "bursar: " << RecordsText(rows) << " are in " << part_
              << ", and the same command again goes on from there\n";
  return kExitFailed;
}

// Where nothing is in it, it should be in nobody's way.
void ExportRun::DropPart() const {
  if (to_stdout()) return;
  std::error_code ignored;
  std::filesystem::remove_all(part_, ignored);
  std::filesystem::remove(state_path_, ignored);
}

// Only for the bar: calls are as many as records but for corrections and what was not executed.
void ExportRun::AskHowMany() {
  if (!output_.live_err) return;
  v1::QueryCostsRequest query;
  *query.mutable_start_time() = request_.start_time();
  *query.mutable_end_time() = request_.end_time();
  *query.mutable_filters() = request_.filters();
  v1::QueryCostsResponse costs;
  if (server_->Call(&TelemetryStub::QueryCosts, query, &costs).ok()) {
    rows_expected_ = costs.total().calls();
  }
}

void ExportRun::ShowProgress(const ExportedFile& file) {
  const std::chrono::duration<double> time = Clock::now() - begun_;
  const double rate = static_cast<double>(rows_written_) / std::max(time.count(), 0.001);
  std::string text = RecordsText(file.rows) + ", " + SizeText(file.bytes) + ", " +
                     FormatCount(static_cast<int64_t>(rate)) + "/s";
  if (rows_expected_ > 0 && file.table == "records") {
    const double fraction = static_cast<double>(file.rows) / static_cast<double>(rows_expected_);
    text = ProgressBar(fraction) + "  " + text;
  }
  progress_.Show(text);
}

void ExportRun::PrintTotals() const {
  if (to_stdout()) return;
  const ExportedFile& records = state_.files[0];
  int64_t bytes = 0;
  for (const ExportedFile& file : state_.files) bytes += file.bytes;
  if (output_.json) {
    const nlohmann::ordered_json json = {{"output", plan_.path},
                                         {"records", records.rows},
                                         {"bytes", bytes},
                                         {"costNanousd", std::to_string(records.cost_nanousd)}};
    output_.out << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    output_.out << RecordsText(records.rows) << ", " << FormatUsd(records.cost_nanousd) << ", "
                << SizeText(bytes) << " in " << plan_.path << "\n";
  }
}

std::string ExportRun::PathOf(const ExportedFile& file) const {
  return plan_.bundle ? part_ + "/" + file.name : part_;
}

}  // namespace bursar::cli
