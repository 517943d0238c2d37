#pragma once

#include <grpcpp/support/server_interceptor.h>

namespace bursar::rpc {

// Gives a call whose bytes are no message of its method INVALID_ARGUMENT, reason
// REQUEST_UNREADABLE. gRPC itself ends such a call before any code of ours runs, as UNIMPLEMENTED
// without a word.
class UnreadableRequestInterceptors final
    : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;
};

}  // namespace bursar::rpc
