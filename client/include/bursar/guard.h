#pragma once

#include <bursar/client.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace bursar {

// Stands around one model call: asks before it, settles after it.
//
//     bursar::Guard guard(client, {.subject = me, .model = model, .tokens = prompt});
//     if (!guard.allowed()) return guard.why_not();
//     auto reply = CallModel(..., guard.max_output_tokens());
//     guard.Settle(reply.tokens);
//
// The constructor checks (at most check_timeout). Settle records under one usage_id that stays the
// same when it is called again, with the reservation, the model and the time since the check filled
// in where the record leaves them empty. A guard that is destroyed unsettled does not lose the
// money: after NotSent() the hold is released; after a Settle that ended UNAVAILABLE or
// DEADLINE_EXCEEDED the same record is sent once more; else the call is recorded as
// Outcome::kUnknown, which charges what was held. The destructor takes at most record_timeout and
// throws nothing. A check whose answer was lost may have left a hold, which ends by itself when its
// ttl does (5 min unless asked otherwise).
//
// Errors: a check that failed is not allowed() (fail closed), and check() says why; Settle returns
// those of Client::Record.
//
// For one thread. The client is copied, so the guard depends on nobody's lifetime.
class Guard {
 public:
  Guard(Client client, CheckRequest request);
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  bool allowed() const { return check_.ok() && check_->allowed(); }
  const StatusOr<CheckResponse>& check() const { return check_; }

  // Empty when allowed; else one sentence: the server's on a denial, or what failed.
  std::string why_not() const;

  // The most output tokens that the hold covers: the model's own maximum should be this. 0 =
  // unknown.
  int64_t max_output_tokens() const;

  // Says that the call was certainly never sent, so that nothing is charged.
  void NotSent() { not_sent_ = true; }

  StatusOr<RecordResponse> Settle(TokenUsage tokens);
  StatusOr<RecordResponse> Settle(RecordRequest record);

 private:
  void Complete(RecordRequest* record) const;

  Client client_;
  Model model_;
  Subject subject_;
  std::string usage_id_;
  StatusOr<CheckResponse> check_;
  std::chrono::steady_clock::time_point start_;
  std::optional<RecordRequest> unconfirmed_;  // sent, but nobody knows whether it arrived
  bool settled_ = false;
  bool not_sent_ = false;
};

}  // namespace bursar
