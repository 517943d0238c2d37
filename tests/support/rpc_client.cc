#include "support/rpc_client.h"

#include <atomic>
#include <condition_variable>
#include <iostream>
#include <mutex>

namespace bursar::testing {
namespace {

constexpr std::chrono::seconds kDeadline(30);

template <typename Stub, typename Request, typename Response>
grpc::Status CallWith(Stub& stub,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& request, Response& response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  response.Clear();
  return (stub.*method)(&context, request, &response);
}

}  // namespace

RpcClient::RpcClient(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  telemetry_ = v1::TelemetryService::NewStub(channel);
  admin_ = v1::AdminService::NewStub(channel);
}

grpc::Status RpcClient::Check(const v1::CheckBudgetRequest& request,
                              v1::CheckBudgetResponse& response) {
  return CallWith(*telemetry_, &v1::TelemetryService::Stub::CheckBudget, request, response);
}

grpc::Status RpcClient::Record(const v1::RecordUsageRequest& request,
                               v1::RecordUsageResponse& response) {
  return CallWith(*telemetry_, &v1::TelemetryService::Stub::RecordUsage, request, response);
}

grpc::Status RpcClient::Release(const std::string& reservation_id,
                                v1::ReleaseReservationResponse& response) {
  v1::ReleaseReservationRequest request;
  request.set_reservation_id(reservation_id);
  return CallWith(*telemetry_, &v1::TelemetryService::Stub::ReleaseReservation, request, response);
}

grpc::Status RpcClient::Query(const v1::QueryCostsRequest& request,
                              v1::QueryCostsResponse& response) {
  return CallWith(*telemetry_, &v1::TelemetryService::Stub::QueryCosts, request, response);
}

grpc::Status RpcClient::CreateBudget(const std::string& id, const v1::Budget& budget) {
  v1::CreateBudgetRequest request;
  request.set_budget_id(id);
  *request.mutable_budget() = budget;
  v1::CreateBudgetResponse response;
  return CallWith(*admin_, &v1::AdminService::Stub::CreateBudget, request, response);
}

std::vector<v1::CheckBudgetResponse> RpcClient::CheckAll(
    const std::vector<v1::CheckBudgetRequest>& requests, int* failed) {
  std::vector<v1::CheckBudgetResponse> responses(requests.size());
  std::vector<grpc::ClientContext> contexts(requests.size());
  std::mutex mutex;
  std::condition_variable all_answered;
  size_t answered = 0;
  int failures = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    contexts[i].set_deadline(std::chrono::system_clock::now() + kDeadline);
    telemetry_->async()->CheckBudget(
        &contexts[i], &requests[i], &responses[i], [&](const grpc::Status& status) {
          std::lock_guard lock(mutex);
          if (!status.ok()) {
            ++failures;
            std::cerr << "call failed: " << status.error_message() << "\n";
          }
          if (++answered == requests.size()) all_answered.notify_one();
        });
  }
  std::unique_lock lock(mutex);
  all_answered.wait(lock, [&] { return answered == requests.size(); });
  if (failed != nullptr) *failed += failures;
  return responses;
}

v1::CheckBudgetRequest CheckOf(const std::string& id, int64_t cost_nanousd) {
  v1::CheckBudgetRequest request;
  request.set_request_id(id);
  request.set_cost_nanousd(cost_nanousd);
  return request;
}

v1::Budget LifetimeBudget(int64_t limit_nanousd, const std::vector<std::string>& group_by) {
  v1::Budget budget;
  budget.set_limit_nanousd(limit_nanousd);
  budget.mutable_window()->set_kind(v1::Window::KIND_LIFETIME);
  for (const auto& dimension : group_by) budget.add_group_by(dimension);
  return budget;
}

}  // namespace bursar::testing
