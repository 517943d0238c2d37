#include "rpc/rpc_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "absl/strings/str_cat.h"
#include "log.h"
#include "rpc/admin_service.h"
#include "rpc/telemetry_service.h"
#include "rpc/unreadable_request.h"

namespace bursar::rpc {
namespace {

constexpr int kMessageBytesMax = 17 << 20;  // a price document of 16 MiB and what is around it
constexpr int kMetadataBytesMax = 16 << 10;
constexpr int kStreamsMax = 1000;  // of one connection

// What gRPC and protobuf have to say becomes one of our own lines, so that all of them are alike.
void TakeOverLogs() {
  gpr_set_log_function([](gpr_log_func_args* args) {
    const bool error = args->severity == GPR_LOG_SEVERITY_ERROR;
    Log(error ? LogLevel::kWarning : LogLevel::kDebug, "grpc", {{"message", args->message}});
  });
  google::protobuf::SetLogHandler(
      [](google::protobuf::LogLevel level, const char*, int, const std::string& message) {
        const bool error = level >= google::protobuf::LOGLEVEL_ERROR;
        Log(error ? LogLevel::kWarning : LogLevel::kDebug, "protobuf", {{"message", message}});
      });
}

std::string WithPort(const std::string& listen, int port) {
  return absl::StrCat(listen.substr(0, listen.rfind(':')), ":", port);
}

}  // namespace

struct RpcServer::Services {
  Services(const RpcServerOptions& options, ledger::Lanes& lanes, history::CostStore& costs,
           history::ExportStore& exports, history::UsageView& usage, ledger::BudgetStore& budgets,
           ledger::LedgerView& view, pricing::PriceBooks& prices, metrics::Metrics& metrics)
      : edge{options.keys, &metrics},
        work(options.query_threads, options.queries_waiting_max),
        telemetry(edge, lanes, costs, exports, usage, prices, work),
        admin(edge, lanes, budgets, view, prices, work) {}

  Edge edge;
  WorkQueue work;
  TelemetryService telemetry;
  AdminService admin;
  std::unique_ptr<grpc::Server> server;
};

RpcServer::RpcServer() = default;
RpcServer::~RpcServer() { Drain(absl::Now()); }

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    RpcServerOptions options, ledger::Lanes& lanes, history::CostStore& costs,
    history::ExportStore& exports, history::UsageView& usage, ledger::BudgetStore& budgets,
    ledger::LedgerView& view, pricing::PriceBooks& prices, metrics::Metrics& metrics) {
  TakeOverLogs();
  auto rpc = std::unique_ptr<RpcServer>(new RpcServer());
  rpc->services_ = std::make_unique<Services>(options, lanes, costs, exports, usage, budgets, view,
                                              prices, metrics);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &port);
  // Two servers on one port would each get half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsMax);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<UnreadableRequestInterceptors>());
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  builder.RegisterService(&rpc->services_->telemetry);
  builder.RegisterService(&rpc->services_->admin);
  rpc->services_->server = builder.BuildAndStart();
  if (rpc->services_->server == nullptr || port == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", options.listen,
                     " for gRPC: the port is in use or the address is not this machine's; "
                     "choose another with --listen"));
  }
  rpc->address_ = WithPort(options.listen, port);
  rpc->SetServing(true);
  return rpc;
}

void RpcServer::SetServing(bool serving) {
  auto* health = services_->server->GetHealthCheckService();
  if (health == nullptr) return;
  for (const char* service :
       {v1::TelemetryService::service_full_name(), v1::AdminService::service_full_name()}) {
    health->SetServingStatus(service, serving);  // probes may ask for one by its name
  }
  health->SetServingStatus(serving);
}

void RpcServer::Drain(absl::Time deadline) {
  if (services_ == nullptr || services_->server == nullptr) return;
  SetServing(false);
  services_->server->Shutdown(absl::ToChronoTime(deadline));
  services_->work.Stop();
  services_->server.reset();
}

}  // namespace bursar::rpc
