#include "src/send_window.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "src/refusal.h"
#include "src/retry.h"

namespace bursar::internal {
namespace {

constexpr size_t kParkedRecordsMax = 1000;
constexpr size_t kParkedBytesMax = 32 << 20;

// Said of one record: no repeat can change it.
bool IsRefusalOfRecord(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kAlreadyExists:
    case StatusCode::kOutOfRange:
    case StatusCode::kNotFound:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kPermissionDenied:
    case StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

// Said of a call: a record in it may be what the server stumbles over.
bool MayBeOneRecordsFault(StatusCode code) {
  return code == StatusCode::kInternal || code == StatusCode::kUnknown ||
         code == StatusCode::kDataLoss;
}

}  // namespace

JournalSegment::Limits SendWindow::Room() const {
  if (parked_.size() >= kParkedRecordsMax || parked_bytes_ >= kParkedBytesMax) return {0, 0};
  size_t bytes = 0;
  for (const Outgoing& outgoing : fresh_) bytes += outgoing.bytes;
  if (fresh_.size() >= options_.batch_records_max || bytes >= options_.batch_bytes_max) {
    return {0, 0};
  }
  return {options_.batch_records_max - fresh_.size(), options_.batch_bytes_max - bytes};
}

void SendWindow::Add(Outgoing outgoing) { fresh_.push_back(std::move(outgoing)); }

void SendWindow::ForEach(const std::function<void(const Outgoing&)>& look) const {
  for (const Outgoing& outgoing : fresh_) look(outgoing);
  for (const Outgoing& outgoing : parked_) look(outgoing);
}

std::list<Outgoing> SendWindow::Empty() {
  std::list<Outgoing> all = std::exchange(fresh_, {});
  all.splice(all.end(), parked_);
  parked_bytes_ = 0;
  return all;
}

SendWindow::Clock::time_point SendWindow::NextTime() const {
  auto next = Clock::time_point::max();
  ForEach([&](const Outgoing& outgoing) { next = std::min(next, outgoing.not_before); });
  return std::max(next, blocked_until_);
}

SendWindow::Batch SendWindow::PickFrom(std::list<Outgoing>* records, Clock::time_point now) const {
  Batch batch;
  size_t bytes = 0;
  for (auto it = records->begin(); it != records->end() && batch.size() < limit_;) {
    const auto outgoing = it++;
    if (outgoing->not_before > now) continue;
    if (!batch.empty() && (outgoing->alone || bytes + outgoing->bytes > options_.batch_bytes_max)) {
      continue;
    }
    bytes += outgoing->bytes;
    batch.splice(batch.end(), *records, outgoing);
    if (batch.front().alone) break;
  }
  return batch;
}

// The parked ones and the others take turns, so that neither waits for the other.
SendWindow::Batch SendWindow::PickDue(Clock::time_point now) {
  Batch batch = PickFrom(parked_are_next_ ? &parked_ : &fresh_, now);
  if (batch.empty()) batch = PickFrom(parked_are_next_ ? &fresh_ : &parked_, now);
  if (batch.empty()) return batch;
  parked_are_next_ = batch.front().failures == 0;
  if (batch.front().failures > 0) {
    for (const Outgoing& outgoing : batch) parked_bytes_ -= outgoing.bytes;
  }
  return batch;
}

void SendWindow::Park(Batch* batch, Clock::time_point now) {
  Outgoing& outgoing = batch->front();
  outgoing.not_before = now + Backoff(outgoing.failures++);
  parked_bytes_ += outgoing.bytes;
  parked_.splice(parked_.end(), *batch, batch->begin());
}

std::chrono::nanoseconds SendWindow::Backoff(int failures) const {
  const int doublings = std::min(failures, 20);  // 2^20 times any backoff is over any maximum
  const auto whole = std::min<std::chrono::nanoseconds>(
      options_.retry_initial_backoff * (int64_t{1} << doublings), options_.retry_max_backoff);
  return std::chrono::nanoseconds(
      static_cast<int64_t>(static_cast<double>(whole.count()) * RandomJitter()));
}

void SendWindow::PutBack(Batch batch) {
  if (batch.front().failures == 0) return fresh_.splice(fresh_.begin(), batch);
  for (const Outgoing& outgoing : batch) parked_bytes_ += outgoing.bytes;
  parked_.splice(parked_.begin(), batch);
}

SendWindow::Sent SendWindow::Send(Clock::time_point deadline) {
  Sent sent;
  Batch batch = PickDue(Clock::now());
  if (batch.empty()) return sent;
  std::vector<RecordRequest> requests;
  requests.reserve(batch.size());
  for (Outgoing& outgoing : batch) requests.push_back(std::move(outgoing.record));
  StatusOr<std::vector<StatusOr<RecordResponse>>> answers = Status(StatusCode::kInternal, "");
  try {
    answers = connection_->RecordBatch(requests, {deadline});
  } catch (const std::exception& error) {  // somebody's own Connection
    answers = Status(StatusCode::kInternal, std::string("the connection threw: ") + error.what());
  }
  size_t i = 0;
  for (Outgoing& outgoing : batch) outgoing.record = std::move(requests[i++]);
  Judge(std::move(batch), answers, &sent);
  return sent;
}

void SendWindow::Judge(Batch batch, const StatusOr<std::vector<StatusOr<RecordResponse>>>& answers,
                       Sent* sent) {
  if (!answers.ok()) return JudgeFailure(std::move(batch), answers.status(), sent);
  if (answers->size() != batch.size()) {  // nobody knows which are meant: ambiguous
    return JudgeFailure(std::move(batch),
                        Status(StatusCode::kInternal,
                               "the server gave " + std::to_string(answers->size()) +
                                   " answers to " + std::to_string(batch.size()) + " records"),
                        sent);
  }
  JudgeAnswers(std::move(batch), *answers, sent);
}

void SendWindow::JudgeAnswers(Batch batch, const std::vector<StatusOr<RecordResponse>>& answers,
                              Sent* sent) {
  failures_ = 0;
  limit_ = std::min(limit_ * 2, options_.batch_records_max);
  const auto now = Clock::now();
  size_t i = 0;
  while (!batch.empty()) {
    const StatusOr<RecordResponse>& answer = answers[i++];
    Outgoing& outgoing = batch.front();
    if (answer.ok()) {
      sent->late += answer->late ? 1 : 0;
      sent->delivered.push_back(std::move(outgoing));
      batch.pop_front();
    } else if (IsRefusalOfRecord(answer.status().code())) {
      sent->refused.push_back({std::move(outgoing), answer.status()});
      batch.pop_front();
    } else {
      sent->failure = answer.status();
      Park(&batch, now);
    }
  }
}

void SendWindow::JudgeFailure(Batch batch, const Status& failure, Sent* sent) {
  const auto now = Clock::now();
  const size_t half = std::max<size_t>(batch.size() / 2, 1);
  sent->failure = failure;
  if (IsRefusalOfContent(failure.code())) {
    limit_ = half;
    if (batch.size() > 1) return PutBack(std::move(batch));
    limit_ = std::min<size_t>(limit_ * 2, options_.batch_records_max);
    sent->refused.push_back({std::move(batch.front()), failure});
    return;
  }
  // One that was parked for this before says nothing new of the server: only it waits longer.
  const bool known = batch.front().alone && MayBeOneRecordsFault(failure.code());
  auto delay = known ? Backoff(0) : Backoff(failures_++);
  if (failure.retry_delay()) {
    sent->retry_after = std::min<std::chrono::nanoseconds>(
        std::max(*failure.retry_delay(), std::chrono::nanoseconds(0)), options_.retry_after_max);
    delay = std::max(delay, *sent->retry_after);
  }
  blocked_until_ = now + delay;
  if (!MayBeOneRecordsFault(failure.code())) return PutBack(std::move(batch));
  if (known) return Park(&batch, now);
  limit_ = half;
  if (batch.size() > 1) return PutBack(std::move(batch));
  batch.front().alone = true;
  Park(&batch, now);
}

}  // namespace bursar::internal
