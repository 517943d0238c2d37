#include "absl/strings/str_cat.h"
#include "ledger/fingerprint.h"
#include "rpc/convert.h"
#include "rpc/grpc_status.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::rpc {
namespace {

// What is checked and not kept: nothing that might hold a prompt, a person or a key is stored
// unredacted.
absl::Status ValidateUnkept(const v1::RecordUsageRequest& request) {
  if (request.error().message().size() > usage::kErrorMessageBytesMax) {
    return usage::FieldError("error.message", "has more than 4 KiB");
  }
  if (request.metadata().ByteSizeLong() > usage::kMetadataBytesMax) {
    return usage::FieldError("metadata", "has more than 8 KiB");
  }
  const auto& content = request.content();
  if (content.prompt().size() + content.response().size() > usage::kContentBytesMax) {
    return usage::FieldError("content", "has more than 1 MiB");
  }
  return absl::OkStatus();
}

// The model that the provider's answer names is the one that answered.
absl::Status FillFromProvider(const v1::ProviderUsage& given, const pricing::PriceBook& prices,
                              usage::UsageRecord& used) {
  usage::Model& model = used.model;
  if (model.provider.empty()) {
    return usage::FieldError("model.provider", "is missing; it says how provider_usage is read");
  }
  auto extractor = prices.FindExtractor(model.provider, given.api_flavor());
  if (!extractor.ok()) {
    const bool of_the_model = usage::FieldOf(extractor.status()) == "provider";
    return usage::Within(of_the_model ? "model" : "provider_usage", extractor.status());
  }
  auto reading = usage::ReadProviderUsage(**extractor, given.json());
  if (!reading.ok()) return usage::Within("provider_usage", reading.status());
  used.tokens = std::move(reading->tokens);
  if (reading->model.empty() || reading->model == model.name) return absl::OkStatus();
  if (model.requested_name.empty()) model.requested_name = model.name;
  model.name = std::move(reading->model);
  return absl::OkStatus();
}

// What of a record's usage makes it this one and no other, before it is read.
ledger::Id FingerprintOf(const v1::RecordUsageRequest& request, const usage::UsageRecord& used) {
  const ledger::Id raw = ledger::FingerprintOf(used);
  if (!request.has_provider_usage()) return raw;
  return ledger::IdHash("provider_usage/1")
      .Add(ledger::ToUuid(raw))
      .Add(request.provider_usage().api_flavor())
      .Add(request.provider_usage().json())
      .Finish();
}

absl::Status FillTimes(const v1::RecordUsageRequest& request, usage::UsageRecord& used) {
  if (request.has_occur_time()) {
    ASSIGN_OR_RETURN(used.occur_time, FromProto("occur_time", request.occur_time()));
  }
  if (request.has_latency()) {
    ASSIGN_OR_RETURN(used.latency, FromProto("latency", request.latency()));
  }
  if (request.has_time_to_first_token()) {
    ASSIGN_OR_RETURN(used.time_to_first_token,
                     FromProto("time_to_first_token", request.time_to_first_token()));
  }
  return absl::OkStatus();
}

absl::Status ValidateEnums(const v1::RecordUsageRequest& request) {
  if (!v1::Outcome_IsValid(request.outcome())) {
    return usage::FieldError("outcome", absl::StrCat("is ", static_cast<int>(request.outcome()),
                                                     ", which is none that is known"));
  }
  if (!v1::CallError::Category_IsValid(request.error().category())) {
    return usage::FieldError("error.category", "is none that is known");
  }
  if (!v1::CallError::Severity_IsValid(request.error().severity())) {
    return usage::FieldError("error.severity", "is none that is known");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ledger::Record> ToRecord(const v1::RecordUsageRequest& request,
                                        absl::string_view tenant,
                                        const pricing::PriceBook& prices) {
  RETURN_IF_ERROR(ValidateEnums(request));
  RETURN_IF_ERROR(ValidateUnkept(request));
  usage::UsageRecord used{.usage_id = request.usage_id(),
                          .reservation_id = request.reservation_id(),
                          .subject = FromProto(request.subject()),
                          .model = FromProto(request.model()),
                          .step = request.step(),
                          .attempt = request.attempt() == 0 ? 1 : request.attempt(),
                          .error = {.type = request.error().type(),
                                    .category = request.error().category(),
                                    .severity = request.error().severity()},
                          .trace = {request.trace().trace_id(), request.trace().span_id(),
                                    request.trace().parent_span_id()},
                          .provider_request_id = request.provider_request_id(),
                          .keep_reservation = request.keep_reservation(),
                          .estimated = request.estimated()};
  if (request.has_cost_nanousd()) used.cost_nanousd = request.cost_nanousd();
  if (request.outcome() != v1::OUTCOME_UNSPECIFIED) {
    used.outcome = static_cast<usage::Outcome>(request.outcome());
  }
  if (!request.event_type().empty()) used.event_type = request.event_type();
  for (const auto& hit : request.guardrail_hits()) {
    used.guardrail_hits.push_back({hit.name(), hit.action(), hit.stage()});
  }
  RETURN_IF_ERROR(FillTimes(request, used));
  if (request.has_tokens()) used.tokens = FromProto(request.tokens());
  const ledger::Id fingerprint = FingerprintOf(request, used);
  if (request.has_provider_usage()) {
    RETURN_IF_ERROR(FillFromProvider(request.provider_usage(), prices, used));
  }
  RETURN_IF_ERROR(usage::ValidateRecord(used));
  ledger::Record record{.key = ledger::UsageKey(tenant, used.usage_id),
                        .reservation = ledger::ReservationKey(tenant, used.reservation_id),
                        .fingerprint = fingerprint};
  record.usage = std::move(used);
  return record;
}

void ToProto(const ledger::RecordAnswer& answer, v1::RecordUsageResponse& response) {
  response.set_cost_nanousd(answer.cost_nanousd);
  response.set_cost_basis(static_cast<v1::CostBasis>(answer.cost_basis));
  response.set_price_version(answer.price_version);
  ToProto(answer.tokens, *response.mutable_tokens());
  response.set_released_nanousd(answer.released_nanousd);
  response.set_overrun_nanousd(answer.overrun_nanousd);
  response.set_late(answer.late);
  for (const auto& status : answer.budgets) ToProto(status, *response.add_budgets());
  response.set_replayed(answer.replayed);
}

absl::StatusOr<ledger::Adjust> ToAdjust(const v1::AdjustUsageRequest& request,
                                        absl::string_view tenant) {
  RETURN_IF_ERROR(usage::ValidateUsageId(request.usage_id()));
  RETURN_IF_ERROR(usage::ValidateId("adjustment_id", request.adjustment_id()));
  RETURN_IF_ERROR(usage::ValidateText("reason", request.reason(), 0, usage::kReasonBytesMax));
  ledger::Adjust adjust{.adjustment_id = request.adjustment_id(),
                        .key = ledger::UsageKey(tenant, absl::StrCat(usage::kAdjustmentIdPrefix,
                                                                     request.adjustment_id())),
                        .usage_id = request.usage_id(),
                        .target = ledger::UsageKey(tenant, request.usage_id()),
                        .reason = request.reason()};
  switch (request.correction_case()) {
    case v1::AdjustUsageRequest::kTokens:
      adjust.tokens = FromProto(request.tokens());
      RETURN_IF_ERROR(usage::ValidateTokens(*adjust.tokens));
      break;
    case v1::AdjustUsageRequest::kCostNanousd:
      adjust.cost_nanousd = request.cost_nanousd();
      RETURN_IF_ERROR(usage::ValidateCost("cost_nanousd", *adjust.cost_nanousd));
      break;
    case v1::AdjustUsageRequest::CORRECTION_NOT_SET:
      return usage::FieldError("correction", "is missing; give tokens or cost_nanousd");
  }
  adjust.fingerprint = ledger::FingerprintOf(adjust);
  return adjust;
}

void ToProto(const ledger::AdjustAnswer& answer, v1::AdjustUsageResponse& response) {
  response.set_delta_nanousd(answer.delta_nanousd);
  for (const auto& status : answer.budgets) ToProto(status, *response.add_budgets());
}

void ToProto(const absl::StatusOr<ledger::RecordAnswer>& answer, v1::RecordUsageResult& result) {
  result.set_code(ToRpcCode(answer.status()));
  result.set_message(MessageFor(answer.status()));
  if (answer.ok()) ToProto(*answer, *result.mutable_response());
}

}  // namespace bursar::rpc
