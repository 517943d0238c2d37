#pragma once

#include <bursar/requests.h>
#include <bursar/status.h>

#include <vector>

#include "bursar/v1/telemetry_service.pb.h"

// Between the public requests and answers and the protos.
namespace bursar::internal {

// Errors: INVALID_ARGUMENT for metadata that is no JSON object, or two kinds of usage at once.
Status ToProto(const RecordRequest& request, v1::RecordUsageRequest* out);
Status ToProto(const CheckRequest& request, v1::CheckBudgetRequest* out);
v1::ReleaseReservationRequest ToProto(const ReleaseRequest& request);
v1::ExtendReservationRequest ToProto(const ExtendRequest& request);
v1::GetBudgetStatusRequest ToProto(const BudgetStatusesRequest& request);
v1::QueryCostsRequest ToProto(const CostQuery& query);

using RecordResults = google::protobuf::RepeatedPtrField<v1::RecordUsageResult>;

RecordResponse FromProto(const v1::RecordUsageResponse& answer, const RecordRequest& request);
// Errors: INTERNAL where there is not one answer for each record.
StatusOr<std::vector<StatusOr<RecordResponse>>> FromProto(
    const RecordResults& results, const std::vector<RecordRequest>& requests);
StatusOr<CheckResponse> FromProto(const v1::CheckBudgetResponse& answer,
                                  const CheckRequest& request);
ReleaseResponse FromProto(const v1::ReleaseReservationResponse& answer);
ExtendResponse FromProto(const v1::ExtendReservationResponse& answer);
std::vector<BudgetStatus> FromProto(const v1::GetBudgetStatusResponse& answer);
CostReport FromProto(const v1::QueryCostsResponse& answer);

}  // namespace bursar::internal
