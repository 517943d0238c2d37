#include <bursar/guard.h>
#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <typeinfo>
#include <utility>

#include "src/client_state.h"
#include "src/random_id.h"
#include "src/refusal.h"
#include "src/telemetry_text.h"

namespace bursar {
namespace {

constexpr char kReasonNotSent[] = "not sent";
constexpr size_t kErrorTypeBytesMax = 256;  // the server's bounds
constexpr size_t kErrorMessageBytesMax = 4096;

}  // namespace

Guard::Guard(Client client, CheckRequest request)
    : client_(std::move(client)),
      usage_id_(internal::RandomUuid()),
      check_(client_.Check(Prepare(std::move(request)))),
      start_(std::chrono::steady_clock::now()) {
  Begin();
}

Guard::Guard(Guard& previous, RecordRequest used, CheckRequest next)
    : Guard(previous.client_, previous.HandOver(std::move(used), std::move(next))) {
  previous.TakeSettled(check_);
}

Guard Guard::Next(RecordRequest used, CheckRequest next) {
  return Guard(*this, std::move(used), std::move(next));
}

Guard::~Guard() {
  try {
    Abort({});
  } catch (...) {  // out of memory: the hold ends by its ttl
  }
  End();
}

// Fills in what the request leaves empty, and keeps what the records of this call will need.
CheckRequest Guard::Prepare(CheckRequest request) {
  client_.state_->Complete(&request.subject, &request.trace);
  if (!request.trace) request.trace.emplace();
  if (request.trace->trace_id.empty()) request.trace->trace_id = internal::RandomTraceId();
  if (request.trace->span_id.empty()) request.trace->span_id = internal::RandomSpanId();
  model_ = request.model;
  subject_ = request.subject;
  ttl_ = request.ttl;
  call_.subject.run = subject_.run;
  call_.subject.parent_run = subject_.parent_run;
  call_.subject.root_run = subject_.root_run;
  call_.trace = *request.trace;
  return request;
}

void Guard::Begin() {
  if (!allowed()) return;
  const bool is_held = check_->reservation && !check_->offline;
  hold_ = client_.state_->keeper.Keep(
      is_held ? check_->reservation->id : "",
      is_held ? check_->reservation->remaining_ttl : std::chrono::nanoseconds(0), ttl_);
  scope_.emplace(call_);
}

void Guard::End() {
  if (hold_ != nullptr) client_.state_->keeper.End(hold_);
  scope_.reset();
}

std::string Guard::why_not() const {
  if (allowed()) return {};
  if (!check_.ok()) return "the budget check failed: " + check_.status().ToString();
  if (!check_->message.empty()) return check_->message;
  return "denied: " + (check_->reason.empty() ? "no reason given" : check_->reason);
}

Status Guard::denial() const {
  if (allowed()) return {};
  if (!check_.ok()) return check_.status();
  return {StatusCode::kResourceExhausted,
          why_not(),
          {.reason = check_->reason, .retry_delay = check_->retry_after}};
}

int64_t Guard::max_output_tokens() const {
  if (!check_.ok()) return 0;
  if (check_->caps_max_output_tokens) return *check_->caps_max_output_tokens;
  return check_->reservation ? check_->reservation->max_output_tokens : 0;
}

void Guard::Observe(TokenUsage so_far) {
  if (hold_ != nullptr) client_.state_->keeper.Observe(hold_, std::move(so_far));
}

std::optional<TokenUsage> Guard::observed() const {
  if (hold_ == nullptr) return std::nullopt;
  return client_.state_->keeper.Of(hold_).observed;
}

bool Guard::should_stop() const {
  return hold_ != nullptr && client_.state_->keeper.Of(hold_).stop;
}

Status Guard::extension() const {
  return hold_ == nullptr ? Status() : client_.state_->keeper.Of(hold_).failure;
}

StatusOr<RecordResponse> Guard::Settle(TokenUsage tokens) {
  RecordRequest record;
  record.tokens = std::move(tokens);
  return Settle(std::move(record));
}

StatusOr<RecordResponse> Guard::Settle(RecordRequest record) {
  Complete(&record);
  const bool ends = !record.keep_reservation;
  if (ends) End();
  auto response = client_.Record(record);
  if (response.ok()) {
    settled_ = settled_ || ends;
    Forget(record.usage_id, ends);
    return response;
  }
  if (internal::IsRefusalOfContent(response.status().code())) return response;
  const bool later = DeliverLater(record, ends);
  const Status& lost = response.status();
  return Status(lost.code(), lost.message() + (later ? "; it is delivered in the background" : ""),
                {.reason = lost.reason(),
                 .field_violations = lost.field_violations(),
                 .retry_delay = lost.retry_delay()});
}

Status Guard::SettleAsync(TokenUsage tokens) {
  RecordRequest record;
  record.tokens = std::move(tokens);
  return SettleAsync(std::move(record));
}

Status Guard::SettleAsync(RecordRequest record) {
  Complete(&record);
  const bool ends = !record.keep_reservation;
  if (ends) End();
  Status status = client_.RecordAsync(record);
  if (status.ok()) {
    settled_ = settled_ || ends;
    Forget(record.usage_id, ends);
  } else {
    Remember(record, ends);
  }
  return status;
}

void Guard::Abort(CallError error) {
  DeliverUnconfirmed();
  if (!allowed() || settled_ || !check_->reservation) return;  // a dry run held nothing
  // One that may have arrived has ended the hold: another would be charged on top of it.
  if (std::any_of(unconfirmed_.begin(), unconfirmed_.end(), [](auto& each) { return each.ends; })) {
    return;
  }
  if (not_sent_) {
    End();
    settled_ =
        client_.Release({.reservation_id = check_->reservation->id, .reason = kReasonNotSent}).ok();
    return;
  }
  RecordRequest record;
  record.tokens = observed();
  record.outcome = record.tokens ? Outcome::kCancelled : Outcome::kUnknown;
  if (!error.type.empty() || !error.message.empty()) {
    // Of a longer one the server would refuse the record.
    error.type = internal::Printable(error.type, kErrorTypeBytesMax);
    error.message = internal::Utf8(error.message, kErrorMessageBytesMax);
    record.error = std::move(error);
  }
  Complete(&record);
  End();
  if (!client_.RecordAsync(record).ok()) (void)client_.Record(std::move(record));
  settled_ = true;  // or it never will be: its hold ends by its ttl
}

CheckRequest Guard::HandOver(RecordRequest used, CheckRequest next) {
  Complete(&used);
  if (!used.keep_reservation) End();
  // The next step belongs beside this one, not into it.
  EnclosingCall beside = call_;
  beside.trace.span_id = call_.trace.parent_span_id;
  Inherit(beside, &next.subject, &next.trace);
  next.settle.push_back(std::move(used));
  for (RecordRequest& record : next.settle) {  // named here, so that a repeat has the same id
    if (record.usage_id.empty()) record.usage_id = internal::RandomUuid();
  }
  handed_ = next.settle;
  return next;
}

void Guard::TakeSettled(const StatusOr<CheckResponse>& next) {
  const std::vector<RecordRequest> handed = std::exchange(handed_, {});
  for (size_t i = 0; i < handed.size(); ++i) {
    const bool ends = i + 1 == handed.size() && !handed[i].keep_reservation;
    if (next.ok() && i < next->settled.size()) {
      const Status answer = next->settled[i].status();
      // Offline the client has given it to the recorder, and says so.
      if (answer.ok() || (next->offline && answer.code() == StatusCode::kUnavailable)) {
        settled_ = settled_ || ends;
        Forget(handed[i].usage_id, ends);
        continue;
      }
      if (!next->offline && internal::IsRefusalOfContent(answer.code())) continue;
    }
    DeliverLater(handed[i], ends);
  }
}

// For a record that nobody knows the fate of: the recorder sends it under the same id. False: it
// did not take it.
bool Guard::DeliverLater(const RecordRequest& record, bool ends) {
  if (!client_.RecordAsync(record).ok()) {
    Remember(record, ends);
    return false;
  }
  settled_ = settled_ || ends;
  Forget(record.usage_id, ends);
  return true;
}

void Guard::Remember(const RecordRequest& record, bool ends) {
  Forget(record.usage_id, ends);
  unconfirmed_.push_back({record, ends});
}

void Guard::Forget(const std::string& usage_id, bool ends) {
  unconfirmed_.erase(std::remove_if(unconfirmed_.begin(), unconfirmed_.end(),
                                    [&](const Unconfirmed& each) {
                                      return each.record.usage_id == usage_id ||
                                             (ends && each.ends);
                                    }),
                     unconfirmed_.end());
}

void Guard::DeliverUnconfirmed() {
  using std::chrono::milliseconds;
  for (size_t i = 0; i < handed_.size(); ++i) {  // the next guard's check threw
    Remember(handed_[i], i + 1 == handed_.size() && !handed_[i].keep_reservation);
  }
  handed_.clear();
  const auto end = std::chrono::steady_clock::now() + client_.state_->options.record_timeout;
  for (Unconfirmed& each : std::exchange(unconfirmed_, {})) {
    Status status = client_.RecordAsync(each.record);
    if (!status.ok()) {
      const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
      status = client_.Record(each.record, std::max(left, milliseconds(1))).status();
    }
    if (status.ok()) {
      settled_ = settled_ || each.ends;
    } else if (!internal::IsRefusalOfContent(status.code())) {
      unconfirmed_.push_back(std::move(each));
    }
  }
}

void Guard::Complete(RecordRequest* record) {
  if (record->usage_id.empty()) {
    record->usage_id = record->keep_reservation ? internal::RandomUuid() : usage_id_;
  }
  if (record->reservation_id.empty() && check_.ok() && check_->reservation) {
    record->reservation_id = check_->reservation->id;
  }
  if (record->reservation_id.empty() && record->subject == Subject{}) record->subject = subject_;
  if (record->model.name.empty()) record->model = model_;
  if (!record->latency) record->latency = std::chrono::steady_clock::now() - start_;
  if (!record->occur_time) record->occur_time = std::chrono::system_clock::now();
  if (!record->trace) record->trace = call_.trace;
}

namespace internal {

CallError ErrorOf(const std::exception& error) {
  int failed = 0;
  const char* raw = typeid(error).name();
  char* name = abi::__cxa_demangle(raw, nullptr, nullptr, &failed);
  CallError result{.type = failed == 0 ? name : raw, .message = error.what()};
  std::free(name);
  return result;
}

CallError ErrorOf(const Status& status) {
  return {.type = StatusCodeName(status.code()), .message = status.message()};
}

void FinishTracked(Guard& guard, std::optional<RecordRequest> used) {
  if (guard.settled()) return;
  if (!used && guard.observed()) {
    used.emplace();
    used->tokens = guard.observed();
  }
  if (used && guard.SettleAsync(*std::move(used)).ok()) return;
  guard.Abort({});
}

}  // namespace internal
}  // namespace bursar
