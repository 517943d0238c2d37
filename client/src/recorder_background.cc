#include "src/recorder_background.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "src/random_id.h"
#include "src/record_bytes.h"
#include "src/refused_settlement.h"
#include "src/unknown_usage.h"

namespace bursar {
namespace {

using internal::Journal;
using internal::Outgoing;

constexpr size_t kRecordBytesMax = 3 << 20;  // the server takes messages of 4 MiB
// A wait shorter than this is over before a process has started again.
constexpr std::chrono::milliseconds kRetryAfterWorthKeeping{500};

Status TooBig(const RecordRequest& record, size_t bytes) {
  return {StatusCode::kInvalidArgument, "usage " + record.usage_id + " has " +
                                            std::to_string(bytes) + " bytes; at most " +
                                            std::to_string(kRecordBytesMax) + " is right"};
}

StatusOr<std::string> PayloadOf(const RecordRequest& record) {
  auto payload = internal::SerializeRecord(record);
  if (payload.ok() && payload->size() > kRecordBytesMax) return TooBig(record, payload->size());
  return payload;
}

// For people who look at what was set aside: to record it anew would charge its call twice.
Status WithLessSaid(const Status& why) {
  return {why.code(),
          why.message() +
              "; its hold is settled under this usage_id without what is wrong in it, "
              "so correct it by AdjustUsage",
          {.reason = why.reason(), .field_violations = why.field_violations()}};
}

}  // namespace

Recorder::Background::Background(std::shared_ptr<Connection> connection, RecorderOptions options,
                                 std::unique_ptr<internal::SetAside> set_aside,
                                 std::unique_ptr<internal::Journal> journal)
    : options_(std::move(options)),
      set_aside_(std::move(set_aside)),
      journal_(std::move(journal)),
      window_(std::move(connection), options_),
      pid_(::getpid()) {
  if (journal_ != nullptr) AdoptOrphans();
  writer_ = std::thread([this] { WriteUntilStopped(); });
  try {
    sender_ = std::thread([this] { SendUntilStopped(); });
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      stop_writing_ = true;
    }
    queue_news_.notify_one();
    writer_.join();
    throw;
  }
}

Recorder::Background::~Background() { (void)Close(); }

bool Recorder::Background::InOwnProcess() const { return ::getpid() == pid_; }

// --- the agent's threads ---

Status Recorder::Background::Record(RecordRequest record) {
  if (!InOwnProcess()) {
    return {StatusCode::kFailedPrecondition,
            "a recorder's threads do not live on in a forked child: start one there"};
  }
  if (record.usage_id.empty()) record.usage_id = internal::RandomUuid();
  if (!record.occur_time) record.occur_time = std::chrono::system_clock::now();
  if (internal::WouldSettleAsZero(record)) record.outcome = Outcome::kUnknown;
  const size_t bytes = internal::MemoryBytesOf(record);

  std::unique_lock lock(mutex_);
  ++stats_.accepted;
  if (closing_) {
    ++stats_.dropped_closed;
    return {StatusCode::kFailedPrecondition, "the recorder is closed"};
  }
  if (bytes > kRecordBytesMax) {
    ++stats_.dropped_invalid;
    return TooBig(record, bytes);
  }
  if (in_memory_ >= options_.memory_records_max ||
      in_memory_bytes_ + bytes > options_.memory_bytes_max) {
    ++stats_.dropped_full;
    return {StatusCode::kResourceExhausted,
            std::to_string(in_memory_) + " records (" + std::to_string(in_memory_bytes_) +
                " bytes) wait in memory, more do not fit; " +
                (stats_.last_error.empty() ? "they come too fast" : stats_.last_error)};
  }
  queue_.push_back({std::move(record), bytes});
  queue_bytes_ += bytes;
  ++queued_;
  ++in_memory_;
  in_memory_bytes_ += bytes;
  // The writer looks every `linger` by itself: it is only called for the record that fills a batch.
  const bool call =
      queue_.size() == options_.batch_records_max ||
      (queue_bytes_ >= options_.batch_bytes_max && queue_bytes_ - bytes < options_.batch_bytes_max);
  lock.unlock();
  if (call) queue_news_.notify_one();
  return {};
}

