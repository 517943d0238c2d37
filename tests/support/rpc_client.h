#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "bursar/v1/admin_service.grpc.pb.h"
#include "bursar/v1/telemetry_service.grpc.pb.h"

namespace bursar::testing {

namespace v1 = bursar::v1;

// Calls a server as any gRPC client would: the wire's own messages, no library in between.
class RpcClient {
 public:
  // A connection of its own, even where another client has the same address.
  explicit RpcClient(const std::string& address);

  v1::TelemetryService::Stub& telemetry() { return *telemetry_; }
  v1::AdminService::Stub& admin() { return *admin_; }

  // Each waits for its answer, for at most 30 s.
  grpc::Status Check(const v1::CheckBudgetRequest& request, v1::CheckBudgetResponse& response);
  grpc::Status Record(const v1::RecordUsageRequest& request, v1::RecordUsageResponse& response);
  grpc::Status Release(const std::string& reservation_id, v1::ReleaseReservationResponse& response);
  grpc::Status Query(const v1::QueryCostsRequest& request, v1::QueryCostsResponse& response);
  grpc::Status CreateBudget(const std::string& id, const v1::Budget& budget);

  // All at once, each at most once; the answers in order of the requests. Statuses that are not OK
  // are counted in `failed`.
  std::vector<v1::CheckBudgetResponse> CheckAll(const std::vector<v1::CheckBudgetRequest>& requests,
                                                int* failed = nullptr);

 private:
  std::unique_ptr<v1::TelemetryService::Stub> telemetry_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

// A check of a cost in USD that the caller declares.
v1::CheckBudgetRequest CheckOf(const std::string& id, int64_t cost_nanousd);

// A hard budget in nano-USD over the whole life.
v1::Budget LifetimeBudget(int64_t limit_nanousd, const std::vector<std::string>& group_by = {});

}  // namespace bursar::testing
