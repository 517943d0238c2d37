#pragma once

#include <bursar/recorder.h>
#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "src/journal.h"
#include "src/send_window.h"
#include "src/set_aside.h"

namespace bursar {

// What a Recorder does behind its interface: the queue that agents fill, a thread that writes it to
// the journal, and a thread that sends.
//
// A record is in one place at a time, and counted there: in memory (the queue, the writer's hands,
// memory_, or the window without a place) or in the journal. All counts change under one mutex, in
// one step with the move.
class Recorder::Background {
 public:
  // `journal` may be null: memory alone.
  Background(std::shared_ptr<Connection> connection, RecorderOptions options,
             std::unique_ptr<internal::SetAside> set_aside,
             std::unique_ptr<internal::Journal> journal);
  ~Background();

  Status Record(RecordRequest record);
  Status Flush(std::chrono::steady_clock::time_point deadline);
  Status Close();
  RecorderStats Stats() const;

  bool InOwnProcess() const;
  std::chrono::milliseconds close_timeout() const { return options_.close_timeout; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Queued {
    RecordRequest record;
    size_t bytes;
  };
  struct Serialized {
    std::vector<Queued> records;
    std::vector<std::string> payloads;  // one for each
  };

  // The writer's thread.
  void WriteUntilStopped();
  std::vector<Queued> AwaitBatch(bool* stop);
  bool BatchIsFull() const;  // with the mutex
  void WriteBatch(std::vector<Queued> batch);
  Serialized Serialize(std::vector<Queued> batch);
  void AdoptOrphans();

  // The sender's thread.
  void SendUntilStopped();
  void FillWindow();
  void FillFromJournal();
  void FillFromMemory();
  bool GoesOnWithLess(internal::Outgoing* outgoing, const Status& why);
  bool AwaitNextTime();  // false: stop
  void SendOnce();
  void Finish(internal::SendWindow::Sent sent);
  void PublishProgress();  // with the mutex

  // Both.
  enum class Place { kMemory, kJournal, kTakenByLess };  // what held it, or what now stands there
  void Drop(const RecordRequest& record, const Status& why, size_t memory_bytes, Place place,
            uint64_t RecorderStats::*reason);
  void Tell(const DroppedRecord& dropped) const;
  void KeepOrDropMemory();
  void KeepOrDrop(std::span<const internal::Outgoing> records);
  Status Undelivered();  // with the mutex

  const RecorderOptions options_;
  const std::unique_ptr<internal::SetAside> set_aside_;  // null without a journal
  std::unique_ptr<internal::Journal> journal_;
  internal::SendWindow window_;  // the sender's alone
  const pid_t pid_;

  mutable std::mutex mutex_;
  std::condition_variable queue_news_;  // for the writer
  std::condition_variable send_news_;   // for the sender
  std::condition_variable progress_;    // for Flush
  std::deque<Queued> queue_;
  size_t queue_bytes_ = 0;
  std::deque<internal::Outgoing> memory_;  // what the journal did not take, or all without one
  RecorderStats stats_;                    // without `held`
  uint64_t in_memory_ = 0;
  uint64_t in_memory_bytes_ = 0;
  uint64_t in_journal_ = 0;
  uint64_t untold_ = 0;  // dropped, and Flush has not said so yet

  // How far everything is, in records: queued, of these written, and in each of the two places what
  // came in and what of it, from the front, is done.
  uint64_t queued_ = 0;
  uint64_t written_ = 0;
  uint64_t flush_target_ = 0;
  uint64_t journal_end_ = 0;
  uint64_t journal_done_ = 0;
  uint64_t memory_end_ = 0;
  uint64_t memory_done_ = 0;

  bool memory_is_next_ = false;  // to fill the window; the sender's alone
  bool send_news_waits_ = false;
  bool closing_ = false;
  bool stop_writing_ = false;
  bool stop_sending_ = false;
  Clock::time_point last_deadline_ = Clock::time_point::max();  // of calls, when closing
  Clock::time_point hold_until_{};  // for the window, from an adopted journal
  std::mutex close_mutex_;

  std::thread writer_;
  std::thread sender_;
};

}  // namespace bursar
