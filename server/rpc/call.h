#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "access/key_ring.h"
#include "metrics/metrics.h"

namespace bursar::rpc {

// What a method asks of the caller's role.
enum class Need {
  kSpend,       // check, record, hold: agent, admin, operator
  kStatus,      // where a budget stands: every role
  kRead,        // costs and budgets: viewer, admin, operator
  kAdminister,  // changes of budgets: admin, operator
};

// What every call passes through. With `keys` absent nobody is asked for a key: everybody is admin
// of tenant "default" (--insecure-no-auth).
struct Edge {
  const access::KeyRing* keys = nullptr;
  metrics::Metrics* metrics = nullptr;
};

// One call under way: authenticated when it begins, counted and finished once. A callback that
// answers later holds it by shared_ptr.
class Call {
 public:
  // A call that may not be made is finished at once: `finished()`.
  static std::shared_ptr<Call> Begin(const Edge& edge, grpc::CallbackServerContext* context,
                                     const char* method, Need need);
  Call(const Edge& edge, grpc::CallbackServerContext* context, const char* method);

  bool finished() const { return finished_; }
  const access::Caller& caller() const { return caller_; }
  const std::string& tenant() const { return caller_.tenant; }
  // The caller's own, or 10 s from its begin.
  absl::Time deadline() const { return deadline_; }
  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

  // Returns the reactor, so that a method can end with it.
  grpc::ServerUnaryReactor* Finish(const absl::Status& status);

 private:
  absl::Status Authenticate(Need need);

  const Edge& edge_;
  grpc::CallbackServerContext* const context_;
  grpc::ServerUnaryReactor* const reactor_;
  const char* const method_;
  const absl::Time begin_;
  const absl::Time deadline_;
  access::Caller caller_;
  bool finished_ = false;
};

// The answer of a method whose turn comes later.
absl::Status NotYet(absl::string_view method);

}  // namespace bursar::rpc
