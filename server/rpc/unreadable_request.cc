#include "rpc/unreadable_request.h"

#include "rpc/grpc_status.h"
#include "usage/field_error.h"

namespace bursar::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;

class UnreadableRequestInterceptor final : public grpc::experimental::Interceptor {
 public:
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      // Our own UNIMPLEMENTED says what is not there.
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED &&
          status.error_message().empty()) {
        methods->ModifySendStatus(ToGrpcStatus(usage::WithReason(
            absl::InvalidArgumentError(
                "the request's bytes are no message of this method: send protobuf as "
                "protos/bursar/v1 defines it, with text in valid UTF-8"),
            "REQUEST_UNREADABLE")));
      }
    }
    methods->Proceed();
  }
};

}  // namespace

grpc::experimental::Interceptor* UnreadableRequestInterceptors::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  // A method that is not ours comes as a stream: UNIMPLEMENTED is right there.
  if (info->type() != grpc::experimental::ServerRpcInfo::Type::UNARY) return nullptr;
  return new UnreadableRequestInterceptor();  // gRPC deletes it with its call
}

}  // namespace bursar::rpc