Status Recorder::Background::Flush(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const uint64_t target = queued_;
  flush_target_ = std::max(flush_target_, target);
  queue_news_.notify_one();
  bool done = progress_.wait_until(lock, deadline, [&] { return written_ >= target; });
  const uint64_t journal_target = journal_end_;
  const uint64_t memory_target = memory_end_;
  done = done && progress_.wait_until(lock, deadline, [&] {
    return journal_done_ >= journal_target && memory_done_ >= memory_target;
  });
  if (!done) return Undelivered();
  if (const uint64_t dropped = std::exchange(untold_, 0); dropped > 0) {
    return {StatusCode::kDataLoss,
            std::to_string(dropped) + " records will not be delivered; " +
                (set_aside_ == nullptr ? "on_drop was told of them"
                                       : "look at " + set_aside_->refused_path())};
  }
  return {};
}

Status Recorder::Background::Undelivered() {
  return {StatusCode::kDeadlineExceeded,
          std::to_string(in_journal_ + in_memory_) + " records are not delivered yet (" +
              std::to_string(in_journal_) + " in the journal, " + std::to_string(in_memory_) +
              " in memory alone)" +
              (stats_.last_error.empty() ? "" : "; last error: " + stats_.last_error)};
}

RecorderStats Recorder::Background::Stats() const {
  const std::lock_guard lock(mutex_);
  RecorderStats stats = stats_;
  stats.held = in_memory_ + in_journal_;
  return stats;
}

Status Recorder::Background::Close() {
  const std::lock_guard closing(close_mutex_);
  if (!writer_.joinable()) return {};
  const auto deadline = Clock::now() + options_.close_timeout;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    last_deadline_ = deadline;
  }
  Status flushed = Flush(deadline);
  {
    const std::lock_guard lock(mutex_);
    stop_writing_ = true;
  }
  queue_news_.notify_one();
  writer_.join();
  {
    const std::lock_guard lock(mutex_);
    stop_sending_ = true;
  }
  send_news_.notify_one();
  sender_.join();
  KeepOrDropMemory();
  journal_.reset();
  const std::lock_guard lock(mutex_);
  return flushed.code() == StatusCode::kDeadlineExceeded ? Undelivered() : flushed;
}

// At the end: what only memory has goes to the journal, if it takes it now.
void Recorder::Background::KeepOrDropMemory() {
  std::vector<Outgoing> left;
  for (Outgoing& outgoing : window_.Empty()) {
    if (!outgoing.place) left.push_back(std::move(outgoing));
  }
  std::move(memory_.begin(), memory_.end(), std::back_inserter(left));
  memory_.clear();
  const std::span<const Outgoing> all(left);
  for (size_t at = 0; at < all.size(); at += options_.batch_records_max) {
    KeepOrDrop(all.subspan(at, std::min(options_.batch_records_max, all.size() - at)));
  }
}

// The journal takes all or none: where there is no room for all, each half is tried.
void Recorder::Background::KeepOrDrop(std::span<const Outgoing> records) {
  std::vector<std::string> payloads;
  for (const Outgoing& outgoing : records) {
    if (auto payload = internal::SerializeRecord(outgoing.record); payload.ok()) {
      payloads.push_back(*std::move(payload));
    }
  }
  Status kept(StatusCode::kUnavailable, "the recorder was closed before it was delivered");
  if (journal_ != nullptr) kept = journal_->Append(payloads);
  if (kept.ok()) journal_->Commit();
  if (kept.code() == StatusCode::kResourceExhausted && records.size() > 1) {
    const size_t half = records.size() / 2;
    KeepOrDrop(records.first(half));
    return KeepOrDrop(records.subspan(half));
  }
  for (const Outgoing& outgoing : records) {
    if (!kept.ok()) {
      Drop(outgoing.record, kept, outgoing.bytes, Place::kMemory, &RecorderStats::dropped_closed);
      continue;
    }
    const std::lock_guard lock(mutex_);
    --in_memory_;
    in_memory_bytes_ -= outgoing.bytes;
    ++in_journal_;
  }
}

