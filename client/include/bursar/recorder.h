#pragma once

#include <bursar/connection.h>
#include <bursar/options.h>
#include <bursar/requests.h>
#include <bursar/status.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace bursar {

// What became of the records. One moment's figures: accepted == delivered + held + dropped().
struct RecorderStats {
  uint64_t accepted = 0;   // given to Record(), found in a journal, or made of a refused settlement
  uint64_t recovered = 0;  // of these: found in a journal
  uint64_t delivered = 0;  // the server has counted them, now or before
  uint64_t held = 0;       // in memory or in the journal
  uint64_t late = 0;       // of the delivered: settled after the reservation had ended

  uint64_t dropped_full = 0;     // Record() answered RESOURCE_EXHAUSTED
  uint64_t dropped_invalid = 0;  // can never be sent: too big, metadata that is no JSON, ...
  uint64_t dropped_refused = 0;  // the server will never take them
  uint64_t dropped_corrupt = 0;  // were in the journal, and cannot be read by this process
  uint64_t dropped_closed = 0;   // were in memory at the end, without a journal that takes them
  uint64_t dropped() const {
    return dropped_full + dropped_invalid + dropped_refused + dropped_corrupt + dropped_closed;
  }

  uint64_t set_aside = 0;         // of the invalid and refused: kept in a file
  uint64_t corrupt = 0;           // damaged or torn places that were found in journals
  uint64_t journal_failures = 0;  // batches that the journal did not take; they stay in memory
  uint64_t send_failures = 0;     // calls that failed and are repeated
  std::string last_error;         // of the journal or the server; empty after a success
};

// Takes records on the agent's thread, and delivers them in the background, each once.
//
//     auto connection = *bursar::MakeConnection(options);   // a Client may share it
//     auto recorder = *bursar::Recorder::Start(connection, {.journal_folder = state + "/bursar"});
//     (void)recorder->Record({.reservation_id = hold, .model = model, .tokens = reply.tokens});
//
// Record never waits for disk or network. It draws a missing usage_id and sets a missing
// occur_time, so that a record counts once and when it happened, however often and late it is sent.
// A record that would end a reservation and says neither usage nor cost nor what became of the call
// is recorded as Outcome::kUnknown, which charges what was held: what nobody knows is not free.
//
// Every `linger`, and when a batch is full, a thread writes what has come to the journal; fsync
// policy: one fdatasync for each batch, before its first record is sent. What had come in the
// meantime is lost if the process dies. A second thread sends: a batch that ends UNAVAILABLE,
// DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAUTHENTICATED or with too few answers is sent again
// under the same ids for as long as it takes; a record that the server refuses for what is in it
// (INVALID_ARGUMENT, ALREADY_EXISTS, OUT_OF_RANGE and their like) is set aside in
// JOURNAL_FOLDER/set-aside/refused.jsonl and told to on_drop. One that would have ended a
// reservation is sent again under its id with less in it, in the end as Outcome::kUnknown, so that
// its hold is charged all the same; AdjustUsage corrects that. Marks of what is delivered are not
// made durable: after a power failure a record may be sent again, and its id makes it count once.
//
// While the journal or its disk is full, records stay in memory and are sent from there. What a
// process leaves is delivered by the next that starts with the same folder and label, or by one
// that runs, within adopt_interval; with the key of that one. Where many left something, so much of
// it is taken over at a time that few files are open. Files have mode 0600 and hold the
// records as they were given, prompts included where a record has `content`; never a key.
//
// Record's errors: RESOURCE_EXHAUSTED (memory is full, because the journal is or the server is
// away), INVALID_ARGUMENT (a record of more than 3 MiB), FAILED_PRECONDITION (after Close, or in a
// forked child).
//
// Safe for use by many threads at once. In a child of fork() it can only be destroyed.
class Recorder {
 public:
  // Takes over what dead processes left (it reads all of that) and begins.
  // Errors: INVALID_ARGUMENT for an option that cannot be; FAILED_PRECONDITION for a folder that
  // cannot be used; RESOURCE_EXHAUSTED where the system gives no threads.
  static StatusOr<std::unique_ptr<Recorder>> Start(std::shared_ptr<Connection> connection,
                                                   RecorderOptions options = {});
  ~Recorder();  // Close
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  Status Record(RecordRequest record);

  // Waits until nothing that was recorded or found before is held any more.
  // Errors: DEADLINE_EXCEEDED says how many records are held, where and why; DATA_LOSS how many
  // were dropped after Record() had taken them, since this was last told.
  Status Flush(std::chrono::milliseconds timeout);

  // Flushes for close_timeout, and ends. What is not delivered stays in the journal. The same
  // errors as Flush. A second call: does nothing.
  Status Close();

  RecorderStats Stats() const;

 private:
  class Background;
  explicit Recorder(std::unique_ptr<Background> background);

  std::unique_ptr<Background> background_;
};

}  // namespace bursar
