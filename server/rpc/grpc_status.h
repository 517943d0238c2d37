#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace bursar::rpc {

// The one place where a status becomes gRPC's. Attached as google.rpc.Status: ErrorInfo always
// (reason of WithReason, else the code's name; domain "bursar"), BadRequest for a FieldError,
// RetryInfo for RESOURCE_EXHAUSTED and UNAVAILABLE.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The same for an answer within a batch: google.rpc.Code and message. The message is what a caller
// may read: valid UTF-8 of at most 2 KiB, and nothing of where the database is.
int ToRpcCode(const absl::Status& status);
std::string MessageFor(const absl::Status& status);

// "INVALID_ARGUMENT"
std::string CodeName(const absl::Status& status);

}  // namespace bursar::rpc
