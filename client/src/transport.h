#pragma once

#include <bursar/options.h>
#include <bursar/status.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace bursar::internal {

// The key to show, and where it comes from. Safe for use by many threads.
class KeySource {
 public:
  // Errors: those of LoadApiKey.
  static StatusOr<std::shared_ptr<KeySource>> Open(const ClientOptions& options);

  std::string key() const;

  // After the server refused `refused`: whether there is another key now. Looks at the file at most
  // once a second.
  bool Renew(const std::string& refused);

 private:
  KeySource(const ClientOptions& options, std::string key)
      : options_(options), key_(std::move(key)) {}

  const ClientOptions options_;
  std::mutex renew_mutex_;  // one at a time looks; taken before the other
  std::chrono::steady_clock::time_point next_look_{};
  mutable std::mutex mutex_;
  std::string key_;
};

// What every call over gRPC needs: the channel, and the key to show on it.
struct Transport {
  std::shared_ptr<grpc::Channel> channel;
  std::shared_ptr<KeySource> key;
};

// Whether nothing that is sent to `endpoint` can leave this machine.
bool IsLoopback(std::string_view endpoint);

// Errors: INVALID_ARGUMENT for an endpoint, a key or TLS files that cannot be; FAILED_PRECONDITION
// for a file that cannot be read, or a key that would travel in plain text to another machine.
StatusOr<Transport> OpenTransport(const ClientOptions& options);

// Gives a call its deadline and its key; returns the key.
std::string PrepareCall(const Transport& transport, std::chrono::steady_clock::time_point deadline,
                        grpc::ClientContext* call);

// With the reason, field violations and retry delay of the google.rpc details, where there are any.
Status ToStatus(const grpc::Status& status);

}  // namespace bursar::internal
