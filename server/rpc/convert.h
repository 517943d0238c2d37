#pragma once

#include <map>

#include "absl/status/statusor.h"
#include "bursar/v1/admin_service.pb.h"
#include "bursar/v1/telemetry_service.pb.h"
#include "history/cost_query.h"
#include "history/export.h"
#include "history/usage_view.h"
#include "ledger/budget.h"
#include "ledger/ledger_view.h"
#include "ledger/operation.h"
#include "ledger/repricing.h"
#include "pricing/price_books.h"

// Between the wire's messages and the domain's own forms. From* checks what it reads: an error is a
// FieldError that names the field as the caller knows it.
namespace bursar::rpc {

namespace v1 = bursar::v1;

// convert_types.cc
usage::Subject FromProto(const v1::Subject& subject);
usage::Model FromProto(const v1::Model& model);
usage::TokenUsage FromProto(const v1::TokenUsage& tokens);
void ToProto(const usage::Subject& subject, v1::Subject& out);
void ToProto(const usage::Model& model, v1::Model& out);
void ToProto(const usage::TokenUsage& tokens, v1::TokenUsage& out);
google::protobuf::Timestamp ToProto(absl::Time time);
google::protobuf::Duration ToProto(absl::Duration duration);
absl::StatusOr<absl::Time> FromProto(absl::string_view field,
                                     const google::protobuf::Timestamp& time);
absl::StatusOr<absl::Duration> FromProto(absl::string_view field,
                                         const google::protobuf::Duration& duration);
absl::Status ValidateTimeZone(absl::string_view field, absl::string_view name);  // "" is UTC
absl::StatusOr<std::vector<ledger::Filter>> FromProto(
    const google::protobuf::RepeatedPtrField<v1::Filter>& filters);
void ToProto(const ledger::BudgetStatus& status, v1::BudgetStatus& out);

// convert_check.cc
// A record of the settle list that cannot be read fails alone: `unsettled` says why, by its place
// in the request, and the check goes on without it.
struct ReadCheck {
  ledger::Check check;
  std::map<int, absl::Status> unsettled;
};
absl::StatusOr<ReadCheck> ToCheck(const v1::CheckBudgetRequest& request, absl::string_view tenant,
                                  const pricing::PriceBook& prices);
absl::StatusOr<ledger::Release> ToRelease(const v1::ReleaseReservationRequest& request,
                                          absl::string_view tenant);
absl::StatusOr<ledger::Extend> ToExtend(const v1::ExtendReservationRequest& request,
                                        absl::string_view tenant);
absl::StatusOr<ledger::Inspect> ToInspect(const v1::GetBudgetStatusRequest& request);
void ToProto(const ledger::CheckAnswer& answer, const std::map<int, absl::Status>& unsettled,
             v1::CheckBudgetResponse& response);
void ToProto(const ledger::Reservation& reservation, absl::Time now, v1::Reservation& out);
void ToProto(const ledger::ReservationAnswer& answer, v1::ReleaseReservationResponse& response);
void ToProto(const ledger::ReservationAnswer& answer, v1::ExtendReservationResponse& response);

// convert_usage.cc
// `prices` knows how providers say their usage.
absl::StatusOr<ledger::Record> ToRecord(const v1::RecordUsageRequest& request,
                                        absl::string_view tenant, const pricing::PriceBook& prices);
void ToProto(const ledger::RecordAnswer& answer, v1::RecordUsageResponse& response);
absl::StatusOr<ledger::Adjust> ToAdjust(const v1::AdjustUsageRequest& request,
                                        absl::string_view tenant);
void ToProto(const ledger::AdjustAnswer& answer, v1::AdjustUsageResponse& response);
void ToProto(const absl::StatusOr<ledger::RecordAnswer>& answer, v1::RecordUsageResult& result);

// convert_budget.cc
absl::StatusOr<ledger::Budget> ToBudget(const v1::CreateBudgetRequest& request);
absl::StatusOr<std::string> BudgetIdOf(absl::string_view name);  // of "budgets/{id}"
absl::Status ValidateBudgetId(absl::string_view field, absl::string_view id);
// Changes what the mask names; FieldError for a field that cannot be changed.
absl::Status UpdateFrom(const v1::UpdateBudgetRequest& request, ledger::Budget& budget);
v1::Budget ToProto(const ledger::Budget& budget);

// convert_costs.cc
absl::StatusOr<history::CostQuery> ToCostQuery(const v1::QueryCostsRequest& request);
void ToProto(const history::CostQuery& query, const history::CostAnswer& answer,
             v1::QueryCostsResponse& response);

// convert_export.cc
absl::StatusOr<history::ExportQuery> ToExportQuery(const v1::ExportUsageRequest& request,
                                                   absl::string_view tenant);
void ToProto(const v1::ExportUsageRequest& request, absl::string_view tenant,
             history::ExportPage page, v1::ExportUsageResponse& response);
// convert_history.cc
absl::StatusOr<history::UsageQuery> ToUsageQuery(const v1::ListUsageRequest& request,
                                                 absl::string_view tenant, absl::Time now);
void ToProto(absl::string_view tenant, const history::UsageQuery& query,
             const history::UsagePage& page, v1::ListUsageResponse& response);
absl::StatusOr<history::RunQuery> ToRunQuery(const v1::ListRunsRequest& request,
                                             absl::string_view tenant, absl::Time now);
void ToProto(absl::string_view tenant, const history::RunQuery& query, const history::RunPage& page,
             v1::ListRunsResponse& response);

// convert_ledger_view.cc
absl::StatusOr<int> PageSizeFrom(int32_t given, int page_size_default, int page_size_max);
absl::StatusOr<ledger::BudgetStatusQuery> ToBudgetStatusQuery(
    const v1::ListBudgetStatusesRequest& request, absl::string_view tenant);
void ToProto(const v1::ListBudgetStatusesRequest& request, absl::string_view tenant,
             const ledger::BudgetStatusQuery& query, const ledger::BudgetStatusPage& page,
             v1::ListBudgetStatusesResponse& response);
absl::StatusOr<ledger::ReservationQuery> ToReservationQuery(
    const v1::ListReservationsRequest& request, absl::string_view tenant);
void ToProto(absl::string_view tenant, const ledger::ReservationQuery& query,
             const ledger::ReservationPage& page, v1::ListReservationsResponse& response);
absl::StatusOr<ledger::CostEventQuery> ToCostEventQuery(const v1::ListCostEventsRequest& request,
                                                        absl::string_view tenant);
void ToProto(absl::string_view tenant, const ledger::CostEventQuery& query,
             const ledger::CostEventPage& page, v1::ListCostEventsResponse& response);
struct VerifyQuery {
  std::string at;  // of LedgerView::Verify
  int page_size = 0;
};
absl::StatusOr<VerifyQuery> ToVerifyQuery(const v1::VerifyLedgerRequest& request,
                                          absl::string_view tenant);
void ToProto(absl::string_view tenant, const ledger::VerifiedPage& page,
             v1::VerifyLedgerResponse& response);

// convert_prices.cc
absl::StatusOr<pricing::ReadDocument> ToPrices(const v1::ImportPricesRequest& request);
void ToProto(const pricing::Imported& imported, v1::ImportPricesResponse& response);
v1::Price ToProto(const pricing::Price& price);
struct PriceListQuery {
  std::optional<absl::Time> as_of;
  std::string version;  // of a later page: what the first one listed
  int64_t offset = 0;
  int page_size = 0;
};
absl::StatusOr<PriceListQuery> ToPriceListQuery(const v1::ListPricesRequest& request,
                                                absl::string_view tenant);
void ToProto(const v1::ListPricesRequest& request, absl::string_view tenant,
             const PriceListQuery& query, const pricing::PriceBook& book,
             v1::ListPricesResponse& response);
absl::StatusOr<ledger::RepriceQuery> ToRepriceQuery(const v1::RepriceUsageRequest& request,
                                                    absl::string_view tenant);
void ToProto(absl::string_view tenant, const ledger::RepriceQuery& query,
             const ledger::Repriced& repriced, v1::RepriceUsageResponse& response);

}  // namespace bursar::rpc
