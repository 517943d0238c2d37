#pragma once

#include <bursar/options.h>
#include <bursar/status.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "bursar/v1/admin_service.grpc.pb.h"
#include "bursar/v1/telemetry_service.grpc.pb.h"
#include "src/transport.h"

namespace bursar::cli {

// The server as the command sees it: one attempt at each call, with the generated messages, so that
// --json shows all that was answered.
class Server {
 public:
  // Errors: those of internal::OpenTransport.
  static StatusOr<std::unique_ptr<Server>> Open(const ClientOptions& options,
                                                std::chrono::nanoseconds timeout);

  // Calls a method of either service, e.g. Call(&AdminStub::GetBudget, request, &response). Safe
  // for use by many threads at once.
  template <typename Stub, typename Request, typename Response>
  Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
              const Request& request, Response* response) {
    return CallWithin(timeout_, method, request, response);
  }

  // The same with a time of its own.
  template <typename Stub, typename Request, typename Response>
  Status CallWithin(std::chrono::nanoseconds timeout,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext call;
    internal::PrepareCall(transport_, std::chrono::steady_clock::now() + timeout, &call);
    const UnderWay under_way(this, &call);
    Stub* stub = nullptr;
    if constexpr (std::is_same_v<Stub, v1::AdminService::Stub>) {
      stub = admin_.get();
    } else {
      stub = telemetry_.get();
    }
    return internal::ToStatus((stub->*method)(&call, request, response));
  }

  // Ends the calls that are under way, with CANCELLED.
  void Cancel();

  const ClientOptions& options() const { return options_; }
  const std::string& endpoint() const { return options_.endpoint; }
  std::chrono::nanoseconds timeout() const { return timeout_; }

 private:
  // A call that Cancel can end, for as long as this lives.
  class UnderWay {
   public:
    UnderWay(Server* server, grpc::ClientContext* call);
    ~UnderWay();

   private:
    Server* const server_;
    grpc::ClientContext* const call_;
  };

  Server(internal::Transport transport, ClientOptions options, std::chrono::nanoseconds timeout);

  internal::Transport transport_;
  ClientOptions options_;
  std::chrono::nanoseconds timeout_;
  std::mutex mutex_;
  std::set<grpc::ClientContext*> calls_;
  std::unique_ptr<v1::TelemetryService::Stub> telemetry_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

using TelemetryStub = v1::TelemetryService::Stub;
using AdminStub = v1::AdminService::Stub;

// One clear sentence about a call that failed, and a line for each wrong field; ends with a line
// break.
std::string Explain(const Status& status, const std::string& endpoint,
                    std::chrono::nanoseconds timeout);

}  // namespace bursar::cli
