#include <bursar/client.h>

#include <utility>

#include "src/random_id.h"
#include "src/retry.h"

namespace bursar {
namespace {

constexpr size_t kBatchRecordsMax = 1000;  // the server's bound for one BatchRecordUsage

CallOptions Within(Client::Timeout given, std::chrono::milliseconds otherwise) {
  return {std::chrono::steady_clock::now() + given.value_or(otherwise)};
}

void NameUsage(RecordRequest* record) {
  if (record->usage_id.empty()) record->usage_id = internal::RandomUuid();
}

}  // namespace

StatusOr<Client> Client::Connect(const ClientOptions& options) {
  auto connection = MakeConnection(options);
  if (!connection.ok()) return connection.status();
  return Client(*std::move(connection), options);
}

Client::Client(std::shared_ptr<Connection> connection, ClientOptions options)
    : connection_(std::move(connection)), options_(std::move(options)) {}

StatusOr<CheckResponse> Client::Check(CheckRequest request, Timeout timeout) const {
  const CallOptions call = Within(timeout, options_.check_timeout);
  // Named before the first attempt, so that every attempt is the same check.
  if (request.request_id.empty() && !request.dry_run) request.request_id = internal::RandomUuid();
  for (RecordRequest& record : request.settle) NameUsage(&record);
  return internal::CallWithRetry(options_, call.deadline,
                                 [&] { return connection_->Check(request, call); });
}

StatusOr<RecordResponse> Client::Record(RecordRequest request, Timeout timeout) const {
  const CallOptions call = Within(timeout, options_.record_timeout);
  NameUsage(&request);
  return internal::CallWithRetry(options_, call.deadline,
                                 [&] { return connection_->Record(request, call); });
}

StatusOr<std::vector<StatusOr<RecordResponse>>> Client::RecordBatch(
    std::vector<RecordRequest> requests, Timeout timeout) const {
  if (requests.empty()) return std::vector<StatusOr<RecordResponse>>();
  if (requests.size() > kBatchRecordsMax) {
    return Status(StatusCode::kInvalidArgument, "a batch of " + std::to_string(requests.size()) +
                                                    " records is too big; at most 1000 is right");
  }
  const CallOptions call = Within(timeout, options_.query_timeout);
  for (RecordRequest& record : requests) NameUsage(&record);
  return internal::CallWithRetry(options_, call.deadline,
                                 [&] { return connection_->RecordBatch(requests, call); });
}

StatusOr<ReleaseResponse> Client::Release(ReleaseRequest request, Timeout timeout) const {
  const CallOptions call = Within(timeout, options_.record_timeout);
  return internal::CallWithRetry(options_, call.deadline,
                                 [&] { return connection_->Release(request, call); });
}

StatusOr<ExtendResponse> Client::Extend(ExtendRequest request, Timeout timeout) const {
  const CallOptions call = Within(timeout, options_.check_timeout);
  return internal::CallWithRetry(options_, call.deadline,
                                 [&] { return connection_->Extend(request, call); });
}

StatusOr<std::vector<BudgetStatus>> Client::BudgetStatuses(BudgetStatusesRequest request,
                                                           Timeout timeout) const {
  const CallOptions call = Within(timeout, options_.query_timeout);
  return internal::CallWithRetry(options_, call.deadline,
                                 [&] { return connection_->BudgetStatuses(request, call); });
}

StatusOr<CostReport> Client::QueryCosts(CostQuery query, Timeout timeout) const {
  const CallOptions call = Within(timeout, options_.query_timeout);
  return internal::CallWithRetry(options_, call.deadline,
                                 [&] { return connection_->QueryCosts(query, call); });
}

}  // namespace bursar
