#pragma once

#include <bursar/connection.h>
#include <bursar/recorder.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "src/journal.h"

namespace bursar::internal {

// A record that is being delivered.
struct Outgoing {
  RecordRequest record;
  std::optional<Journal::Place> place;  // where the journal has it; nothing: only memory has it
  uint64_t number = 0;                  // in the order of the journal, or of memory
  size_t bytes = 0;                     // serialized, or in memory
  bool lessened = false;                // stands for a settlement that was refused (WithLess)
  int failures = 0;                     // of this record: it is parked
  std::chrono::steady_clock::time_point not_before{};
  bool alone = false;  // failed as the only one of a call: it shall not hold up others again
};

// The records that are under way, and what becomes of them call by call: delivered, refused for
// good, or to be sent again, when and in which company.
//
// A call that fails is repeated after a backoff. One that the server could not work on (INTERNAL
// and its like, or too few answers) is repeated with half as many records, down to one, so that one
// that no server survives does not hold up the rest; one that was refused as a whole for what is in
// it is divided in the same way, at once, until the record is found. A record that fails by itself
// is parked: it is tried again after a backoff of its own, in turn with the others, and takes none
// of their room. Beyond 1,000 parked records or 32 MiB of them nothing more is taken in.
//
// For one thread.
class SendWindow {
 public:
  using Clock = std::chrono::steady_clock;

  SendWindow(std::shared_ptr<Connection> connection, const RecorderOptions& options)
      : connection_(std::move(connection)), options_(options), limit_(options.batch_records_max) {}

  JournalSegment::Limits Room() const;  // records 0: no room
  void Add(Outgoing outgoing);
  bool empty() const { return fresh_.empty() && parked_.empty(); }
  void ForEach(const std::function<void(const Outgoing&)>& look) const;
  std::list<Outgoing> Empty();

  // When the next call may be made; for a window that is not empty.
  Clock::time_point NextTime() const;
  void HoldUntil(Clock::time_point time) { blocked_until_ = std::max(blocked_until_, time); }

  struct Refusal {
    Outgoing outgoing;
    Status why;
  };
  struct Sent {
    std::vector<Outgoing> delivered;
    std::vector<Refusal> refused;
    uint64_t late = 0;
    Status failure;  // of the call, or of the last record that is to be sent again
    std::optional<std::chrono::nanoseconds> retry_after;  // as the server asked
  };
  // One call, with what may be sent now. NextTime() must have come.
  Sent Send(Clock::time_point deadline);

 private:
  using Batch = std::list<Outgoing>;

  Batch PickDue(Clock::time_point now);
  Batch PickFrom(std::list<Outgoing>* records, Clock::time_point now) const;
  void Park(Batch* batch, Clock::time_point now);  // its first
  std::chrono::nanoseconds Backoff(int failures) const;
  void Judge(Batch batch, const StatusOr<std::vector<StatusOr<RecordResponse>>>& answers,
             Sent* sent);
  void JudgeAnswers(Batch batch, const std::vector<StatusOr<RecordResponse>>& answers, Sent* sent);
  void JudgeFailure(Batch batch, const Status& failure, Sent* sent);
  void PutBack(Batch batch);

  const std::shared_ptr<Connection> connection_;
  const RecorderOptions& options_;
  std::list<Outgoing> fresh_;  // the next first
  std::list<Outgoing> parked_;
  size_t parked_bytes_ = 0;
  bool parked_are_next_ = false;
  size_t limit_;      // records of the next call
  int failures_ = 0;  // calls in a row
  Clock::time_point blocked_until_{};
};

}  // namespace bursar::internal
