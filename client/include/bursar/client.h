#pragma once

#include <bursar/connection.h>
#include <bursar/options.h>
#include <bursar/requests.h>
#include <bursar/status.h>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

namespace bursar {

// Asks a Bursar server whether money may be spent, and tells it what was.
//
// Every call blocks, and ends by its timeout: the one given, else the one of ClientOptions (250 ms
// for a check). An attempt that ends UNAVAILABLE is repeated with the same id after a jittered wait
// (10 ms, doubling to 500 ms, or as long as the server asks) while the timeout leaves room; since
// ids count once, a repeat never charges twice. A missing request_id or usage_id is drawn at
// random, and is in the answer. A denial is an answer, not an error: look at
// CheckResponse::allowed().
//
// Errors: INVALID_ARGUMENT (with field_violations), UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND,
// ALREADY_EXISTS (an id used again with another payload), OUT_OF_RANGE (usage older than the ledger
// keeps), RESOURCE_EXHAUSTED (overload; retry_delay says when), UNAVAILABLE and DEADLINE_EXCEEDED
// (nobody knows whether it happened: repeat it with the same id).
//
// Safe for use by many threads at once; a copy is cheap and shares the connection.
class Client {
 public:
  // Over gRPC. Does not wait for the server: an unreachable one shows with the first call.
  // Errors: those of MakeConnection.
  static StatusOr<Client> Connect(const ClientOptions& options);

  explicit Client(std::shared_ptr<Connection> connection, ClientOptions options = {});

  using Timeout = std::optional<std::chrono::milliseconds>;

  // Decides whether a call may be made and, unless dry_run, holds its estimated cost.
  StatusOr<CheckResponse> Check(CheckRequest request, Timeout timeout = {}) const;

  // Records what a call really used: once, in full, whatever the budgets say.
  StatusOr<RecordResponse> Record(RecordRequest request, Timeout timeout = {}) const;

  // The same for up to 1000 records: an answer for each, in order.
  StatusOr<std::vector<StatusOr<RecordResponse>>> RecordBatch(std::vector<RecordRequest> requests,
                                                              Timeout timeout = {}) const;

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
  std::shared_ptr<Connection> connection_;
  ClientOptions options_;
};

}  // namespace bursar
