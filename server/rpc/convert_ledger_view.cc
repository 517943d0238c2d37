#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rpc/convert.h"
#include "rpc/page_token.h"
#include "status_macros.h"
#include "usage/field_error.h"

namespace bursar::rpc {
namespace {

using ledger::Id;
using ledger::IdHash;

constexpr int kPageSizeDefault = 100, kPageSizeMax = 1000;
constexpr int kVerifyPageDefault = 1000, kVerifyPageMax = 10'000;

Id QueryOf(absl::string_view tenant, absl::string_view budget,
           const ledger::BudgetStatusQuery& query) {
  return IdHash("list_budget_statuses")
      .Add(tenant)
      .Add(budget)
      .Add(absl::StrFormat("%.17g", query.min_used_fraction))
      .Finish();
}

Id QueryOf(absl::string_view tenant, const ledger::ReservationQuery& query) {
  IdHash hash("list_reservations");
  hash.Add(tenant).Add(query.state ? static_cast<int64_t>(*query.state) : 0);
  AddFilters(query.filters, hash);
  return hash.Finish();
}

Id QueryOf(absl::string_view tenant, const ledger::CostEventQuery& query) {
  IdHash hash("list_cost_events");
  hash.Add(tenant).Add(absl::ToUnixMicros(query.start)).Add(absl::ToUnixMicros(query.end));
  AddFilters(query.filters, hash);
  return hash.Finish();
}

Id VerifyQueryOf(absl::string_view tenant) { return ledger::HashId({"verify_ledger", tenant}); }

// ---- Filters.

constexpr std::array<absl::string_view, 5> kKinds = {"THRESHOLD_CROSSED", "DENIED", "OVERRUN",
                                                     "EXPIRED", "LATE"};

bool IsCallDimension(absl::string_view dimension) {
  return usage::IsDimension(dimension) || dimension == "account" || dimension == "region" ||
         dimension == "budget" || dimension == "request_id";
}
constexpr absl::string_view kReservationDimensions =
    "project, team, user, agent, workflow, tool, run, parent_run, root_run, provider, model, "
    "service_tier, region, account, event_type, budget, request_id or label:<name>";

bool IsEventDimension(absl::string_view dimension) {
  return dimension == "kind" || (IsCallDimension(dimension) && dimension != "event_type");
}
constexpr absl::string_view kEventDimensions =
    "project, team, user, agent, workflow, tool, run, parent_run, root_run, provider, model, "
    "service_tier, region, account, budget, kind, request_id or label:<name>";

// Values that are names of something known: "budgets/user-day" or "user-day", and kinds of events.
absl::Status ReadValues(std::vector<ledger::Filter>& filters) {
  for (size_t i = 0; i < filters.size(); ++i) {
    const std::string field = absl::StrCat("filters[", i, "].values");
    for (std::string& value : filters[i].values) {
      if (filters[i].dimension == "budget") {
        value = std::string(absl::StripPrefix(value, "budgets/"));
        RETURN_IF_ERROR(ValidateBudgetId(field, value));
      } else if (filters[i].dimension == "kind" &&
                 std::find(kKinds.begin(), kKinds.end(), value) == kKinds.end()) {
        return usage::FieldError(field,
                                 absl::StrCat("has \"", value.substr(0, 64), "\"; allowed are ",
                                              absl::StrJoin(kKinds, ", ")));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ledger::Filter>> ReadFilters(
    const google::protobuf::RepeatedPtrField<v1::Filter>& given, bool (*known)(absl::string_view),
    absl::string_view allowed) {
  ASSIGN_OR_RETURN(auto filters, FromProto(given));
  RETURN_IF_ERROR(history::ValidateFilters(filters, known, allowed));
  RETURN_IF_ERROR(ReadValues(filters));
  return filters;
}

void FillEvent(const ledger::KeptCostEvent& kept, v1::CostEvent& event) {
  const ledger::CostEvent& e = kept.event;
  *event.mutable_event_time() = ToProto(kept.time);
  event.set_kind(std::string(kKinds[static_cast<size_t>(e.kind) - 1]));
  ToProto(e.subject, *event.mutable_subject());
  if (e.status) {
    ToProto(*e.status, *event.mutable_status());
    event.mutable_status()->clear_counted_since_time();  // not kept with the event
  }
  event.set_reason(e.reason);
  event.set_count(e.count);
  ToProto(e.model, *event.mutable_model());
  event.set_request_id(e.request_id);
  event.set_usage_id(e.usage_id);
  event.set_message(e.message);
  event.set_amount(e.amount);
  event.set_threshold_percent(e.threshold_percent);
}

}  // namespace

absl::StatusOr<int> PageSizeFrom(int32_t given, int page_size_default, int page_size_max) {
  if (given == 0) return page_size_default;
  if (given > 0 && given <= page_size_max) return given;
  return usage::FieldError("page_size",
                           absl::StrCat("is ", given, "; allowed are 1 to ", page_size_max));
}

absl::StatusOr<ledger::BudgetStatusQuery> ToBudgetStatusQuery(
    const v1::ListBudgetStatusesRequest& request, absl::string_view tenant) {
  ledger::BudgetStatusQuery query{.min_used_fraction = request.min_used_fraction()};
  if (!std::isfinite(query.min_used_fraction) || query.min_used_fraction < 0) {
    return usage::FieldError("min_used_fraction",
                             absl::StrCat("is ", query.min_used_fraction,
                                          "; it must be 0 or more, and 1 is a full budget"));
  }
  ASSIGN_OR_RETURN(query.page_size,
                   PageSizeFrom(request.page_size(), kPageSizeDefault, kPageSizeMax));
  ASSIGN_OR_RETURN(const std::string text,
                   PlaceOf(request.page_token(), QueryOf(tenant, request.name(), query)));
  if (text.empty()) return query;
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ');
  ledger::BudgetStatusQuery::Place place;
  if (words.size() != 2 || !absl::SimpleAtod(words[0], &place.used_fraction) ||
      !std::isfinite(place.used_fraction) || !ReadId(words[1], place.counter)) {
    return history::NoPageToken();
  }
  query.after = place;
  return query;
}

void ToProto(const v1::ListBudgetStatusesRequest& request, absl::string_view tenant,
             const ledger::BudgetStatusQuery& query, const ledger::BudgetStatusPage& page,
             v1::ListBudgetStatusesResponse& response) {
  for (const auto& status : page.statuses) ToProto(status, *response.add_statuses());
  if (!page.next) return;
  response.set_next_page_token(PageToken(
      QueryOf(tenant, request.name(), query),
      absl::StrFormat("%.17g %s", page.next->used_fraction, ledger::ToUuid(page.next->counter))));
}

absl::StatusOr<ledger::ReservationQuery> ToReservationQuery(
    const v1::ListReservationsRequest& request, absl::string_view tenant) {
  ledger::ReservationQuery query;
  ASSIGN_OR_RETURN(query.filters,
                   ReadFilters(request.filters(), IsCallDimension, kReservationDimensions));
  if (!v1::Reservation::State_IsValid(request.state())) {
    return usage::FieldError("state",
                             "is none that is known: ACTIVE, SETTLED, RELEASED or EXPIRED");
  }
  if (request.state() != v1::Reservation::STATE_UNSPECIFIED) {
    query.state = static_cast<ledger::ReservationState>(request.state());
  }
  ASSIGN_OR_RETURN(query.page_size,
                   PageSizeFrom(request.page_size(), kPageSizeDefault, kPageSizeMax));
  ASSIGN_OR_RETURN(query.after, TimePlaceOf(request.page_token(), QueryOf(tenant, query)));
  return query;
}

void ToProto(absl::string_view tenant, const ledger::ReservationQuery& query,
             const ledger::ReservationPage& page, v1::ListReservationsResponse& response) {
  for (const auto& reservation : page.reservations) {
    ToProto(reservation, page.now, *response.add_reservations());
  }
  if (page.next) {
    response.set_next_page_token(PageToken(QueryOf(tenant, query), PlaceText(*page.next)));
  }
}

absl::StatusOr<ledger::CostEventQuery> ToCostEventQuery(const v1::ListCostEventsRequest& request,
                                                        absl::string_view tenant) {
  ledger::CostEventQuery query;
  if (request.has_start_time()) {
    ASSIGN_OR_RETURN(query.start, FromProto("start_time", request.start_time()));
  }
  if (request.has_end_time()) {
    ASSIGN_OR_RETURN(query.end, FromProto("end_time", request.end_time()));
  }
  if (query.end <= query.start) {
    return usage::FieldError("end_time", "must be after start_time");
  }
  ASSIGN_OR_RETURN(query.filters,
                   ReadFilters(request.filters(), IsEventDimension, kEventDimensions));
  ASSIGN_OR_RETURN(query.page_size,
                   PageSizeFrom(request.page_size(), kPageSizeDefault, kPageSizeMax));
  ASSIGN_OR_RETURN(query.after, TimePlaceOf(request.page_token(), QueryOf(tenant, query)));
  return query;
}

void ToProto(absl::string_view tenant, const ledger::CostEventQuery& query,
             const ledger::CostEventPage& page, v1::ListCostEventsResponse& response) {
  for (const auto& event : page.events) FillEvent(event, *response.add_events());
  if (page.next) {
    response.set_next_page_token(PageToken(QueryOf(tenant, query), PlaceText(*page.next)));
  }
}

absl::StatusOr<VerifyQuery> ToVerifyQuery(const v1::VerifyLedgerRequest& request,
                                          absl::string_view tenant) {
  VerifyQuery query;
  ASSIGN_OR_RETURN(query.page_size,
                   PageSizeFrom(request.page_size(), kVerifyPageDefault, kVerifyPageMax));
  ASSIGN_OR_RETURN(query.at, PlaceOf(request.page_token(), VerifyQueryOf(tenant)));
  return query;
}

void ToProto(absl::string_view tenant, const ledger::VerifiedPage& page,
             v1::VerifyLedgerResponse& response) {
  response.set_counters(page.counters);
  response.set_reservations(page.reservations);
  response.set_records(page.records);
  for (const auto& found : page.breaches) {
    auto* breach = response.add_breaches();
    breach->set_invariant(found.invariant);
    breach->set_message(found.message);
  }
  if (!page.next.empty()) {
    response.set_next_page_token(PageToken(VerifyQueryOf(tenant), page.next));
  }
}

}  // namespace bursar::rpc
