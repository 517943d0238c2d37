#include <bursar/recorder.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "src/recorder_background.h"

namespace bursar {
namespace {

constexpr size_t kLabelBytesMax = 64;
constexpr size_t kServerBatchRecordsMax = 1000;

Status CheckLabel(const std::string& label) {
  const bool right = !label.empty() && label.size() <= kLabelBytesMax &&
                     std::all_of(label.begin(), label.end(), [](unsigned char c) {
                       return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
                     });
  if (right) return {};
  return {StatusCode::kInvalidArgument,
          "journal_label is \"" + label + "\"; 1 to 64 of [A-Za-z0-9._-] would be right"};
}

Status CheckOptions(const RecorderOptions& options) {
  if (options.batch_records_max < 1 || options.batch_records_max > kServerBatchRecordsMax) {
    return {StatusCode::kInvalidArgument, "batch_records_max is " +
                                              std::to_string(options.batch_records_max) +
                                              "; allowed are 1 to 1000"};
  }
  const std::chrono::milliseconds least(1);
  if (options.linger < least || options.send_timeout < least ||
      options.retry_initial_backoff < least || options.adopt_interval < least) {
    return {StatusCode::kInvalidArgument,
            "linger, send_timeout, retry_initial_backoff and adopt_interval must be at least 1 ms"};
  }
  return CheckLabel(options.journal_label);
}

}  // namespace

StatusOr<std::unique_ptr<Recorder>> Recorder::Start(std::shared_ptr<Connection> connection,
                                                    RecorderOptions options) {
  if (options.journal_label.empty()) options.journal_label = "default";
  if (Status status = CheckOptions(options); !status.ok()) return status;
  std::unique_ptr<internal::SetAside> set_aside;
  std::unique_ptr<internal::Journal> journal;
  if (!options.journal_folder.empty()) {
    set_aside = std::make_unique<internal::SetAside>(options.journal_folder + "/set-aside",
                                                     options.set_aside_bytes_max);
    auto opened = internal::Journal::Open({.root = options.journal_folder,
                                           .label = options.journal_label,
                                           .segment_bytes_max = options.segment_bytes_max,
                                           .bytes_max = options.journal_bytes_max},
                                          set_aside.get());
    if (!opened.ok()) return opened.status();
    journal = *std::move(opened);
  }
  return std::unique_ptr<Recorder>(new Recorder(std::make_unique<Background>(
      std::move(connection), std::move(options), std::move(set_aside), std::move(journal))));
}

Recorder::Recorder(std::unique_ptr<Background> background) : background_(std::move(background)) {}

Recorder::~Recorder() {
  // In a forked child there are no threads to join, and the journal is the parent's.
  if (!background_->InOwnProcess()) (void)background_.release();
}

Status Recorder::Record(RecordRequest record) { return background_->Record(std::move(record)); }

Status Recorder::Flush(std::chrono::milliseconds timeout) {
  if (!background_->InOwnProcess()) {
    return {StatusCode::kFailedPrecondition, "a forked child cannot flush its parent's recorder"};
  }
  return background_->Flush(std::chrono::steady_clock::now() + timeout);
}

Status Recorder::Close() {
  if (!background_->InOwnProcess()) {
    return {StatusCode::kFailedPrecondition, "a forked child cannot close its parent's recorder"};
  }
  return background_->Close();
}

RecorderStats Recorder::Stats() const { return background_->Stats(); }

}  // namespace bursar
