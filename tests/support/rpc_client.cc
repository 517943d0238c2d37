#include "support/rpc_client.h"

#include <condition_variable>
#include <cstdlib>
#include <future>
#include <iostream>
#include <mutex>

#include "google/rpc/error_details.pb.h"

namespace bursar::testing {
namespace {

constexpr std::chrono::seconds kDeadline(30);

// An idle client would look at its connections only every 5 s, and a server that stops waits until
// it has read the goodbye.
void LookAtIdleConnectionsOften() {
  static const int set = setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "100", 0);
  if (set != 0) std::abort();
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return "";
  std::string bytes;
  for (const auto& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace

RpcClient::RpcClient(const std::string& address, const std::string& key)
    : key_(key), deadline_(kDeadline) {
  LookAtIdleConnectionsOften();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A server that was started again is found soon.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  raw_ = std::make_unique<grpc::GenericStub>(channel);
  telemetry_ = v1::TelemetryService::NewStub(channel);
  admin_ = v1::AdminService::NewStub(channel);
}

void RpcClient::Prepare(grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() + deadline_);
  if (!key_.empty()) context.AddMetadata("authorization", "Bearer " + key_);
}

grpc::Status RpcClient::Check(const v1::CheckBudgetRequest& request,
                              v1::CheckBudgetResponse& response) {
  return Call(&Telemetry::CheckBudget, request, response);
}

grpc::Status RpcClient::Record(const v1::RecordUsageRequest& request,
                               v1::RecordUsageResponse& response) {
  return Call(&Telemetry::RecordUsage, request, response);
}

grpc::Status RpcClient::Release(const std::string& reservation_id,
                                v1::ReleaseReservationResponse& response) {
  v1::ReleaseReservationRequest request;
  request.set_reservation_id(reservation_id);
  return Call(&Telemetry::ReleaseReservation, request, response);
}

grpc::Status RpcClient::Query(const v1::QueryCostsRequest& request,
                              v1::QueryCostsResponse& response) {
  return Call(&Telemetry::QueryCosts, request, response);
}

grpc::Status RpcClient::CreateBudget(const std::string& id, const v1::Budget& budget) {
  v1::CreateBudgetRequest request;
  request.set_budget_id(id);
  *request.mutable_budget() = budget;
  v1::CreateBudgetResponse response;
  return Call(&Admin::CreateBudget, request, response);
}

grpc::Status RpcClient::CallRaw(const std::string& path, const std::string& request,
                                std::string& response) {
  grpc::ClientContext context;
  Prepare(context);
  grpc::Slice slice(request);
  const grpc::ByteBuffer sent(&slice, 1);
  grpc::ByteBuffer received;
  std::promise<grpc::Status> ended;
  raw_->UnaryCall(&context, path, grpc::StubOptions(), &sent, &received,
                  [&](grpc::Status status) { ended.set_value(std::move(status)); });
  grpc::Status status = ended.get_future().get();
  if (status.ok()) response = BytesOf(received);
  return status;
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
    Prepare(contexts[i]);
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

ErrorDetails DetailsOf(const grpc::Status& status) {
  ErrorDetails found;
  google::rpc::Status details;
  if (status.error_details().empty() || !details.ParseFromString(status.error_details())) {
    return found;
  }
  found.readable = details.code() == static_cast<int>(status.error_code());
  for (const auto& detail : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    if (detail.UnpackTo(&info)) {
      found.reason = info.reason();
      found.domain = info.domain();
    }
    if (detail.UnpackTo(&bad_request)) {
      for (const auto& violation : bad_request.field_violations()) {
        found.fields.push_back(violation.field());
      }
    }
    found.retry |= detail.Is<google::rpc::RetryInfo>();
  }
  return found;
}

v1::CheckBudgetRequest CheckOf(const std::string& id, int64_t cost_nanousd) {
  v1::CheckBudgetRequest request;
  request.set_request_id(id);
  request.set_cost_nanousd(cost_nanousd);
  return request;
}

v1::RecordUsageRequest RecordOf(const std::string& id, int64_t cost_nanousd,
                                const std::string& reservation_id) {
  v1::RecordUsageRequest request;
  request.set_usage_id(id);
  request.set_cost_nanousd(cost_nanousd);
  request.set_reservation_id(reservation_id);
  return request;
}

v1::Budget LifetimeBudget(int64_t limit_nanousd, const std::vector<std::string>& group_by) {
  v1::Budget budget;
  budget.set_limit_nanousd(limit_nanousd);
  budget.mutable_window()->set_kind(v1::Window::KIND_LIFETIME);
  for (const auto& dimension : group_by) budget.add_group_by(dimension);
  return budget;
}

v1::Budget OfProject(v1::Budget budget, const std::string& project) {
  auto* filter = budget.add_selector();
  filter->set_dimension("project");
  filter->add_values(project);
  return budget;
}

}  // namespace bursar::testing
