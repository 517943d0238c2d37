#pragma once

#include <bursar/connection.h>
#include <bursar/options.h>
#include <bursar/recorder.h>
#include <bursar/requests.h>
#include <bursar/status.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace bursar {

// Asks a Bursar server whether money may be spent, and tells it what was.
//
// Every call but RecordAsync blocks, and ends by its timeout: the one given, else the one of
// ClientOptions (250 ms for a check). An attempt that ends UNAVAILABLE is repeated with the same id
// after a jittered wait (10 ms, doubling to 500 ms, or as long as the server asks) while the
// timeout and the retry budget leave room; since ids count once, a repeat never charges twice.
// While the server is away calls fail at once, with reason CIRCUIT_OPEN (ClientOptions says when).
// A missing request_id or usage_id is drawn at random, and is in the answer; there is none in an
// error, so who wants to repeat a call that failed gives it an id. A denial is an answer, not an
// error: look at CheckResponse::allowed().
//
// What a request's subject and trace leave empty comes from CurrentCall()
// (bursar/enclosing_call.h), then from ClientOptions::subject. A record that would end a
// reservation and says neither usage nor cost nor what became of the call becomes
// Outcome::kUnknown, which charges what was held: what nobody knows is not free.
//
// Errors: INVALID_ARGUMENT (with field_violations), UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND,
// ALREADY_EXISTS (an id used again with another payload), OUT_OF_RANGE (usage older than the ledger
// keeps), RESOURCE_EXHAUSTED (overload; retry_delay says when), UNAVAILABLE and DEADLINE_EXCEEDED
// (nobody knows whether it happened: repeat it with the same id).
//
// Safe for use by many threads at once; a copy is cheap and shares everything. The last copy's end
// delivers what RecordAsync took, for at most RecorderOptions::close_timeout.
class Client {
 public:
  // Over gRPC. Does not wait for the server: an unreachable one shows with the first call. With a
  // recorder.journal_folder it takes over what dead processes left there.
  // Errors: those of MakeConnection and Recorder::Start.
  static StatusOr<Client> Connect(const ClientOptions& options);

  // Over a connection of your own, e.g. MockConnection. The recorder begins with the first record;
  // with a recorder.journal_folder, that one waits until what dead processes left is read.
  explicit Client(std::shared_ptr<Connection> connection, ClientOptions options = {});

  using Timeout = std::optional<std::chrono::milliseconds>;

  // Decides whether a call may be made and, unless dry_run, holds its estimated cost. What is in
  // `settle` of a check that was decided offline is delivered in the background.
  StatusOr<CheckResponse> Check(CheckRequest request, Timeout timeout = {}) const;

  // Records what a call really used: once, in full, whatever the budgets say.
  StatusOr<RecordResponse> Record(RecordRequest request, Timeout timeout = {}) const;

  // The same for up to 1000 records: an answer for each, in order.
  StatusOr<std::vector<StatusOr<RecordResponse>>> RecordBatch(std::vector<RecordRequest> requests,
                                                              Timeout timeout = {}) const;

  // Hands a record to the background recorder (see Recorder, which takes a microsecond or two) and
  // never waits for disk or network, once the recorder has begun.
  // Errors: those of Recorder::Record.
  Status RecordAsync(RecordRequest request) const;
  // Waits until what RecordAsync took is delivered. Errors: those of Recorder::Flush.
  Status Flush(std::chrono::milliseconds timeout) const;
  RecorderStats Recorded() const;

  // Wraps a call of any kind: checks before it, settles after it in the background, with its
  // latency, its usage and its error. For a call that a Guard would make; bursar/track.h says where
  // the usage comes from.
  //
  //     auto reply = client.Track({.user = "ada"}, {.provider = "openai", .name = "gpt-4o"},
  //                               [&](bursar::Guard& guard) { return CallModel(guard); });
  //
  // `call` takes a Guard& or nothing. A denial or a check that failed is the Status (see
  // Guard::denial) and `call` is not made; what `call` throws is recorded and thrown on.
  // Returns StatusOr<what call returns>; Status for void; a Status or StatusOr as it is.
  template <typename Call>
  auto Track(CheckRequest request, Call&& call) const;
  // The estimate is the model's default output, without input.
  template <typename Call>
  auto Track(Subject subject, Model model, Call&& call) const;

  // Frees a reservation whose call was certainly not made. After a settlement: a no-op.
  StatusOr<ReleaseResponse> Release(ReleaseRequest request, Timeout timeout = {}) const;

  // Keeps a reservation alive, counted from now, and may grow it.
  StatusOr<ExtendResponse> Extend(ExtendRequest request, Timeout timeout = {}) const;

  // Where every budget that applies to a subject stands.
  StatusOr<std::vector<BudgetStatus>> BudgetStatuses(BudgetStatusesRequest request,
                                                     Timeout timeout = {}) const;

  // One page of what was spent, and the total over all pages.
  StatusOr<CostReport> QueryCosts(CostQuery query, Timeout timeout = {}) const;

 private:
  friend class Guard;
  struct State;
  explicit Client(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::shared_ptr<State> state_;
};

}  // namespace bursar

#include <bursar/guard.h>
