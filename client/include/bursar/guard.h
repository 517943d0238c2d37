#pragma once

#include <bursar/client.h>
#include <bursar/enclosing_call.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bursar {

namespace internal {
struct KeptHold;
}

// Stands around one model call: asks before it, keeps the hold alive while it runs, settles after
// it.
//
//     bursar::Guard guard(client, {.subject = me, .model = model, .tokens = prompt});
//     if (!guard.allowed()) return guard.why_not();
//     auto reply = CallModel(..., guard.max_output_tokens());
//     guard.Settle(reply.tokens);
//
// The constructor checks (at most check_timeout). While the guard lives, its reservation is
// extended in the background, and calls made on its thread inherit its run and its trace
// (bursar/enclosing_call.h). All it records has one usage_id, with the reservation, the model, the
// trace and the time since the check filled in where the record leaves them empty.
//
// A guard that is destroyed unsettled does not lose the money. After NotSent() the hold is
// released, which takes at most record_timeout; else what was observed is recorded as
// Outcome::kCancelled, or Outcome::kUnknown, which charges what was held. So does an exception that
// passes through. The destructor throws nothing, and records in the background; only where the
// recorder refuses (its memory is full) it records itself, which takes at most record_timeout. A
// check whose answer was lost may have left a hold, which ends by itself when its ttl does (5 min
// unless asked otherwise).
//
// Errors: a check that failed is not allowed() (but see ClientOptions::failure_policy), and check()
// says why.
//
// For one thread, but Observe and should_stop, which are for any. The client is copied, so the
// guard depends on nobody's lifetime.
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
  // The same as a status: what the check failed with; RESOURCE_EXHAUSTED with the reason of the
  // denial and its retry_after as retry_delay.
  Status denial() const;

  // The most output tokens that the hold covers: the model's own maximum should be this. 0 =
  // unknown.
  int64_t max_output_tokens() const;

  // The ids of this call, for its headers (FormatTraceparent) and for records of your own.
  const TraceIds& trace() const { return call_.trace; }

  // Says that the call was certainly never sent, so that nothing is charged.
  void NotSent() { not_sent_ = true; }

  // What the call has used so far, all in all: cheap, for each piece of a stream. Told to the
  // server about once a second; counts when the call ends without Settle.
  void Observe(TokenUsage so_far);
  std::optional<TokenUsage> observed() const;
  // Whether the server has answered that what was observed is more than the budgets allow: the
  // stream should end. Settle what it used all the same.
  bool should_stop() const;
  // OK, or why the reservation could last not be extended: FAILED_PRECONDITION with reason
  // RESERVATION_ENDED where its time was over before. Not fatal: a settlement after the hold's end
  // counts in full.
  Status extension() const;

  // Records what the call used, and waits for the answer. When it is lost, or the server is away or
  // in trouble, the record is given to the background recorder and the status says so.
  // Errors: those of Client::Record. INVALID_ARGUMENT, ALREADY_EXISTS and OUT_OF_RANGE refuse what
  // is in it: then a corrected record can be settled.
  StatusOr<RecordResponse> Settle(TokenUsage tokens);
  StatusOr<RecordResponse> Settle(RecordRequest record);

  // The same in the background. Errors: those of Client::RecordAsync; unless something else is
  // settled, the destructor tries once more.
  Status SettleAsync(TokenUsage tokens);
  Status SettleAsync(RecordRequest record);

  // Whether what the call used is recorded, or on its way.
  bool settled() const { return settled_; }

  // Ends the guard as its destructor would, with the error of the call (cut to the server's bounds:
  // a type of 256 bytes, a message of 4096).
  void Abort(CallError error);

  // Settles this call and checks the next one in one round trip. What became of the settlement is
  // in check()->settled of the new guard; if the check failed, it is delivered in the background,
  // as is what else stands in next.settle.
  //
  //     bursar::Guard tools = guard.Next({.tokens = reply.tokens}, {.subject = me, ...});
  Guard Next(RecordRequest used, CheckRequest next);

 private:
  Guard(Guard& previous, RecordRequest used, CheckRequest next);
  CheckRequest Prepare(CheckRequest request);
  CheckRequest HandOver(RecordRequest used, CheckRequest next);
  void TakeSettled(const StatusOr<CheckResponse>& next);
  void Begin();
  void End();
  void Complete(RecordRequest* record);

  // A record that was sent and perhaps did not arrive, or that the recorder did not take.
  struct Unconfirmed {
    RecordRequest record;
    bool ends = false;  // this guard
  };
  bool DeliverLater(const RecordRequest& record, bool ends);
  void Remember(const RecordRequest& record, bool ends);
  void Forget(const std::string& usage_id, bool ends);
  void DeliverUnconfirmed();

  Client client_;
  Model model_;
  Subject subject_;
  std::optional<std::chrono::nanoseconds> ttl_;
  EnclosingCall call_;
  std::string usage_id_;
  StatusOr<CheckResponse> check_;
  std::chrono::steady_clock::time_point start_;
  std::shared_ptr<internal::KeptHold> hold_;  // null: not allowed
  std::optional<EnclosingCallScope> scope_;
  std::vector<RecordRequest> handed_;     // to the next guard's check: the last is this guard's own
  std::vector<Unconfirmed> unconfirmed_;  // at most one of them ends the guard
  bool settled_ = false;
  bool not_sent_ = false;
};

}  // namespace bursar

#include <bursar/track.h>
