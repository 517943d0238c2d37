#pragma once

#include "bursar/v1/admin_service.grpc.pb.h"
#include "ledger/budget_store.h"
#include "ledger/lane.h"
#include "ledger/ledger_view.h"
#include "ledger/repricing.h"
#include "rpc/call.h"
#include "rpc/work_queue.h"

namespace bursar::rpc {

namespace v1 = bursar::v1;

// What operators call: budgets, prices, lists of what the ledger holds, its proof and its
// corrections; the rest in its turn.
class AdminService final : public v1::AdminService::CallbackService {
 public:
  AdminService(const Edge& edge, ledger::Lanes& lanes, ledger::BudgetStore& budgets,
               ledger::LedgerView& view, pricing::PriceBooks& prices, WorkQueue& work)
      : edge_(edge),
        lanes_(lanes),
        budgets_(budgets),
        view_(view),
        prices_(prices),
        repricer_(view, lanes, prices),
        work_(work) {}

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* CreateBudget(Context* context, const v1::CreateBudgetRequest* request,
                        v1::CreateBudgetResponse* response) override;
  Reactor* GetBudget(Context* context, const v1::GetBudgetRequest* request,
                     v1::GetBudgetResponse* response) override;
  Reactor* ListBudgets(Context* context, const v1::ListBudgetsRequest* request,
                       v1::ListBudgetsResponse* response) override;
  Reactor* UpdateBudget(Context* context, const v1::UpdateBudgetRequest* request,
                        v1::UpdateBudgetResponse* response) override;
  Reactor* DeleteBudget(Context* context, const v1::DeleteBudgetRequest* request,
                        v1::DeleteBudgetResponse* response) override;
  Reactor* ListBudgetStatuses(Context* context, const v1::ListBudgetStatusesRequest* request,
                              v1::ListBudgetStatusesResponse* response) override;
  Reactor* ListReservations(Context* context, const v1::ListReservationsRequest* request,
                            v1::ListReservationsResponse* response) override;
  Reactor* ListCostEvents(Context* context, const v1::ListCostEventsRequest* request,
                          v1::ListCostEventsResponse* response) override;
  Reactor* VerifyLedger(Context* context, const v1::VerifyLedgerRequest* request,
                        v1::VerifyLedgerResponse* response) override;
  Reactor* AdjustUsage(Context* context, const v1::AdjustUsageRequest* request,
                       v1::AdjustUsageResponse* response) override;

  Reactor* ImportPrices(Context* context, const v1::ImportPricesRequest* request,
                        v1::ImportPricesResponse* response) override;
  Reactor* ListPrices(Context* context, const v1::ListPricesRequest* request,
                      v1::ListPricesResponse* response) override;
  Reactor* RepriceUsage(Context* context, const v1::RepriceUsageRequest* request,
                        v1::RepriceUsageResponse* response) override;

// A method whose turn comes later says so.
#define BURSAR_NOT_YET(method)                                                                    \
  Reactor* method(Context* context, const v1::method##Request*, v1::method##Response*) override { \
    auto call = Call::Begin(edge_, context, #method, Need::kAdminister);                          \
    return call->finished() ? call->reactor() : call->Finish(NotYet(#method));                    \
  }
  BURSAR_NOT_YET(CreateApiKey)
  BURSAR_NOT_YET(ListApiKeys)
  BURSAR_NOT_YET(RevokeApiKey)
  BURSAR_NOT_YET(CreateTenant)
  BURSAR_NOT_YET(ListTenants)
  BURSAR_NOT_YET(UpdateTenant)
  BURSAR_NOT_YET(ListAuditEntries)
#undef BURSAR_NOT_YET

 private:
  const Edge& edge_;
  ledger::Lanes& lanes_;
  ledger::BudgetStore& budgets_;
  ledger::LedgerView& view_;
  pricing::PriceBooks& prices_;
  ledger::Repricer repricer_;
  WorkQueue& work_;
};

}  // namespace bursar::rpc
