#pragma once

#include <bursar/connection.h>

#include <memory>
#include <vector>

#include "bursar/v1/telemetry_service.grpc.pb.h"
#include "src/transport.h"

namespace bursar::internal {

// One attempt at each call over a gRPC channel.
class GrpcConnection final : public Connection {
 public:
  explicit GrpcConnection(Transport transport);

  StatusOr<CheckResponse> Check(const CheckRequest& request, const CallOptions& call) override;
  StatusOr<RecordResponse> Record(const RecordRequest& request, const CallOptions& call) override;
  StatusOr<std::vector<StatusOr<RecordResponse>>> RecordBatch(
      const std::vector<RecordRequest>& requests, const CallOptions& call) override;
  StatusOr<ReleaseResponse> Release(const ReleaseRequest& request,
                                    const CallOptions& call) override;
  StatusOr<ExtendResponse> Extend(const ExtendRequest& request, const CallOptions& call) override;
  StatusOr<std::vector<BudgetStatus>> BudgetStatuses(const BudgetStatusesRequest& request,
                                                     const CallOptions& call) override;
  StatusOr<CostReport> QueryCosts(const CostQuery& query, const CallOptions& call) override;

 private:
  Transport transport_;
  std::unique_ptr<v1::TelemetryService::Stub> stub_;
};

}  // namespace bursar::internal
