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

absl::StatusOr<absl::Duration> TtlFrom(const google::protobuf::Duration& given) {
  ASSIGN_OR_RETURN(const absl::Duration ttl, FromProto("ttl", given));
  if (ttl < usage::kTtlMin || ttl > usage::kTtlMax) {
    return usage::FieldError(
        "ttl", absl::StrCat("is ", absl::FormatDuration(ttl), "; allowed are 1 s to 24 h"));
  }
  return ttl;
}

absl::Status FillSettle(const v1::CheckBudgetRequest& request, absl::string_view tenant,
                        const pricing::PriceBook& prices, ReadCheck& read) {
  if (request.settle_size() > usage::kSettleRecordsMax) {
    return usage::FieldError(
        "settle", absl::StrCat("has ", request.settle_size(), " records; at most 32 are allowed"));
  }
  for (int i = 0; i < request.settle_size(); ++i) {
    auto record = ToRecord(request.settle(i), tenant, prices);
    if (record.ok()) {
      read.check.settle.push_back(*std::move(record));
    } else {
      read.unsettled[i] = usage::Within(absl::StrCat("settle[", i, "]"), record.status());
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateCheck(const ledger::Check& check) {
  if (!check.dry_run || !check.request_id.empty()) {
    RETURN_IF_ERROR(usage::ValidateId("request_id", check.request_id));
  }
  RETURN_IF_ERROR(usage::ValidateSubject(check.subject));
  RETURN_IF_ERROR(usage::ValidateModel(check.model));
  RETURN_IF_ERROR(usage::ValidateEventType(check.event_type));
  if (check.tokens) RETURN_IF_ERROR(usage::ValidateTokens(*check.tokens));
  if (check.cost_nanousd) {
    RETURN_IF_ERROR(usage::ValidateCost("cost_nanousd", *check.cost_nanousd));
  }
  if (!check.tokens && !check.cost_nanousd) {
    return usage::FieldError("tokens", "is missing; a check needs tokens or cost_nanousd");
  }
  if (check.max_output_tokens &&
      (*check.max_output_tokens < 0 || *check.max_output_tokens > usage::kTokensMax)) {
    return usage::FieldError("max_output_tokens", absl::StrCat("is ", *check.max_output_tokens,
                                                               "; allowed are 0 to 10^12"));
  }
  return absl::OkStatus();
}

// Checked and not kept: the record of the call has the trace too.
absl::Status ValidateTrace(const v1::TraceContext& trace) {
  constexpr size_t kMax = usage::kTraceIdBytesMax;
  RETURN_IF_ERROR(usage::ValidateText("trace.trace_id", trace.trace_id(), 0, kMax));
  RETURN_IF_ERROR(usage::ValidateText("trace.span_id", trace.span_id(), 0, kMax));
  return usage::ValidateText("trace.parent_span_id", trace.parent_span_id(), 0, kMax);
}

// ValidateTokens speaks of "tokens.x"; here that is "observed.x".
absl::Status ValidateObserved(const usage::TokenUsage& observed) {
  const absl::Status status = usage::ValidateTokens(observed);
  const auto field = usage::FieldOf(status);
  if (!field) return status;
  return usage::FieldError(absl::StrCat("observed", field->substr(field->find('.'))),
                           status.message().substr(field->size() + 2));
}

template <typename Response>
void AddBudgets(const std::vector<ledger::BudgetStatus>& budgets, Response& response) {
  for (const auto& status : budgets) ToProto(status, *response.add_budgets());
}

// The results of a settle list, in the order of the request.
void AddSettled(const ledger::CheckAnswer& answer, const std::map<int, absl::Status>& unsettled,
                v1::CheckBudgetResponse& response) {
  const size_t count = answer.settled.size() + unsettled.size();
  auto next = answer.settled.begin();
  for (size_t i = 0; i < count; ++i) {
    const auto refused = unsettled.find(static_cast<int>(i));
    ToProto(refused == unsettled.end() ? *next++ : refused->second, *response.add_settled());
  }
}

}  // namespace

void ToProto(const ledger::Reservation& r, absl::Time now, v1::Reservation& reservation) {
  reservation.set_id(r.request_id);
  reservation.set_state(static_cast<v1::Reservation::State>(r.state));
  ToProto(r.subject, *reservation.mutable_subject());
  ToProto(r.model, *reservation.mutable_model());
  reservation.set_reserved_nanousd(r.reserved_nanousd);
  reservation.set_reserved_tokens(r.reserved_tokens);
  reservation.set_observed_nanousd(r.observed_nanousd);
  *reservation.mutable_create_time() = ToProto(r.create_time);
  *reservation.mutable_expire_time() = ToProto(r.expire_time);
  if (r.state == ledger::ReservationState::kActive) {
    *reservation.mutable_remaining_ttl() =
        ToProto(std::max(r.expire_time - now, absl::ZeroDuration()));
  }
  reservation.set_price_version(r.price_version);
  reservation.set_max_output_tokens(r.max_output_tokens);
}

absl::StatusOr<ReadCheck> ToCheck(const v1::CheckBudgetRequest& request, absl::string_view tenant,
                                  const pricing::PriceBook& prices) {
  ReadCheck read;
  ledger::Check& check = read.check;
  check = {.request_id = request.request_id(),
           .subject = FromProto(request.subject()),
           .model = FromProto(request.model()),
           .ttl = usage::kTtlDefault,
           .dry_run = request.dry_run(),
           .accept_caps = request.accept_caps()};
  if (request.has_tokens()) check.tokens = FromProto(request.tokens());
  if (request.has_cost_nanousd()) check.cost_nanousd = request.cost_nanousd();
  if (request.has_max_output_tokens()) check.max_output_tokens = request.max_output_tokens();
  if (!request.event_type().empty()) check.event_type = request.event_type();
  if (request.has_ttl()) {
    ASSIGN_OR_RETURN(check.ttl, TtlFrom(request.ttl()));
  }
  RETURN_IF_ERROR(ValidateCheck(check));
  RETURN_IF_ERROR(ValidateTrace(request.trace()));
  RETURN_IF_ERROR(FillSettle(request, tenant, prices, read));
  check.key = ledger::ReservationKey(tenant, check.request_id);
  check.fingerprint = ledger::FingerprintOf(check);
  return read;
}

absl::StatusOr<ledger::Release> ToRelease(const v1::ReleaseReservationRequest& request,
                                          absl::string_view tenant) {
  RETURN_IF_ERROR(usage::ValidateId("reservation_id", request.reservation_id()));
  RETURN_IF_ERROR(usage::ValidateText("reason", request.reason(), 0, 1024));
  return ledger::Release{.reservation_id = request.reservation_id(),
                         .key = ledger::ReservationKey(tenant, request.reservation_id())};
}

absl::StatusOr<ledger::Extend> ToExtend(const v1::ExtendReservationRequest& request,
                                        absl::string_view tenant) {
  RETURN_IF_ERROR(usage::ValidateId("reservation_id", request.reservation_id()));
  RETURN_IF_ERROR(usage::ValidateCost("hold_nanousd", request.hold_nanousd()));
  ledger::Extend extend{.reservation_id = request.reservation_id(),
                        .key = ledger::ReservationKey(tenant, request.reservation_id()),
                        .hold_nanousd = request.hold_nanousd()};
  if (request.has_ttl()) {
    ASSIGN_OR_RETURN(extend.ttl, TtlFrom(request.ttl()));
  }
  if (request.has_observed()) {
    extend.observed = FromProto(request.observed());
    RETURN_IF_ERROR(ValidateObserved(*extend.observed));
  }
  return extend;
}

absl::StatusOr<ledger::Inspect> ToInspect(const v1::GetBudgetStatusRequest& request) {
  ledger::Inspect inspect{FromProto(request.subject()), FromProto(request.model())};
  RETURN_IF_ERROR(usage::ValidateSubject(inspect.subject));
  RETURN_IF_ERROR(usage::ValidateModel(inspect.model));
  return inspect;
}

void ToProto(const ledger::CheckAnswer& answer, const std::map<int, absl::Status>& unsettled,
             v1::CheckBudgetResponse& response) {
  response.set_decision(static_cast<v1::Decision>(answer.decision));
  if (!answer.reason.empty()) response.set_reason(answer.reason);
  if (answer.reservation) ToProto(*answer.reservation, answer.now, *response.mutable_reservation());
  if (answer.cap_max_output_tokens) {
    response.mutable_caps()->set_max_output_tokens(*answer.cap_max_output_tokens);
  }
  if (!answer.binding_budget.empty()) {
    response.set_binding_budget(absl::StrCat("budgets/", answer.binding_budget));
  }
  AddBudgets(answer.budgets, response);
  if (answer.retry_after) *response.mutable_retry_after() = ToProto(*answer.retry_after);
  response.set_replayed(answer.replayed);
  AddSettled(answer, unsettled, response);
  response.set_estimated_nanousd(answer.estimated_nanousd);
  if (!answer.message.empty()) response.set_message(answer.message);
  if (!answer.priced_as.empty()) response.set_priced_as(answer.priced_as);
}

void ToProto(const ledger::ReservationAnswer& answer, v1::ReleaseReservationResponse& response) {
  ToProto(answer.reservation, answer.now, *response.mutable_reservation());
  AddBudgets(answer.budgets, response);
}

void ToProto(const ledger::ReservationAnswer& answer, v1::ExtendReservationResponse& response) {
  response.set_decision(static_cast<v1::Decision>(answer.decision));
  if (!answer.reason.empty()) response.set_reason(answer.reason);
  ToProto(answer.reservation, answer.now, *response.mutable_reservation());
  AddBudgets(answer.budgets, response);
}

}  // namespace bursar::rpc
