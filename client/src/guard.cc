#include <bursar/guard.h>

#include <utility>

#include "src/random_id.h"

namespace bursar {
namespace {

// Whether the record may have arrived all the same.
bool OutcomeIsUnknown(const Status& status) {
  return status.code() == StatusCode::kUnavailable ||
         status.code() == StatusCode::kDeadlineExceeded;
}

}  // namespace

Guard::Guard(Client client, CheckRequest request)
    : client_(std::move(client)),
      model_(request.model),
      subject_(request.subject),
      usage_id_(internal::RandomUuid()),
      check_(client_.Check(std::move(request))),
      start_(std::chrono::steady_clock::now()) {}

Guard::~Guard() {
  if (!allowed() || settled_) return;
  try {
    if (unconfirmed_) {
      (void)client_.Record(*std::move(unconfirmed_));
    } else if (!check_->reservation) {
      return;  // a dry run held nothing
    } else if (not_sent_) {
      (void)client_.Release({.reservation_id = check_->reservation->id, .reason = "not sent"});
    } else {
      (void)Settle({.outcome = Outcome::kUnknown});
    }
  } catch (...) {  // out of memory: the hold ends by its ttl
  }
}

std::string Guard::why_not() const {
  if (allowed()) return {};
  if (!check_.ok()) return "the budget check failed: " + check_.status().ToString();
  if (!check_->message.empty()) return check_->message;
  return "denied: " + (check_->reason.empty() ? "no reason given" : check_->reason);
}

int64_t Guard::max_output_tokens() const {
  if (!check_.ok()) return 0;
  if (check_->caps_max_output_tokens) return *check_->caps_max_output_tokens;
  return check_->reservation ? check_->reservation->max_output_tokens : 0;
}

StatusOr<RecordResponse> Guard::Settle(TokenUsage tokens) {
  RecordRequest record;
  record.tokens = std::move(tokens);
  return Settle(std::move(record));
}

StatusOr<RecordResponse> Guard::Settle(RecordRequest record) {
  Complete(&record);
  auto response = client_.Record(record);
  settled_ = response.ok();
  unconfirmed_.reset();
  if (!response.ok() && OutcomeIsUnknown(response.status())) unconfirmed_ = std::move(record);
  return response;
}

void Guard::Complete(RecordRequest* record) const {
  if (record->usage_id.empty()) record->usage_id = usage_id_;
  if (record->reservation_id.empty() && check_.ok() && check_->reservation) {
    record->reservation_id = check_->reservation->id;
  }
  if (record->reservation_id.empty() && record->subject == Subject{}) record->subject = subject_;
  if (record->model.name.empty()) record->model = model_;
  if (!record->latency) record->latency = std::chrono::steady_clock::now() - start_;
}

}  // namespace bursar
