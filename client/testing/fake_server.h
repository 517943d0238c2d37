#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "bursar/v1/admin_service.grpc.pb.h"
#include "bursar/v1/telemetry_service.grpc.pb.h"

namespace bursar::testing {

// A gRPC server in this process, on a free port of the loopback address, that answers what a test
// says. A call without an answer set is UNIMPLEMENTED.
class FakeServer {
 public:
  template <typename Request, typename Response>
  using Answer = std::function<grpc::Status(const Request&, Response*)>;

  explicit FakeServer(const std::shared_ptr<grpc::ServerCredentials>& credentials =
                          grpc::InsecureServerCredentials()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port_);
    builder.SetMaxReceiveMessageSize(-1);  // a document of prices has up to 16 MiB
    builder.RegisterService(&telemetry_);
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() { server_->Shutdown(); }

  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

  // Calls with another `authorization` than this are UNAUTHENTICATED; empty: none is.
  void Require(const std::string& authorization) {
    const std::lock_guard lock(mutex_);
    required_ = authorization;
  }

  // The `authorization` header of the last call; empty where there was none.
  std::string authorization() const {
    const std::lock_guard lock(mutex_);
    return authorization_;
  }

  Answer<v1::CheckBudgetRequest, v1::CheckBudgetResponse> check;
  Answer<v1::RecordUsageRequest, v1::RecordUsageResponse> record;
  Answer<v1::BatchRecordUsageRequest, v1::BatchRecordUsageResponse> record_batch;
  Answer<v1::ReleaseReservationRequest, v1::ReleaseReservationResponse> release;
  Answer<v1::ExtendReservationRequest, v1::ExtendReservationResponse> extend;
  Answer<v1::GetBudgetStatusRequest, v1::GetBudgetStatusResponse> status;
  Answer<v1::QueryCostsRequest, v1::QueryCostsResponse> costs;
  Answer<v1::ExportUsageRequest, v1::ExportUsageResponse> export_usage;
  Answer<v1::ListUsageRequest, v1::ListUsageResponse> usage;
  Answer<v1::ListRunsRequest, v1::ListRunsResponse> runs;
  Answer<v1::CreateBudgetRequest, v1::CreateBudgetResponse> create_budget;
  Answer<v1::ListBudgetsRequest, v1::ListBudgetsResponse> list_budgets;
  Answer<v1::GetBudgetRequest, v1::GetBudgetResponse> get_budget;
  Answer<v1::UpdateBudgetRequest, v1::UpdateBudgetResponse> update_budget;
  Answer<v1::DeleteBudgetRequest, v1::DeleteBudgetResponse> delete_budget;
  Answer<v1::ListBudgetStatusesRequest, v1::ListBudgetStatusesResponse> budget_statuses;
  Answer<v1::ListReservationsRequest, v1::ListReservationsResponse> reservations;
  Answer<v1::ListCostEventsRequest, v1::ListCostEventsResponse> events;
  Answer<v1::VerifyLedgerRequest, v1::VerifyLedgerResponse> verify;
  Answer<v1::AdjustUsageRequest, v1::AdjustUsageResponse> adjust;
  Answer<v1::ImportPricesRequest, v1::ImportPricesResponse> import_prices;
  Answer<v1::ListPricesRequest, v1::ListPricesResponse> list_prices;
  Answer<v1::RepriceUsageRequest, v1::RepriceUsageResponse> reprice;

 private:
  template <typename Request, typename Response>
  grpc::Status Say(const grpc::ServerContext& call, const Answer<Request, Response>& answer,
                   const Request* request, Response* response) {
    {
      const std::lock_guard lock(mutex_);
      const auto& headers = call.client_metadata();
      const auto found = headers.find("authorization");
      authorization_ =
          found == headers.end() ? "" : std::string(found->second.data(), found->second.size());
      if (!required_.empty() && authorization_ != required_) {
        return {grpc::StatusCode::UNAUTHENTICATED, "the key is not known"};
      }
    }
    if (!answer) return {grpc::StatusCode::UNIMPLEMENTED, "the test set no answer"};
    return answer(*request, response);
  }

