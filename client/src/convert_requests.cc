#include "src/convert_requests.h"

#include <google/protobuf/util/json_util.h>

#include <string>
#include <utility>

#include "src/convert_types.h"

namespace bursar::internal {
namespace {

Status SetUsage(const RecordRequest& request, v1::RecordUsageRequest* out) {
  if (request.tokens && request.provider_usage) {
    return {StatusCode::kInvalidArgument,
            "usage " + request.usage_id +
                " has both tokens and provider_usage; one of the two would be right"};
  }
  if (request.tokens) ToProto(*request.tokens, out->mutable_tokens());
  if (request.provider_usage) {
    out->mutable_provider_usage()->set_api_flavor(request.provider_usage->api_flavor);
    out->mutable_provider_usage()->set_json(request.provider_usage->json);
  }
  return {};
}

Status SetMetadata(const RecordRequest& request, v1::RecordUsageRequest* out) {
  if (request.metadata_json.empty()) return {};
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(request.metadata_json, out->mutable_metadata());
  if (parsed.ok()) return {};
  return {StatusCode::kInvalidArgument,
          "the metadata of usage " + request.usage_id + " is no JSON object: " + parsed.ToString()};
}

CostRow FromProto(const v1::CostRow& row) {
  CostRow out{.group = {row.group().begin(), row.group().end()},
              .calls = row.calls(),
              .failed_calls = row.failed_calls(),
              .retried_calls = row.retried_calls(),
              .recovered_calls = row.recovered_calls(),
              .guardrail_hits = row.guardrail_hits(),
              .cost_nanousd = row.cost_nanousd(),
              .estimated_nanousd = row.estimated_nanousd(),
              .unpriced_calls = row.unpriced_calls(),
              .tokens = internal::FromProto(row.tokens()),
              .success_rate = row.success_rate(),
              .latency_p50 = internal::FromProto(row.latency_p50()),
              .latency_p95 = internal::FromProto(row.latency_p95()),
              .latency_p99 = internal::FromProto(row.latency_p99()),
              .latency_max = internal::FromProto(row.latency_max())};
  if (row.has_bucket_start_time()) {
    out.bucket_start_time = internal::FromProto(row.bucket_start_time());
  }
  return out;
}

}  // namespace

Status ToProto(const RecordRequest& request, v1::RecordUsageRequest* out) {
  out->set_usage_id(request.usage_id);
  out->set_reservation_id(request.reservation_id);
  ToProto(request.subject, out->mutable_subject());
  ToProto(request.model, out->mutable_model());
  if (Status status = SetUsage(request, out); !status.ok()) return status;
  if (request.cost_nanousd) out->set_cost_nanousd(*request.cost_nanousd);
  out->set_outcome(static_cast<v1::Outcome>(request.outcome));
  if (request.occur_time) ToProto(*request.occur_time, out->mutable_occur_time());
  out->set_event_type(request.event_type);
  out->set_step(request.step);
  if (request.latency) ToProto(*request.latency, out->mutable_latency());
  if (request.time_to_first_token) {
    ToProto(*request.time_to_first_token, out->mutable_time_to_first_token());
  }
  out->set_attempt(request.attempt);
  if (request.error) ToProto(*request.error, out->mutable_error());
  for (const GuardrailHit& hit : request.guardrail_hits) {
    v1::GuardrailHit* message = out->add_guardrail_hits();
    message->set_name(hit.name);
    message->set_action(hit.action);
    message->set_stage(hit.stage);
  }
  if (request.trace) ToProto(*request.trace, out->mutable_trace());
  out->set_provider_request_id(request.provider_request_id);
  if (request.content) {
    out->mutable_content()->set_prompt(request.content->prompt);
    out->mutable_content()->set_response(request.content->response);
  }
  out->set_keep_reservation(request.keep_reservation);
  out->set_estimated(request.estimated);
  return SetMetadata(request, out);
}

Status ToProto(const CheckRequest& request, v1::CheckBudgetRequest* out) {
  out->set_request_id(request.request_id);
  ToProto(request.subject, out->mutable_subject());
  ToProto(request.model, out->mutable_model());
  if (request.tokens) ToProto(*request.tokens, out->mutable_tokens());
  if (request.cost_nanousd) out->set_cost_nanousd(*request.cost_nanousd);
  if (request.max_output_tokens) out->set_max_output_tokens(*request.max_output_tokens);
  out->set_event_type(request.event_type);
  if (request.ttl) ToProto(*request.ttl, out->mutable_ttl());
  out->set_dry_run(request.dry_run);
  out->set_accept_caps(request.accept_caps);
  for (const RecordRequest& record : request.settle) {
    if (Status status = ToProto(record, out->add_settle()); !status.ok()) return status;
  }
  if (request.trace) ToProto(*request.trace, out->mutable_trace());
  return {};
}

v1::ReleaseReservationRequest ToProto(const ReleaseRequest& request) {
  v1::ReleaseReservationRequest out;
  out.set_reservation_id(request.reservation_id);
  out.set_reason(request.reason);
  return out;
}

v1::ExtendReservationRequest ToProto(const ExtendRequest& request) {
  v1::ExtendReservationRequest out;
  out.set_reservation_id(request.reservation_id);
  if (request.ttl) ToProto(*request.ttl, out.mutable_ttl());
  out.set_hold_nanousd(request.hold_nanousd);
  if (request.observed) ToProto(*request.observed, out.mutable_observed());
  return out;
}

v1::GetBudgetStatusRequest ToProto(const BudgetStatusesRequest& request) {
  v1::GetBudgetStatusRequest out;
  ToProto(request.subject, out.mutable_subject());
  ToProto(request.model, out.mutable_model());
  return out;
}

v1::QueryCostsRequest ToProto(const CostQuery& query) {
  v1::QueryCostsRequest out;
  ToProto(query.start_time, out.mutable_start_time());
  if (query.end_time) ToProto(*query.end_time, out.mutable_end_time());
  out.set_time_zone(query.time_zone);
  out.set_bucket(static_cast<v1::QueryCostsRequest::Bucket>(query.bucket));
  out.mutable_group_by()->Add(query.group_by.begin(), query.group_by.end());
  for (const Filter& filter : query.filters) ToProto(filter, out.add_filters());
  out.set_order_by(query.order_by);
  out.set_page_size(query.page_size);
  out.set_page_token(query.page_token);
  return out;
}

RecordResponse FromProto(const v1::RecordUsageResponse& answer, const RecordRequest& request) {
  return {.cost_nanousd = answer.cost_nanousd(),
          .cost_basis = static_cast<CostBasis>(answer.cost_basis()),
          .price_version = answer.price_version(),
          .tokens = FromProto(answer.tokens()),
          .released_nanousd = answer.released_nanousd(),
          .overrun_nanousd = answer.overrun_nanousd(),
          .late = answer.late(),
          .budgets = FromProto(answer.budgets()),
          .replayed = answer.replayed(),
          .usage_id = request.usage_id,
          .model = request.model,
          .outcome = request.outcome,
          .latency = request.latency,
          .attempt = request.attempt,
          .guardrail_hits = request.guardrail_hits};
}

StatusOr<std::vector<StatusOr<RecordResponse>>> FromProto(
    const RecordResults& results, const std::vector<RecordRequest>& requests) {
  if (static_cast<size_t>(results.size()) != requests.size()) {
    return Status(StatusCode::kInternal, "the server gave " + std::to_string(results.size()) +
                                             " answers to " + std::to_string(requests.size()) +
                                             " records");
  }
  std::vector<StatusOr<RecordResponse>> out;
  out.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    const v1::RecordUsageResult& result = results.Get(static_cast<int>(i));
    if (result.code() == 0) {
      out.emplace_back(FromProto(result.response(), requests[i]));
    } else {
      out.emplace_back(Status(static_cast<StatusCode>(result.code()), result.message()));
    }
  }
  return out;
}

