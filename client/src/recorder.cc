#include <bursar/recorder.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <system_error>
#include <utility>

#include "src/recorder_background.h"
#include "src/recorder_options.h"

namespace bursar {
namespace {

constexpr size_t kLabelBytesMax = 64;
constexpr size_t kServerBatchRecordsMax = 1000;
constexpr uint64_t kSegmentBytesMax = uint64_t{2}
                                      << 30;       // places in it are u32, with room for marks
constexpr std::chrono::hours kFlushMax{24 * 365};  // what is longer has no time_point

Status CheckLabel(const std::string& label) {
  const bool right = !label.empty() && label.size() <= kLabelBytesMax &&
                     std::all_of(label.begin(), label.end(), [](unsigned char c) {
                       return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
                     });
  if (right) return {};
  return {StatusCode::kInvalidArgument,
          "journal_label is \"" + label + "\"; 1 to 64 of [A-Za-z0-9._-] would be right"};
}

}  // namespace

Status internal::CheckRecorderOptions(const RecorderOptions& options) {
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
  if (options.segment_bytes_max > kSegmentBytesMax) {
    return {StatusCode::kInvalidArgument, "segment_bytes_max is " +
                                              std::to_string(options.segment_bytes_max) +
                                              "; at most 2 GiB is right"};
  }
  // An empty label is one that is still to be made.
  return options.journal_label.empty() ? Status() : CheckLabel(options.journal_label);
}

StatusOr<std::unique_ptr<Recorder>> Recorder::Start(std::shared_ptr<Connection> connection,
                                                    RecorderOptions options) {
  if (options.journal_label.empty()) options.journal_label = "default";
  if (Status status = internal::CheckRecorderOptions(options); !status.ok()) return status;
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
  try {
    return std::unique_ptr<Recorder>(new Recorder(std::make_unique<Background>(
        std::move(connection), std::move(options), std::move(set_aside), std::move(journal))));
  } catch (const std::system_error& error) {
    return Status(StatusCode::kResourceExhausted,
                  std::string("the recorder's threads cannot be started: ") + error.what());
  }
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
  return background_->Flush(std::chrono::steady_clock::now() +
                            std::min<std::chrono::milliseconds>(timeout, kFlushMax));
}

Status Recorder::Close() {
  if (!background_->InOwnProcess()) {
    return {StatusCode::kFailedPrecondition, "a forked child cannot close its parent's recorder"};
  }
  return background_->Close();
}

RecorderStats Recorder::Stats() const { return background_->Stats(); }

}  // namespace bursar
