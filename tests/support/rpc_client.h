#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "bursar/v1/admin_service.grpc.pb.h"
#include "bursar/v1/telemetry_service.grpc.pb.h"

namespace bursar::testing {

namespace v1 = bursar::v1;
using Telemetry = v1::TelemetryService::Stub;
using Admin = v1::AdminService::Stub;

// Calls a server as any gRPC client would: the wire's own messages, no library in between.
class RpcClient {
 public:
  // A connection of its own, even where another client has the same address. With a key each call
  // carries it as `authorization: Bearer KEY`.
  explicit RpcClient(const std::string& address, const std::string& key = "");

  v1::TelemetryService::Stub& telemetry() { return *telemetry_; }
  v1::AdminService::Stub& admin() { return *admin_; }
  void set_deadline(std::chrono::milliseconds deadline) { deadline_ = deadline; }  // of each call

  // Any method, such as &Telemetry::RecordUsage. Each waits for its answer, for at most 30 s.
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (Telemetry::*method)(grpc::ClientContext*, const Request&,
                                                      Response*),
                    const Request& request, Response& response) {
    return CallOn(*telemetry_, method, request, response);
  }
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (Admin::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response) {
    return CallOn(*admin_, method, request, response);
  }

  grpc::Status Check(const v1::CheckBudgetRequest& request, v1::CheckBudgetResponse& response);
  grpc::Status Record(const v1::RecordUsageRequest& request, v1::RecordUsageResponse& response);
  grpc::Status Release(const std::string& reservation_id, v1::ReleaseReservationResponse& response);
  grpc::Status Query(const v1::QueryCostsRequest& request, v1::QueryCostsResponse& response);
  grpc::Status CreateBudget(const std::string& id, const v1::Budget& budget);

  // A call whose bytes are the caller's own, of a method by its path
  // ("/grpc.health.v1.Health/Check"): one message there, one back.
  grpc::Status CallRaw(const std::string& path, const std::string& request, std::string& response);

  // All at once, each at most once; the answers in order of the requests. Statuses that are not OK
  // are counted in `failed`.
  std::vector<v1::CheckBudgetResponse> CheckAll(const std::vector<v1::CheckBudgetRequest>& requests,
                                                int* failed = nullptr);

 private:
  template <typename Stub, typename Request, typename Response>
  grpc::Status CallOn(Stub& stub,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& request, Response& response) {
    grpc::ClientContext context;
    Prepare(context);
    response.Clear();
    return (stub.*method)(&context, request, &response);
  }
  void Prepare(grpc::ClientContext& context) const;

  const std::string key_;
  std::chrono::milliseconds deadline_;
  std::unique_ptr<grpc::GenericStub> raw_;
  std::unique_ptr<v1::TelemetryService::Stub> telemetry_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

// What an error says to programs: google.rpc.Status in its details.
struct ErrorDetails {
  bool readable = false;            // they are there and can be parsed
  std::string reason, domain;       // of ErrorInfo
  std::vector<std::string> fields;  // of BadRequest
  bool retry = false;               // there is a RetryInfo
};
ErrorDetails DetailsOf(const grpc::Status& status);

// A check of a cost in USD that the caller declares.
v1::CheckBudgetRequest CheckOf(const std::string& id, int64_t cost_nanousd);

// A record of a cost that the caller declares; with a reservation it settles that.
v1::RecordUsageRequest RecordOf(const std::string& id, int64_t cost_nanousd,
                                const std::string& reservation_id = "");

// A hard budget in nano-USD over the whole life.
v1::Budget LifetimeBudget(int64_t limit_nanousd, const std::vector<std::string>& group_by = {});

// The same budget, for one project alone.
v1::Budget OfProject(v1::Budget budget, const std::string& project);

}  // namespace bursar::testing