StatusOr<CheckResponse> FromProto(const v1::CheckBudgetResponse& answer,
                                  const CheckRequest& request) {
  auto settled = FromProto(answer.settled(), request.settle);
  if (!settled.ok()) return settled.status();
  CheckResponse out{.decision = static_cast<Decision>(answer.decision()),
                    .reason = answer.reason(),
                    .binding_budget = answer.binding_budget(),
                    .budgets = FromProto(answer.budgets()),
                    .replayed = answer.replayed(),
                    .settled = *std::move(settled),
                    .estimated_nanousd = answer.estimated_nanousd(),
                    .message = answer.message(),
                    .priced_as = answer.priced_as()};
  if (answer.has_reservation()) out.reservation = FromProto(answer.reservation());
  if (answer.has_caps()) out.caps_max_output_tokens = answer.caps().max_output_tokens();
  if (answer.has_retry_after()) out.retry_after = FromProto(answer.retry_after());
  return out;
}

ReleaseResponse FromProto(const v1::ReleaseReservationResponse& answer) {
  return {FromProto(answer.reservation()), FromProto(answer.budgets())};
}

ExtendResponse FromProto(const v1::ExtendReservationResponse& answer) {
  return {static_cast<Decision>(answer.decision()), answer.reason(),
          FromProto(answer.reservation()), FromProto(answer.budgets())};
}

std::vector<BudgetStatus> FromProto(const v1::GetBudgetStatusResponse& answer) {
  return FromProto(answer.budgets());
}

CostReport FromProto(const v1::QueryCostsResponse& answer) {
  CostReport out{.total = FromProto(answer.total()),
                 .next_page_token = answer.next_page_token(),
                 .source = answer.source()};
  for (const v1::CostRow& row : answer.rows()) out.rows.push_back(FromProto(row));
  if (answer.has_as_of_time()) out.as_of_time = FromProto(answer.as_of_time());
  return out;
}

}  // namespace bursar::internal
