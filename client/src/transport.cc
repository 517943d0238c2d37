#include "src/transport.h"

#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "src/settings.h"

namespace bursar::internal {
namespace {

constexpr int kReconnectBackoffMinMs = 100;  // so that a server that is back is used within seconds
constexpr int kReconnectBackoffMaxMs = 2000;  // gRPC's own default is two minutes
constexpr int kAnswerBytesMax = 64 << 20;     // 10,000 rows of costs are more than gRPC's 4 MiB

bool IsUnixSocket(std::string_view endpoint) { return endpoint.substr(0, 5) == "unix:"; }

// "[::1]:50051" -> "::1"; "localhost:50051" -> "localhost"; no port: as it is.
std::string_view Host(std::string_view endpoint) {
  if (!endpoint.empty() && endpoint.front() == '[') {
    const size_t end = endpoint.find(']');
    return end == std::string_view::npos ? endpoint : endpoint.substr(1, end - 1);
  }
  return endpoint.substr(0, endpoint.rfind(':'));
}

Status CheckEndpoint(const std::string& endpoint) {
  const Status wrong(
      StatusCode::kInvalidArgument,
      "the endpoint \"" + endpoint +
          "\" is wrong; host:port like 127.0.0.1:50051, or unix:/path, would be right");
  if (std::any_of(endpoint.begin(), endpoint.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    return wrong;
  }
  if (IsUnixSocket(endpoint)) return endpoint.size() > 5 ? Status() : wrong;
  if (endpoint.find('/') != std::string::npos) return wrong;  // a URL, perhaps
  const size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos || colon == 0) return wrong;
  const std::string port = endpoint.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 &&
                      std::all_of(port.begin(), port.end(), [](char c) { return std::isdigit(c); });
  if (!digits || std::stoi(port) < 1 || std::stoi(port) > 65535) return wrong;
  return {};
}

StatusDetails Details(const std::string& bytes) {
  StatusDetails details;
  google::rpc::Status status;
  if (bytes.empty() || !status.ParseFromString(bytes)) return details;
  for (const google::protobuf::Any& any : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&info)) {
      details.reason = info.reason();
    } else if (any.UnpackTo(&bad_request)) {
      for (const auto& violation : bad_request.field_violations()) {
        details.field_violations.push_back({violation.field(), violation.description()});
      }
    } else if (any.UnpackTo(&retry)) {
      details.retry_delay = std::chrono::seconds(retry.retry_delay().seconds()) +
                            std::chrono::nanoseconds(retry.retry_delay().nanos());
    }
  }
  return details;
}

}  // namespace

bool IsLoopback(std::string_view endpoint) {
  if (IsUnixSocket(endpoint)) return true;
  const std::string_view host = Host(endpoint);
  if (host == "localhost" || host == "::1") return true;
  // All of 127.0.0.0/8, and no name that merely begins so ("127.evil.example").
  return host.substr(0, 4) == "127." &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

StatusOr<Transport> OpenTransport(const ClientOptions& options) {
  if (Status status = CheckEndpoint(options.endpoint); !status.ok()) return status;
  auto key = LoadApiKey(options, SettingsSource::Process());
  if (!key.ok()) return key.status();
  const bool loopback = IsLoopback(options.endpoint);
  if (!key->empty() && !loopback && !options.allow_insecure_plaintext) {
    return Status(
        StatusCode::kFailedPrecondition,
        "the API key would travel in plain text to " + options.endpoint +
            "; use a loopback endpoint, or set allow_insecure_plaintext if something else "
            "encrypts the way");
  }

  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix("bursar-cpp");
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectBackoffMinMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectBackoffMinMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectBackoffMaxMs);
  arguments.SetMaxReceiveMessageSize(kAnswerBytesMax);
  // A proxy from the environment would carry the key off this machine.
  if (loopback) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return Transport{
      grpc::CreateCustomChannel(options.endpoint, grpc::InsecureChannelCredentials(), arguments),
      *std::move(key)};
}

void PrepareCall(const Transport& transport, std::chrono::steady_clock::time_point deadline,
                 grpc::ClientContext* call) {
  // As a monotonic time: setting the clock must not end a call early or late.
  const auto left = std::max<std::chrono::nanoseconds>(deadline - std::chrono::steady_clock::now(),
                                                       std::chrono::nanoseconds(0));
  call->set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left.count(), GPR_TIMESPAN)));
  if (!transport.api_key.empty()) {
    call->AddMetadata("authorization", "Bearer " + transport.api_key);
  }
}

Status ToStatus(const grpc::Status& status) {
  if (status.ok()) return {};
  return {static_cast<StatusCode>(status.error_code()), status.error_message(),
          Details(status.error_details())};
}

}  // namespace bursar::internal
