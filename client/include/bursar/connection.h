#pragma once

#include <bursar/options.h>
#include <bursar/requests.h>
#include <bursar/status.h>

#include <chrono>
#include <memory>
#include <vector>

namespace bursar {

// How one attempt is made.
struct CallOptions {
  std::chrono::steady_clock::time_point deadline;
};

// One attempt at each call, without retries: what Client stands on, and what a test replaces
// (bursar/mocks/mock_connection.h).
//
// A call ends by `deadline`. The base class answers UNIMPLEMENTED to everything, so that a subclass
// written today still compiles when a call is added.
//
// Errors: those of the server (see Client); DEADLINE_EXCEEDED and UNAVAILABLE are also made here,
// when the server does not answer in time or cannot be reached.
//
// Safe for use by many threads at once. Lives as long as somebody holds the shared_ptr.
class Connection {
 public:
  virtual ~Connection() = default;

  virtual StatusOr<CheckResponse> Check(const CheckRequest& request, const CallOptions& call);
  virtual StatusOr<RecordResponse> Record(const RecordRequest& request, const CallOptions& call);
  virtual StatusOr<std::vector<StatusOr<RecordResponse>>> RecordBatch(
      const std::vector<RecordRequest>& requests, const CallOptions& call);
  virtual StatusOr<ReleaseResponse> Release(const ReleaseRequest& request, const CallOptions& call);
  virtual StatusOr<ExtendResponse> Extend(const ExtendRequest& request, const CallOptions& call);
  virtual StatusOr<std::vector<BudgetStatus>> BudgetStatuses(const BudgetStatusesRequest& request,
                                                             const CallOptions& call);
  virtual StatusOr<CostReport> QueryCosts(const CostQuery& query, const CallOptions& call);
};

// A connection over gRPC. Connects when first used; one TCP connection for each address of the
// endpoint, used in turn, kept and renewed.
// Errors: INVALID_ARGUMENT for an endpoint, a key or TLS files that cannot be; FAILED_PRECONDITION
// for a file that cannot be read, or a key that would travel in plain text to another machine.
StatusOr<std::shared_ptr<Connection>> MakeConnection(const ClientOptions& options);

}  // namespace bursar
