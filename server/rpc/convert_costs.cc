#include "rpc/convert.h"
#include "status_macros.h"
#include "usage/field_error.h"

namespace bursar::rpc {
namespace {

void FillRow(const history::CostRow& row, v1::CostRow& out) {
  if (row.bucket_start) *out.mutable_bucket_start_time() = ToProto(*row.bucket_start);
  out.mutable_group()->insert(row.group.begin(), row.group.end());
  out.set_calls(row.calls);
  out.set_failed_calls(row.failed_calls);
  out.set_retried_calls(row.retried_calls);
  out.set_recovered_calls(row.recovered_calls);
  out.set_guardrail_hits(row.guardrail_hits);
  out.set_cost_nanousd(row.cost_nanousd);
  out.set_unpriced_calls(row.unpriced_calls);
  out.set_estimated_nanousd(row.estimated_nanousd);
  out.set_cache_savings_nanousd(row.cache_savings_nanousd);
  ToProto(row.tokens, *out.mutable_tokens());
  out.set_success_rate(row.success_rate);
  if (row.latency_p50) *out.mutable_latency_p50() = ToProto(*row.latency_p50);
  if (row.latency_p95) *out.mutable_latency_p95() = ToProto(*row.latency_p95);
  if (row.latency_p99) *out.mutable_latency_p99() = ToProto(*row.latency_p99);
  if (row.latency_max) *out.mutable_latency_max() = ToProto(*row.latency_max);
}

}  // namespace

absl::StatusOr<history::CostQuery> ToCostQuery(const v1::QueryCostsRequest& request) {
  history::CostQuery query{.start = absl::InfinitePast(),
                           .end = absl::InfiniteFuture(),
                           .time_zone = request.time_zone(),
                           .group_by = {request.group_by().begin(), request.group_by().end()},
                           .page_size = request.page_size()};
  if (request.has_start_time()) {
    ASSIGN_OR_RETURN(query.start, FromProto("start_time", request.start_time()));
  }
  if (request.has_end_time()) {
    ASSIGN_OR_RETURN(query.end, FromProto("end_time", request.end_time()));
  }
  if (!v1::QueryCostsRequest::Bucket_IsValid(request.bucket())) {
    return usage::FieldError("bucket", "is none that is known: HOUR, DAY, WEEK or MONTH");
  }
  query.bucket = static_cast<history::Bucket>(request.bucket());
  RETURN_IF_ERROR(ValidateTimeZone("time_zone", request.time_zone()));
  ASSIGN_OR_RETURN(query.filters, FromProto(request.filters()));
  RETURN_IF_ERROR(history::PrepareQuery(query, request.order_by(), request.page_token()));
  return query;
}

void ToProto(const history::CostQuery& query, const history::CostAnswer& answer,
             v1::QueryCostsResponse& response) {
  for (const auto& row : answer.rows) FillRow(row, *response.add_rows());
  FillRow(answer.total, *response.mutable_total());
  response.set_next_page_token(history::NextPageToken(query, answer));
  *response.mutable_as_of_time() = ToProto(answer.as_of);
  response.set_source(answer.source);
}

}  // namespace bursar::rpc
