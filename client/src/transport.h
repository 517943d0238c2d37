#pragma once

#include <bursar/options.h>
#include <bursar/status.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace bursar::internal {

// What every call over gRPC needs: the channel, and the key to show on it.
struct Transport {
  std::shared_ptr<grpc::Channel> channel;
  std::string api_key;
};

// Whether nothing that is sent to `endpoint` can leave this machine.
bool IsLoopback(std::string_view endpoint);

// Errors: INVALID_ARGUMENT for an endpoint or a key that cannot be; FAILED_PRECONDITION for a key
// file that cannot be read, or a key that would travel in plain text to another machine.
StatusOr<Transport> OpenTransport(const ClientOptions& options);

// Gives a call its deadline and its key.
void PrepareCall(const Transport& transport, std::chrono::steady_clock::time_point deadline,
                 grpc::ClientContext* call);

// With the reason, field violations and retry delay of the google.rpc details, where there are any.
Status ToStatus(const grpc::Status& status);

}  // namespace bursar::internal
