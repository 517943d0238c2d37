#pragma once

#include <bursar/connection.h>

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "src/record_bytes.h"

namespace bursar::testing {

// A connection to a purse that counts each id once, as the server does, and that can be told to
// fail. Safe for use by many threads.
class FakePurse : public Connection {
 public:
  using Records = std::vector<RecordRequest>;
  using Answers = std::vector<StatusOr<RecordResponse>>;

  // What the next calls answer, in order, instead of counting.
  void FailNext(std::vector<Status> failures) {
    const std::lock_guard lock(mutex_);
    failures_.insert(failures_.end(), failures.begin(), failures.end());
  }
  void SetAway(bool away) {
    const std::lock_guard lock(mutex_);
    away_ = away;
  }
  // Looked at for each record before it is counted; an error is its answer.
  void SetJudge(std::function<Status(const RecordRequest&)> judge) {
    const std::lock_guard lock(mutex_);
    judge_ = std::move(judge);
  }
  // Done to what would be answered, after it was counted.
  void SetSpoiler(std::function<StatusOr<Answers>(const Records&, Answers)> spoiler) {
    const std::lock_guard lock(mutex_);
    spoiler_ = std::move(spoiler);
  }

  StatusOr<Answers> RecordBatch(const Records& requests, const CallOptions& call) override {
    const std::lock_guard lock(mutex_);
    (void)call;
    calls_.push_back(requests);
    call_times_.push_back(std::chrono::system_clock::now());
    if (away_) return Status(StatusCode::kUnavailable, "the purse is away");
    if (!failures_.empty()) {
      Status failure = failures_.front();
      failures_.pop_front();
      if (!failure.ok()) return failure;
    }
    Answers answers;
    for (const RecordRequest& request : requests) answers.push_back(Count(request));
    if (spoiler_) return spoiler_(requests, std::move(answers));
    return answers;
  }

  // How often each id was counted: never more than once, for a purse that works.
  std::map<std::string, RecordRequest> counted() const {
    const std::lock_guard lock(mutex_);
    return counted_;
  }
  size_t size() const { return counted().size(); }
  std::vector<Records> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  std::vector<Timestamp> call_times() const {
    const std::lock_guard lock(mutex_);
    return call_times_;
  }
  size_t replays() const {
    const std::lock_guard lock(mutex_);
    return replays_;
  }

 private:
  StatusOr<RecordResponse> Count(const RecordRequest& request) {
    if (judge_) {
      if (Status status = judge_(request); !status.ok()) return status;
    }
    const auto [known, is_new] = counted_.emplace(request.usage_id, request);
    if (!is_new &&
        *internal::SerializeRecord(known->second) != *internal::SerializeRecord(request)) {
      return Status(StatusCode::kAlreadyExists, "recorded before with another payload");
    }
    if (!is_new) ++replays_;
    RecordResponse response;
    response.replayed = !is_new;
    response.late = request.reservation_id == "expired";
    return response;
  }

  mutable std::mutex mutex_;
  std::deque<Status> failures_;
  bool away_ = false;
  std::function<Status(const RecordRequest&)> judge_;
  std::function<StatusOr<Answers>(const Records&, Answers)> spoiler_;
  std::map<std::string, RecordRequest> counted_;
  std::vector<Records> calls_;
  std::vector<Timestamp> call_times_;
  size_t replays_ = 0;
};

}  // namespace bursar::testing