void Recorder::Background::Drop(const RecordRequest& record, const Status& why, size_t memory_bytes,
                                Place place, uint64_t RecorderStats::*reason) {
  const bool kept = set_aside_ != nullptr && set_aside_->Refused(record, why).ok();
  {
    const std::lock_guard lock(mutex_);
    ++(stats_.*reason);
    ++untold_;
    if (kept) ++stats_.set_aside;
    if (place == Place::kTakenByLess) {
      ++stats_.accepted;
    } else if (place == Place::kJournal) {
      --in_journal_;
    } else {
      --in_memory_;
      in_memory_bytes_ -= memory_bytes;
    }
  }
  Tell({record.usage_id, why, kept ? set_aside_->refused_path() : ""});
}

void Recorder::Background::Tell(const DroppedRecord& dropped) const {
  if (!options_.on_drop) return;
  try {
    options_.on_drop(dropped);
  } catch (...) {  // the agent's; out of this thread it would end the process
  }
}

// --- the writer ---

bool Recorder::Background::BatchIsFull() const {
  return queue_.size() >= options_.batch_records_max || queue_bytes_ >= options_.batch_bytes_max;
}

void Recorder::Background::WriteUntilStopped() {
  auto next_adoption = Clock::now() + options_.adopt_interval;
  for (bool stop = false; !stop;) {
    std::vector<Queued> batch = AwaitBatch(&stop);
    if (!batch.empty()) WriteBatch(std::move(batch));
    if (stop || journal_ == nullptr) continue;
    if (Clock::now() >= next_adoption || journal_->WantsToAdopt()) {
      AdoptOrphans();
      next_adoption = Clock::now() + options_.adopt_interval;
    }
  }
}

