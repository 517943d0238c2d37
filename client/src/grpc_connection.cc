#include "src/grpc_connection.h"

#include <string>
#include <utility>

#include "src/convert_requests.h"

namespace bursar {
namespace internal {
namespace {

// Runs one unary call; the generated stub's methods all have this shape.
template <typename Request, typename Response>
Status Call(const Transport& transport, const CallOptions& options,
            v1::TelemetryService::Stub& stub,
            grpc::Status (v1::TelemetryService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                               Response*),
            const Request& request, Response* response) {
  for (bool renewed = false;; renewed = true) {
    grpc::ClientContext call;
    const std::string key = PrepareCall(transport, options.deadline, &call);
    Status status = ToStatus((stub.*method)(&call, request, response));
    if (status.code() != StatusCode::kUnauthenticated || renewed) return status;
    if (!transport.key->Renew(key)) return status;
  }
}

using Stub = v1::TelemetryService::Stub;

}  // namespace

GrpcConnection::GrpcConnection(Transport transport)
    : transport_(std::move(transport)), stub_(v1::TelemetryService::NewStub(transport_.channel)) {}

StatusOr<CheckResponse> GrpcConnection::Check(const CheckRequest& request,
                                              const CallOptions& call) {
  v1::CheckBudgetRequest message;
  v1::CheckBudgetResponse answer;
  if (Status status = ToProto(request, &message); !status.ok()) return status;
  Status status = Call(transport_, call, *stub_, &Stub::CheckBudget, message, &answer);
  if (!status.ok()) return status;
  return FromProto(answer, request);
}

StatusOr<RecordResponse> GrpcConnection::Record(const RecordRequest& request,
                                                const CallOptions& call) {
  v1::RecordUsageRequest message;
  v1::RecordUsageResponse answer;
  if (Status status = ToProto(request, &message); !status.ok()) return status;
  Status status = Call(transport_, call, *stub_, &Stub::RecordUsage, message, &answer);
  if (!status.ok()) return status;
  return FromProto(answer, request);
}

StatusOr<std::vector<StatusOr<RecordResponse>>> GrpcConnection::RecordBatch(
    const std::vector<RecordRequest>& requests, const CallOptions& call) {
  v1::BatchRecordUsageRequest message;
  v1::BatchRecordUsageResponse answer;
  for (const RecordRequest& request : requests) {
    if (Status status = ToProto(request, message.add_records()); !status.ok()) return status;
  }
  Status status = Call(transport_, call, *stub_, &Stub::BatchRecordUsage, message, &answer);
  if (!status.ok()) return status;
  return FromProto(answer.results(), requests);
}

StatusOr<ReleaseResponse> GrpcConnection::Release(const ReleaseRequest& request,
                                                  const CallOptions& call) {
  v1::ReleaseReservationResponse answer;
  Status status =
      Call(transport_, call, *stub_, &Stub::ReleaseReservation, ToProto(request), &answer);
  if (!status.ok()) return status;
  return FromProto(answer);
}

StatusOr<ExtendResponse> GrpcConnection::Extend(const ExtendRequest& request,
                                                const CallOptions& call) {
  v1::ExtendReservationResponse answer;
  Status status =
      Call(transport_, call, *stub_, &Stub::ExtendReservation, ToProto(request), &answer);
  if (!status.ok()) return status;
  return FromProto(answer);
}

StatusOr<std::vector<BudgetStatus>> GrpcConnection::BudgetStatuses(
    const BudgetStatusesRequest& request, const CallOptions& call) {
  v1::GetBudgetStatusResponse answer;
  Status status = Call(transport_, call, *stub_, &Stub::GetBudgetStatus, ToProto(request), &answer);
  if (!status.ok()) return status;
  return FromProto(answer);
}

StatusOr<CostReport> GrpcConnection::QueryCosts(const CostQuery& query, const CallOptions& call) {
  v1::QueryCostsResponse answer;
  Status status = Call(transport_, call, *stub_, &Stub::QueryCosts, ToProto(query), &answer);
  if (!status.ok()) return status;
  return FromProto(answer);
}

}  // namespace internal

StatusOr<std::shared_ptr<Connection>> MakeConnection(const ClientOptions& options) {
  auto transport = internal::OpenTransport(options);
  if (!transport.ok()) return transport.status();
  std::shared_ptr<Connection> connection =
      std::make_shared<internal::GrpcConnection>(*std::move(transport));
  return connection;
}

}  // namespace bursar
