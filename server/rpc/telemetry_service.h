#pragma once

#include "bursar/v1/telemetry_service.grpc.pb.h"
#include "history/cost_query.h"
#include "history/export.h"
#include "history/usage_view.h"
#include "ledger/lane.h"
#include "rpc/arena_messages.h"
#include "rpc/call.h"
#include "rpc/work_queue.h"

namespace bursar::rpc {

namespace v1 = bursar::v1;

// What agents call. Each method reads its request, hands an operation to the caller's lane (or a
// question to the work queue) and answers when that is done.
class TelemetryService final : public v1::TelemetryService::CallbackService {
 public:
  TelemetryService(const Edge& edge, ledger::Lanes& lanes, history::CostStore& costs,
                   history::ExportStore& exports, history::UsageView& usage,
                   pricing::PriceBooks& prices, WorkQueue& work)
      : edge_(edge),
        lanes_(lanes),
        costs_(costs),
        exports_(exports),
        usage_(usage),
        prices_(prices),
        work_(work) {
    SetMessageAllocatorFor_CheckBudget(&check_messages_);
    SetMessageAllocatorFor_RecordUsage(&record_messages_);
  }

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* CheckBudget(Context* context, const v1::CheckBudgetRequest* request,
                       v1::CheckBudgetResponse* response) override;
  Reactor* RecordUsage(Context* context, const v1::RecordUsageRequest* request,
                       v1::RecordUsageResponse* response) override;
  Reactor* BatchRecordUsage(Context* context, const v1::BatchRecordUsageRequest* request,
                            v1::BatchRecordUsageResponse* response) override;
  Reactor* ReleaseReservation(Context* context, const v1::ReleaseReservationRequest* request,
                              v1::ReleaseReservationResponse* response) override;
  Reactor* ExtendReservation(Context* context, const v1::ExtendReservationRequest* request,
                             v1::ExtendReservationResponse* response) override;
  Reactor* GetBudgetStatus(Context* context, const v1::GetBudgetStatusRequest* request,
                           v1::GetBudgetStatusResponse* response) override;
  Reactor* QueryCosts(Context* context, const v1::QueryCostsRequest* request,
                      v1::QueryCostsResponse* response) override;
  Reactor* ListUsage(Context* context, const v1::ListUsageRequest* request,
                     v1::ListUsageResponse* response) override;
  Reactor* ListRuns(Context* context, const v1::ListRunsRequest* request,
                    v1::ListRunsResponse* response) override;
  Reactor* ExportUsage(Context* context, const v1::ExportUsageRequest* request,
                       v1::ExportUsageResponse* response) override;

 private:
  const Edge& edge_;
  ledger::Lanes& lanes_;
  history::CostStore& costs_;
  history::ExportStore& exports_;
  history::UsageView& usage_;
  pricing::PriceBooks& prices_;
  WorkQueue& work_;
  ArenaMessages<v1::CheckBudgetRequest, v1::CheckBudgetResponse> check_messages_;
  ArenaMessages<v1::RecordUsageRequest, v1::RecordUsageResponse> record_messages_;
};

}  // namespace bursar::rpc
