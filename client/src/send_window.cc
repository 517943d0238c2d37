#include "src/send_window.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "src/retry.h"

namespace bursar::internal {
namespace {

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

// Said of a call: it is about what is in it, not about who asks, or whom.
bool IsRefusalOfContent(StatusCode code) {
  return code == StatusCode::kInvalidArgument || code == StatusCode::kAlreadyExists ||
         code == StatusCode::kOutOfRange;
}

// Said of a call: a record in it may be what the server stumbles over.
bool MayBeOneRecordsFault(StatusCode code) {
  return code == StatusCode::kInternal || code == StatusCode::kUnknown ||
         code == StatusCode::kDataLoss;
}

}  // namespace

JournalSegment::Limits SendWindow::Room() const {
  size_t bytes = 0;
  for (const Outgoing& outgoing : records_) bytes += outgoing.bytes;
  if (records_.size() >= options_.batch_records_max || bytes >= options_.batch_bytes_max) {
    return {0, 0};
  }
  return {options_.batch_records_max - records_.size(), options_.batch_bytes_max - bytes};
}

void SendWindow::Add(Outgoing outgoing) { records_.push_back(std::move(outgoing)); }

SendWindow::Clock::time_point SendWindow::NextTime() const {
  auto next = Clock::time_point::max();
  for (const Outgoing& outgoing : records_) next = std::min(next, outgoing.not_before);
  return std::max(next, blocked_until_);
}

SendWindow::Batch SendWindow::PickDue(Clock::time_point now) {
  Batch batch;
  size_t bytes = 0;
  for (auto it = records_.begin(); it != records_.end() && batch.size() < limit_;) {
    const auto outgoing = it++;
    if (outgoing->not_before > now) continue;
    if (!batch.empty() && (outgoing->alone || bytes + outgoing->bytes > options_.batch_bytes_max)) {
      continue;
    }
    bytes += outgoing->bytes;
    batch.splice(batch.end(), records_, outgoing);
    if (batch.front().alone) break;
  }
  return batch;
}

std::chrono::nanoseconds SendWindow::Backoff(int failures) const {
  const int doublings = std::min(failures, 20);  // 2^20 times any backoff is over any maximum
  const auto whole = std::min<std::chrono::nanoseconds>(
      options_.retry_initial_backoff * (int64_t{1} << doublings), options_.retry_max_backoff);
  return std::chrono::nanoseconds(
      static_cast<int64_t>(static_cast<double>(whole.count()) * RandomJitter()));
}

void SendWindow::PutBack(Batch batch) { records_.splice(records_.begin(), batch); }

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
      outgoing.not_before = now + Backoff(outgoing.failures++);
      records_.splice(records_.end(), batch, batch.begin());
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
  auto delay = Backoff(failures_++);
  if (failure.retry_delay()) {
    sent->retry_after = std::min<std::chrono::nanoseconds>(
        std::max(*failure.retry_delay(), std::chrono::nanoseconds(0)), options_.retry_after_max);
    delay = std::max(delay, *sent->retry_after);
  }
  blocked_until_ = now + delay;
  if (!MayBeOneRecordsFault(failure.code())) return PutBack(std::move(batch));
  limit_ = half;
  if (batch.size() > 1) return PutBack(std::move(batch));
  batch.front().alone = true;
  batch.front().not_before = now + Backoff(batch.front().failures++);
  records_.splice(records_.end(), batch);
}

}  // namespace bursar::internal
