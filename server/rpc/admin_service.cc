#include "rpc/admin_service.h"

#include "rpc/convert.h"
#include "status_macros.h"
#include "usage/field_error.h"

namespace bursar::rpc {
namespace {
constexpr int kPageSizeDefault = 100, kPageSizeMax = 1000;
}

AdminService::Reactor* AdminService::CreateBudget(Context* context,
                                                  const v1::CreateBudgetRequest* request,
                                                  v1::CreateBudgetResponse* response) {
  auto call = Call::Begin(edge_, context, "CreateBudget", Need::kAdminister);
  if (call->finished()) return call->reactor();
  auto budget = ToBudget(*request);
  if (!budget.ok()) return call->Finish(budget.status());
  return work_.Answer(call, [this, call, response, budget = *std::move(budget)]() -> absl::Status {
    ASSIGN_OR_RETURN(auto made, budgets_.Create(call->tenant(), budget));
    *response->mutable_budget() = ToProto(made);
    return absl::OkStatus();
  });
}

AdminService::Reactor* AdminService::GetBudget(Context* context,
                                               const v1::GetBudgetRequest* request,
                                               v1::GetBudgetResponse* response) {
  auto call = Call::Begin(edge_, context, "GetBudget", Need::kRead);
  if (call->finished()) return call->reactor();
  auto id = BudgetIdOf(request->name());
  if (!id.ok()) return call->Finish(id.status());
  return work_.Answer(call, [this, call, response, id = *id]() -> absl::Status {
    ASSIGN_OR_RETURN(auto budget, budgets_.Get(call->tenant(), id));
    *response->mutable_budget() = ToProto(budget);
    return absl::OkStatus();
  });
}

AdminService::Reactor* AdminService::ListBudgets(Context* context,
                                                 const v1::ListBudgetsRequest* request,
                                                 v1::ListBudgetsResponse* response) {
  auto call = Call::Begin(edge_, context, "ListBudgets", Need::kRead);
  if (call->finished()) return call->reactor();
  auto page_size = PageSizeFrom(request->page_size(), kPageSizeDefault, kPageSizeMax);
  if (!page_size.ok()) return call->Finish(page_size.status());
  if (!request->page_token().empty() &&
      !ValidateBudgetId("page_token", request->page_token()).ok()) {
    return call->Finish(
        usage::FieldError("page_token", "is not one of this service's; use next_page_token"));
  }
  return work_.Answer(
      call, [this, call, request, response, page_size = *page_size]() -> absl::Status {
        ASSIGN_OR_RETURN(auto budgets,
                         budgets_.List(call->tenant(), request->page_token(), page_size + 1));
        const bool more = budgets.size() > static_cast<size_t>(page_size);
        if (more) budgets.pop_back();
        for (const auto& budget : budgets) *response->add_budgets() = ToProto(budget);
        if (more) response->set_next_page_token(budgets.back().id);
        return absl::OkStatus();
      });
}

AdminService::Reactor* AdminService::UpdateBudget(Context* context,
                                                  const v1::UpdateBudgetRequest* request,
                                                  v1::UpdateBudgetResponse* response) {
  auto call = Call::Begin(edge_, context, "UpdateBudget", Need::kAdminister);
  if (call->finished()) return call->reactor();
  auto id = BudgetIdOf(request->budget().name());
  if (!id.ok()) return call->Finish(usage::Within("budget", id.status()));
  return work_.Answer(call, [this, call, request, response, id = *id]() -> absl::Status {
    ASSIGN_OR_RETURN(auto budget,
                     budgets_.Update(call->tenant(), id, request->budget().etag(),
                                     [&](auto& changed) { return UpdateFrom(*request, changed); }));
    *response->mutable_budget() = ToProto(budget);
    return absl::OkStatus();
  });
}

AdminService::Reactor* AdminService::DeleteBudget(Context* context,
                                                  const v1::DeleteBudgetRequest* request,
                                                  v1::DeleteBudgetResponse*) {
  auto call = Call::Begin(edge_, context, "DeleteBudget", Need::kAdminister);
  if (call->finished()) return call->reactor();
  auto id = BudgetIdOf(request->name());
  if (!id.ok()) return call->Finish(id.status());
  return work_.Answer(call, [this, call, request, id = *id] {
    return budgets_.Delete(call->tenant(), id, request->etag());
  });
}

AdminService::Reactor* AdminService::ListBudgetStatuses(
    Context* context, const v1::ListBudgetStatusesRequest* request,
    v1::ListBudgetStatusesResponse* response) {
  auto call = Call::Begin(edge_, context, "ListBudgetStatuses", Need::kRead);
  if (call->finished()) return call->reactor();
  auto id = BudgetIdOf(request->name());
  if (!id.ok()) return call->Finish(id.status());
  auto query = ToBudgetStatusQuery(*request, call->tenant());
  if (!query.ok()) return call->Finish(query.status());
  return work_.Answer(
      call, [this, call, request, response, id = *id, query = *query]() -> absl::Status {
        ASSIGN_OR_RETURN(const auto budget, budgets_.Get(call->tenant(), id));
        ASSIGN_OR_RETURN(const auto page, view_.ListStatuses(call->tenant(), budget, query));
        ToProto(*request, call->tenant(), query, page, *response);
        return absl::OkStatus();
      });
}

AdminService::Reactor* AdminService::ListReservations(Context* context,
                                                      const v1::ListReservationsRequest* request,
                                                      v1::ListReservationsResponse* response) {
  auto call = Call::Begin(edge_, context, "ListReservations", Need::kRead);
  if (call->finished()) return call->reactor();
  auto query = ToReservationQuery(*request, call->tenant());
  if (!query.ok()) return call->Finish(query.status());
  return work_.Answer(call, [this, call, response, query = *query]() -> absl::Status {
    ASSIGN_OR_RETURN(const auto page, view_.ListReservations(call->tenant(), query));
    ToProto(call->tenant(), query, page, *response);
    return absl::OkStatus();
  });
}

AdminService::Reactor* AdminService::ListCostEvents(Context* context,
                                                    const v1::ListCostEventsRequest* request,
                                                    v1::ListCostEventsResponse* response) {
  auto call = Call::Begin(edge_, context, "ListCostEvents", Need::kRead);
  if (call->finished()) return call->reactor();
  auto query = ToCostEventQuery(*request, call->tenant());
  if (!query.ok()) return call->Finish(query.status());
  return work_.Answer(call, [this, call, response, query = *query]() -> absl::Status {
    ASSIGN_OR_RETURN(const auto page, view_.ListCostEvents(call->tenant(), query));
    ToProto(call->tenant(), query, page, *response);
    return absl::OkStatus();
  });
}

AdminService::Reactor* AdminService::VerifyLedger(Context* context,
                                                  const v1::VerifyLedgerRequest* request,
                                                  v1::VerifyLedgerResponse* response) {
  auto call = Call::Begin(edge_, context, "VerifyLedger", Need::kAdminister);
  if (call->finished()) return call->reactor();
  auto query = ToVerifyQuery(*request, call->tenant());
  if (!query.ok()) return call->Finish(query.status());
  return work_.Answer(call, [this, call, response, query = *query]() -> absl::Status {
    ASSIGN_OR_RETURN(const auto page, view_.Verify(call->tenant(), query.at, query.page_size));
    ToProto(call->tenant(), page, *response);
    return absl::OkStatus();
  });
}

AdminService::Reactor* AdminService::AdjustUsage(Context* context,
                                                 const v1::AdjustUsageRequest* request,
                                                 v1::AdjustUsageResponse* response) {
  auto call = Call::Begin(edge_, context, "AdjustUsage", Need::kAdminister);
  if (call->finished()) return call->reactor();
  auto adjust = ToAdjust(*request, call->tenant());
  if (!adjust.ok()) return call->Finish(adjust.status());
  lanes_.Submit(call->tenant(), *std::move(adjust), call->deadline(),
                [call, response](absl::StatusOr<ledger::Answer> answer) {
                  if (answer.ok()) ToProto(std::get<ledger::AdjustAnswer>(*answer), *response);
                  call->Finish(answer.status());
                });
  return call->reactor();
}

// An operator's prices are everybody's, an admin's those of the own tenant.
AdminService::Reactor* AdminService::ImportPrices(Context* context,
                                                  const v1::ImportPricesRequest* request,
                                                  v1::ImportPricesResponse* response) {
  auto call = Call::Begin(edge_, context, "ImportPrices", Need::kAdminister);
  if (call->finished()) return call->reactor();
  return work_.Answer(call, [this, call, request, response]() -> absl::Status {
    ASSIGN_OR_RETURN(auto news, ToPrices(*request));
    const bool operators = call->caller().role == access::Role::kOperator;
    ASSIGN_OR_RETURN(const auto imported,
                     prices_.Import(operators ? "" : call->tenant(), std::move(news),
                                    {.replace = request->replace(),
                                     .accept_jumps = request->accept_jumps(),
                                     .validate_only = request->validate_only()}));
    ToProto(imported, *response);
    return absl::OkStatus();
  });
}

AdminService::Reactor* AdminService::ListPrices(Context* context,
                                                const v1::ListPricesRequest* request,
                                                v1::ListPricesResponse* response) {
  auto call = Call::Begin(edge_, context, "ListPrices", Need::kRead);
  if (call->finished()) return call->reactor();
  auto query = ToPriceListQuery(*request, call->tenant());
  if (!query.ok()) return call->Finish(query.status());
  return work_.Answer(call, [this, call, request, response, query = *query]() -> absl::Status {
    const auto prices = prices_.Of(call->tenant());
    std::string version = query.version;
    if (version.empty() && query.as_of) version = prices->VersionAt(*query.as_of);
    auto book = prices->newest;
    if (!version.empty() && version != book->version()) {
      ASSIGN_OR_RETURN(book, prices_.Version(call->tenant(), version));
    }
    ToProto(*request, call->tenant(), query, *book, *response);
    return absl::OkStatus();
  });
}

AdminService::Reactor* AdminService::RepriceUsage(Context* context,
                                                  const v1::RepriceUsageRequest* request,
                                                  v1::RepriceUsageResponse* response) {
  auto call = Call::Begin(edge_, context, "RepriceUsage", Need::kAdminister);
  if (call->finished()) return call->reactor();
  auto query = ToRepriceQuery(*request, call->tenant());
  if (!query.ok()) return call->Finish(query.status());
  return work_.Answer(call, [this, call, request, response, query = *query]() -> absl::Status {
    ASSIGN_OR_RETURN(
        const auto repriced,
        repricer_.Run(call->tenant(), query, request->validate_only(), call->deadline()));
    ToProto(call->tenant(), query, repriced, *response);
    return absl::OkStatus();
  });
}

}  // namespace bursar::rpc