std::vector<Recorder::Background::Queued> Recorder::Background::AwaitBatch(bool* stop) {
  std::unique_lock lock(mutex_);
  queue_news_.wait_for(lock, options_.linger, [this] {
    return stop_writing_ || BatchIsFull() || (written_ < flush_target_ && !queue_.empty());
  });
  // All that has come, in bounds: the more there is, the more records share one fsync.
  std::vector<Queued> batch;
  const size_t records_max = options_.batch_records_max * 10;
  for (size_t bytes = 0; !queue_.empty() && batch.size() < records_max;) {
    bytes += queue_.front().bytes;
    if (!batch.empty() && bytes > options_.batch_bytes_max) break;
    queue_bytes_ -= queue_.front().bytes;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  *stop = stop_writing_ && queue_.empty();
  return batch;
}

Recorder::Background::Serialized Recorder::Background::Serialize(std::vector<Queued> batch) {
  Serialized out;
  for (Queued& queued : batch) {
    auto payload = PayloadOf(queued.record);
    if (!payload.ok()) {
      const Status why = payload.status();
      std::optional<RecordRequest> less = queued.record;
      while (!payload.ok() && (less = internal::WithLess(*less))) payload = PayloadOf(*less);
      Drop(queued.record, less ? WithLessSaid(why) : why, queued.bytes,
           less ? Place::kTakenByLess : Place::kMemory, &RecorderStats::dropped_invalid);
      if (!less) continue;
      queued.record = *std::move(less);
    }
    out.payloads.push_back(*std::move(payload));
    out.records.push_back(std::move(queued));
  }
  return out;
}

void Recorder::Background::WriteBatch(std::vector<Queued> batch) {
  const size_t taken = batch.size();
  Serialized serialized = Serialize(std::move(batch));
  Status kept(StatusCode::kFailedPrecondition, "there is no journal");
  if (journal_ != nullptr && !serialized.records.empty()) {
    kept = journal_->Append(serialized.payloads);
  }
  const std::lock_guard lock(mutex_);
  if (journal_ != nullptr) journal_->Commit();
  for (Queued& queued : serialized.records) {
    if (kept.ok()) {
      --in_memory_;
      in_memory_bytes_ -= queued.bytes;
      ++in_journal_;
      ++journal_end_;
    } else {
      Outgoing outgoing{.record = std::move(queued.record), .bytes = queued.bytes};
      outgoing.number = memory_end_++;
      memory_.push_back(std::move(outgoing));
    }
  }
  if (journal_ != nullptr && !kept.ok() && !serialized.records.empty()) {
    ++stats_.journal_failures;
    stats_.last_error = kept.ToString();
  }
  written_ += taken;
  send_news_waits_ = true;
  send_news_.notify_one();
  progress_.notify_all();
}

void Recorder::Background::AdoptOrphans() {
  const Journal::Adopted adopted = journal_->Adopt();
  const std::lock_guard lock(mutex_);
  journal_->Commit();
  stats_.accepted += adopted.records;
  stats_.recovered += adopted.records;
  stats_.corrupt += adopted.corrupt;
  in_journal_ += adopted.records;
  journal_end_ += adopted.records;
  if (adopted.records == 0) return;
  if (adopted.not_before) {  // a clock that was set meanwhile cannot make it longer than allowed
    const std::chrono::nanoseconds left = *adopted.not_before - std::chrono::system_clock::now();
    hold_until_ = Clock::now() + std::min<std::chrono::nanoseconds>(left, options_.retry_after_max);
  }
  send_news_waits_ = true;
  send_news_.notify_one();
}

// --- the sender ---

void Recorder::Background::SendUntilStopped() {
  do {
    FillWindow();
  } while (AwaitNextTime());
}

bool Recorder::Background::AwaitNextTime() {
  std::unique_lock lock(mutex_);
  window_.HoldUntil(hold_until_);
  PublishProgress();
  const auto news = [this] { return stop_sending_ || send_news_waits_; };
  if (window_.empty()) {
    send_news_.wait(lock, news);
  } else if (const auto next = window_.NextTime(); next > Clock::now()) {
    send_news_.wait_until(lock, next, news);
  } else if (!stop_sending_ && Clock::now() < last_deadline_) {
    lock.unlock();
    SendOnce();
    return true;
  } else {
    send_news_.wait(lock, news);  // past the last deadline: nothing is sent any more
  }
  send_news_waits_ = false;
  return !stop_sending_;
}

// Memory and journal take turns, so that neither waits until the other has nothing left: memory
// must empty to take records again, and the journal to take them from memory.
void Recorder::Background::FillWindow() {
  if (window_.Room().records == 0) return;
  memory_is_next_ = !memory_is_next_;
  if (memory_is_next_) FillFromMemory();
  if (journal_ != nullptr) FillFromJournal();
  FillFromMemory();
}

void Recorder::Background::FillFromJournal() {
  const auto room = window_.Room();
  if (room.records == 0) return;
  Journal::Taken taken = journal_->Take(room);
  uint64_t unreadable = taken.lost;
  for (Journal::Entry& entry : taken.entries) {
    auto record = internal::ParseRecord(entry.payload);
    if (record) {
      Outgoing outgoing{.record = *std::move(record), .place = entry.place};
      outgoing.number = entry.number;
      outgoing.bytes = entry.payload.size();
      window_.Add(std::move(outgoing));
      continue;
    }
    ++unreadable;  // whole, but no record that this version knows
    ++taken.corrupt;
    const Status kept = set_aside_->Corrupt("unknown-" + internal::RandomUuid(), entry.payload);
    if (kept.ok()) journal_->MarkDone({entry.place});  // else its file stays
  }
  if (unreadable == 0 && taken.corrupt == 0) return;
  {
    const std::lock_guard lock(mutex_);
    in_journal_ -= unreadable;
    untold_ += unreadable;
    stats_.dropped_corrupt += unreadable;
    stats_.corrupt += taken.corrupt;
  }
  for (uint64_t i = 0; i < unreadable; ++i) {
    Tell({"", Status(StatusCode::kDataLoss, "it can no longer be read from the journal"), ""});
  }
}

void Recorder::Background::FillFromMemory() {
  const std::lock_guard lock(mutex_);
  while (!memory_.empty() && window_.Room().records > 0) {
    window_.Add(std::move(memory_.front()));
    memory_.pop_front();
  }
}

void Recorder::Background::SendOnce() {
  Clock::time_point deadline;
  {
    const std::lock_guard lock(mutex_);
    deadline = std::min(Clock::now() + options_.send_timeout, last_deadline_);
  }
  Finish(window_.Send(deadline));
}

// A settlement that is refused for what is in it goes on in its place with less, so that its hold
// does not end by its ttl and charge nothing; what it was is dropped. False: it does not.
bool Recorder::Background::GoesOnWithLess(Outgoing* outgoing, const Status& why) {
  if (why.code() != StatusCode::kInvalidArgument) return false;
  auto less = internal::WithLess(outgoing->record);
  if (!less) return false;
  if (!outgoing->lessened) {
    Drop(outgoing->record, WithLessSaid(why), 0, Place::kTakenByLess,
         &RecorderStats::dropped_refused);
  }
  outgoing->record = *std::move(less);
  outgoing->lessened = true;
  outgoing->failures = 0;
  outgoing->alone = false;
  outgoing->not_before = {};
  window_.Add(std::move(*outgoing));
  return true;
}

void Recorder::Background::Finish(internal::SendWindow::Sent sent) {
  std::vector<Journal::Place> done;
  for (const Outgoing& outgoing : sent.delivered) {
    if (outgoing.place) done.push_back(*outgoing.place);
  }
  for (auto& [outgoing, why] : sent.refused) {  // set aside before the journal forgets it
    if (GoesOnWithLess(&outgoing, why)) continue;
    if (outgoing.place) done.push_back(*outgoing.place);
    Drop(outgoing.record, why, outgoing.bytes, outgoing.place ? Place::kJournal : Place::kMemory,
         &RecorderStats::dropped_refused);
  }
  if (journal_ != nullptr && !done.empty()) journal_->MarkDone(done);
  if (journal_ != nullptr && sent.retry_after && *sent.retry_after >= kRetryAfterWorthKeeping) {
    journal_->SaveNotBefore(std::chrono::system_clock::now() +
                            std::chrono::ceil<Timestamp::duration>(*sent.retry_after));
  }
  if (options_.on_delivered) {
    for (const Outgoing& outgoing : sent.delivered) {
      try {
        options_.on_delivered(outgoing.record.usage_id);
      } catch (...) {  // the agent's; out of this thread it would end the process
      }
    }
  }
  const std::lock_guard lock(mutex_);
  for (const Outgoing& outgoing : sent.delivered) {
    ++stats_.delivered;
    if (outgoing.place) {
      --in_journal_;
    } else {
      --in_memory_;
      in_memory_bytes_ -= outgoing.bytes;
    }
  }
  stats_.late += sent.late;
  if (sent.failure.ok()) {
    stats_.last_error.clear();
  } else {
    ++stats_.send_failures;
    stats_.last_error = sent.failure.ToString();
  }
}

void Recorder::Background::PublishProgress() {
  journal_done_ = journal_ == nullptr ? 0 : journal_->next_number();
  memory_done_ = memory_.empty() ? memory_end_ : memory_.front().number;
  window_.ForEach([this](const Outgoing& outgoing) {
    uint64_t& done = outgoing.place ? journal_done_ : memory_done_;
    done = std::min(done, outgoing.number);
  });
  progress_.notify_all();
}

}  // namespace bursar