  struct Telemetry final : v1::TelemetryService::Service {
    explicit Telemetry(FakeServer* s) : server(s) {}
    grpc::Status CheckBudget(grpc::ServerContext* call, const v1::CheckBudgetRequest* request,
                             v1::CheckBudgetResponse* response) override {
      return server->Say(*call, server->check, request, response);
    }
    grpc::Status RecordUsage(grpc::ServerContext* call, const v1::RecordUsageRequest* request,
                             v1::RecordUsageResponse* response) override {
      return server->Say(*call, server->record, request, response);
    }
    grpc::Status BatchRecordUsage(grpc::ServerContext* call,
                                  const v1::BatchRecordUsageRequest* request,
                                  v1::BatchRecordUsageResponse* response) override {
      return server->Say(*call, server->record_batch, request, response);
    }
    grpc::Status ReleaseReservation(grpc::ServerContext* call,
                                    const v1::ReleaseReservationRequest* request,
                                    v1::ReleaseReservationResponse* response) override {
      return server->Say(*call, server->release, request, response);
    }
    grpc::Status ExtendReservation(grpc::ServerContext* call,
                                   const v1::ExtendReservationRequest* request,
                                   v1::ExtendReservationResponse* response) override {
      return server->Say(*call, server->extend, request, response);
    }
    grpc::Status GetBudgetStatus(grpc::ServerContext* call,
                                 const v1::GetBudgetStatusRequest* request,
                                 v1::GetBudgetStatusResponse* response) override {
      return server->Say(*call, server->status, request, response);
    }
    grpc::Status ExportUsage(grpc::ServerContext* call, const v1::ExportUsageRequest* request,
                             v1::ExportUsageResponse* response) override {
      return server->Say(*call, server->export_usage, request, response);
    }
    grpc::Status QueryCosts(grpc::ServerContext* call, const v1::QueryCostsRequest* request,
                            v1::QueryCostsResponse* response) override {
      return server->Say(*call, server->costs, request, response);
    }
    grpc::Status ListUsage(grpc::ServerContext* call, const v1::ListUsageRequest* request,
                           v1::ListUsageResponse* response) override {
      return server->Say(*call, server->usage, request, response);
    }
    grpc::Status ListRuns(grpc::ServerContext* call, const v1::ListRunsRequest* request,
                          v1::ListRunsResponse* response) override {
      return server->Say(*call, server->runs, request, response);
    }
    FakeServer* server;
  };

  struct Admin final : v1::AdminService::Service {
    explicit Admin(FakeServer* s) : server(s) {}
    grpc::Status CreateBudget(grpc::ServerContext* call, const v1::CreateBudgetRequest* request,
                              v1::CreateBudgetResponse* response) override {
      return server->Say(*call, server->create_budget, request, response);
    }
    grpc::Status ListBudgets(grpc::ServerContext* call, const v1::ListBudgetsRequest* request,
                             v1::ListBudgetsResponse* response) override {
      return server->Say(*call, server->list_budgets, request, response);
    }
    grpc::Status GetBudget(grpc::ServerContext* call, const v1::GetBudgetRequest* request,
                           v1::GetBudgetResponse* response) override {
      return server->Say(*call, server->get_budget, request, response);
    }
    grpc::Status UpdateBudget(grpc::ServerContext* call, const v1::UpdateBudgetRequest* request,
                              v1::UpdateBudgetResponse* response) override {
      return server->Say(*call, server->update_budget, request, response);
    }
    grpc::Status DeleteBudget(grpc::ServerContext* call, const v1::DeleteBudgetRequest* request,
                              v1::DeleteBudgetResponse* response) override {
      return server->Say(*call, server->delete_budget, request, response);
    }
    grpc::Status ListBudgetStatuses(grpc::ServerContext* call,
                                    const v1::ListBudgetStatusesRequest* request,
                                    v1::ListBudgetStatusesResponse* response) override {
      return server->Say(*call, server->budget_statuses, request, response);
    }
    grpc::Status ListReservations(grpc::ServerContext* call,
                                  const v1::ListReservationsRequest* request,
                                  v1::ListReservationsResponse* response) override {
      return server->Say(*call, server->reservations, request, response);
    }
    grpc::Status ListCostEvents(grpc::ServerContext* call, const v1::ListCostEventsRequest* request,
                                v1::ListCostEventsResponse* response) override {
      return server->Say(*call, server->events, request, response);
    }
    grpc::Status VerifyLedger(grpc::ServerContext* call, const v1::VerifyLedgerRequest* request,
                              v1::VerifyLedgerResponse* response) override {
      return server->Say(*call, server->verify, request, response);
    }
    grpc::Status AdjustUsage(grpc::ServerContext* call, const v1::AdjustUsageRequest* request,
                             v1::AdjustUsageResponse* response) override {
      return server->Say(*call, server->adjust, request, response);
    }
    grpc::Status ImportPrices(grpc::ServerContext* call, const v1::ImportPricesRequest* request,
                              v1::ImportPricesResponse* response) override {
      return server->Say(*call, server->import_prices, request, response);
    }
    grpc::Status ListPrices(grpc::ServerContext* call, const v1::ListPricesRequest* request,
                            v1::ListPricesResponse* response) override {
      return server->Say(*call, server->list_prices, request, response);
    }
    grpc::Status RepriceUsage(grpc::ServerContext* call, const v1::RepriceUsageRequest* request,
                              v1::RepriceUsageResponse* response) override {
      return server->Say(*call, server->reprice, request, response);
    }
    FakeServer* server;
  };

  mutable std::mutex mutex_;
  std::string authorization_;
  std::string required_;
  int port_ = 0;
  Telemetry telemetry_{this};
  Admin admin_{this};
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace bursar::testing
