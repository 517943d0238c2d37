#include <bursar/client.h>

#include <string>
#include <utility>

#include "src/client_state.h"
#include "src/disabled_connection.h"
#include "src/random_id.h"
#include "src/recorder_options.h"
#include "src/refusal.h"

namespace bursar {
namespace {

constexpr size_t kBatchRecordsMax = 1000;  // the server's bound for one BatchRecordUsage

CallOptions Within(Client::Timeout given, std::chrono::milliseconds otherwise) {
  return {std::chrono::steady_clock::now() + given.value_or(otherwise)};
}

}  // namespace

StatusOr<Client> Client::Connect(const ClientOptions& options) {
  auto state = std::make_shared<State>(nullptr, options);
  if (!state->options.disabled) {
    if (Status status = internal::CheckRecorderOptions(options.recorder); !status.ok()) {
      return status;  // now, not with the first record
    }
    auto connection = MakeConnection(options);
    if (!connection.ok()) return connection.status();
    state = std::make_shared<State>(*std::move(connection), options);
    if (!options.recorder.journal_folder.empty()) {
      if (auto recorder = state->StartedRecorder(); !recorder.ok()) return recorder.status();
    }
  }
  return Client(std::move(state));
}

Client::Client(std::shared_ptr<Connection> connection, ClientOptions options)
    : state_(std::make_shared<State>(std::move(connection), std::move(options))) {}

StatusOr<CheckResponse> Client::Check(CheckRequest request, Timeout timeout) const {
  const CallOptions call = Within(timeout, state_->options.check_timeout);
  // Named before the first attempt, so that every attempt is the same check.
  if (request.request_id.empty() && !request.dry_run) request.request_id = internal::RandomUuid();
  state_->Complete(&request.subject, &request.trace);
  for (RecordRequest& record : request.settle) state_->Complete(&record);
  auto response =
      state_->Call(call.deadline, [&] { return state_->connection->Check(request, call); });
  if (response.ok()) {
    // What the caller said is no estimate of the server's.
    if (!request.cost_nanousd) {
      state_->allowance.Learn(request.model, response->estimated_nanousd);
    }
    for (const auto& settled : response->settled) {
      if (settled.ok()) state_->allowance.Delivered(settled->usage_id);
    }
    return response;
  }
  if (state_->options.failure_policy != FailurePolicy::kFailOpen || request.dry_run ||
      !internal::IsTransportFailure(response.status())) {
    return response;
  }
  auto decided = state_->allowance.Decide(request, response.status());
  if (!decided.ok()) return decided;
  for (RecordRequest& record : request.settle) {
    const std::string usage_id = record.usage_id;
    Status kept = RecordAsync(std::move(record));
    if (kept.ok()) {
      kept = {StatusCode::kUnavailable, "usage " + usage_id + " is delivered in the background"};
    }
    decided->settled.emplace_back(std::move(kept));
  }
  return decided;
}

StatusOr<RecordResponse> Client::Record(RecordRequest request, Timeout timeout) const {
  const CallOptions call = Within(timeout, state_->options.record_timeout);
  state_->Complete(&request);
  auto response =
      state_->Call(call.deadline, [&] { return state_->connection->Record(request, call); });
  if (response.ok()) {
    state_->allowance.Delivered(request.usage_id);
  } else if (internal::IsRefusalOfContent(response.status().code())) {
    state_->allowance.Refused(request.usage_id);
  }
  return response;
}

StatusOr<std::vector<StatusOr<RecordResponse>>> Client::RecordBatch(
    std::vector<RecordRequest> requests, Timeout timeout) const {
  if (requests.empty()) return std::vector<StatusOr<RecordResponse>>();
  if (requests.size() > kBatchRecordsMax) {
    return Status(StatusCode::kInvalidArgument, "a batch of " + std::to_string(requests.size()) +
                                                    " records is too big; at most 1000 is right");
  }
  const CallOptions call = Within(timeout, state_->options.query_timeout);
  for (RecordRequest& record : requests) state_->Complete(&record);
  auto answers =
      state_->Call(call.deadline, [&] { return state_->connection->RecordBatch(requests, call); });
  for (size_t i = 0; answers.ok() && i < answers->size() && i < requests.size(); ++i) {
    if ((*answers)[i].ok()) state_->allowance.Delivered(requests[i].usage_id);
  }
  return answers;
}

Status Client::RecordAsync(RecordRequest request) const {
  if (state_->options.disabled) return {};
  state_->Complete(&request);
  const auto recorder = state_->StartedRecorder();
  if (!recorder.ok()) return recorder.status();
  return (*recorder)->Record(std::move(request));
}

Status Client::Flush(std::chrono::milliseconds timeout) const {
  Recorder* recorder = state_->RecorderIfStarted();
  return recorder == nullptr ? Status() : recorder->Flush(timeout);
}

RecorderStats Client::Recorded() const {
  const Recorder* recorder = state_->RecorderIfStarted();
  return recorder == nullptr ? RecorderStats{} : recorder->Stats();
}

StatusOr<ReleaseResponse> Client::Release(ReleaseRequest request, Timeout timeout) const {
  const CallOptions call = Within(timeout, state_->options.record_timeout);
  state_->allowance.Released(request.reservation_id);
  return state_->Call(call.deadline, [&] { return state_->connection->Release(request, call); });
}

StatusOr<ExtendResponse> Client::Extend(ExtendRequest request, Timeout timeout) const {
  return state_->Extend(request, Within(timeout, state_->options.check_timeout));
}

StatusOr<std::vector<BudgetStatus>> Client::BudgetStatuses(BudgetStatusesRequest request,
                                                           Timeout timeout) const {
  const CallOptions call = Within(timeout, state_->options.query_timeout);
  std::optional<TraceIds> trace;
  state_->Complete(&request.subject, &trace);
  return state_->Query(call.deadline,
                       [&] { return state_->connection->BudgetStatuses(request, call); });
}

StatusOr<CostReport> Client::QueryCosts(CostQuery query, Timeout timeout) const {
  const CallOptions call = Within(timeout, state_->options.query_timeout);
  return state_->Query(call.deadline, [&] { return state_->connection->QueryCosts(query, call); });
}

}  // namespace bursar
