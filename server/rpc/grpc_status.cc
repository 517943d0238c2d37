#include "rpc/grpc_status.h"

#include "google/rpc/error_details.pb.h"
#include "usage/field_error.h"

namespace bursar::rpc {
namespace {

constexpr int kRetryAfterMs = 100;

}  // namespace

int ToRpcCode(const absl::Status& status) { return static_cast<int>(status.code()); }

std::string CodeName(const absl::Status& status) { return absl::StatusCodeToString(status.code()); }

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message(status.message());
  google::rpc::Status details;
  details.set_code(ToRpcCode(status));
  details.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(usage::ReasonOf(status).value_or(CodeName(status)));
  info.set_domain("bursar");
  details.add_details()->PackFrom(info);
  if (auto field = usage::FieldOf(status)) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(*field);
    violation->set_description(message.substr(std::min(message.size(), field->size() + 2)));
    details.add_details()->PackFrom(bad_request);
  }
  if (absl::IsResourceExhausted(status) || absl::IsUnavailable(status)) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(kRetryAfterMs * 1'000'000);
    details.add_details()->PackFrom(retry);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(ToRpcCode(status)), message,
                      details.SerializeAsString());
}

}  // namespace bursar::rpc
