#include "src/transport.h"

#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <cctype>
#include <tuple>
#include <utility>
#include <vector>

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

Status WrongEndpoint(const std::string& endpoint) {
  return {StatusCode::kInvalidArgument,
          "the endpoint \"" + endpoint +
              "\" is wrong; host:port like 127.0.0.1:50051, several ip:port with commas, or "
              "unix:/path, would be right"};
}

bool HasPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const std::string port = address.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 &&
                      std::all_of(port.begin(), port.end(), [](char c) { return std::isdigit(c); });
  return digits && std::stoi(port) >= 1 && std::stoi(port) <= 65535;
}

bool IsIpv4(std::string_view host) {
  return !host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::vector<std::string> Addresses(const std::string& endpoint) {
  std::vector<std::string> addresses(1);
  for (const char c : endpoint) {
    if (c == ',') {
      addresses.emplace_back();
    } else {
      addresses.back() += c;
    }
  }
  return addresses;
}

// What gRPC calls the endpoint. Errors: INVALID_ARGUMENT for one that cannot be.
StatusOr<std::string> TargetOf(const std::string& endpoint) {
  const Status wrong = WrongEndpoint(endpoint);
  if (std::any_of(endpoint.begin(), endpoint.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    return wrong;
  }
  if (IsUnixSocket(endpoint)) return endpoint.size() > 5 ? StatusOr<std::string>(endpoint) : wrong;
  if (endpoint.find('/') != std::string::npos) return wrong;  // a URL, perhaps
  const std::vector<std::string> addresses = Addresses(endpoint);
  if (!std::all_of(addresses.begin(), addresses.end(), HasPort)) return wrong;
  if (addresses.size() == 1) return endpoint;
  const auto all = [&](auto is) { return std::all_of(addresses.begin(), addresses.end(), is); };
  if (all([](const std::string& a) { return IsIpv4(Host(a)); })) return "ipv4:" + endpoint;
  if (all([](const std::string& a) { return a.front() == '['; })) return "ipv6:" + endpoint;
  return wrong;  // gRPC takes one name, or addresses of one family
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

// The text of a PEM file; empty for no path.
StatusOr<std::string> ReadPem(const std::string& path, const char* option) {
  if (path.empty()) return std::string();
  auto content = SettingsSource::Process().read_file(path);
  if (!content.ok()) return content.status();
  if (!content->has_value()) {
    return Status(StatusCode::kFailedPrecondition,
                  std::string(option) + " " + path + " does not exist");
  }
  if ((*content)->find("-----BEGIN ") == std::string::npos) {
    return Status(StatusCode::kInvalidArgument,
                  std::string(option) + " " + path + " is no PEM file");
  }
  return **std::move(content);
}

StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const ClientOptions& options) {
  if (!options.tls) return grpc::InsecureChannelCredentials();
  if (options.tls_certificate_file.empty() != options.tls_key_file.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "tls_certificate_file and tls_key_file belong together; give both for mTLS, or "
                  "neither");
  }
  grpc::SslCredentialsOptions ssl;
  const std::tuple<const std::string&, const char*, std::string*> files[] = {
      {options.tls_ca_file, "tls_ca_file", &ssl.pem_root_certs},
      {options.tls_certificate_file, "tls_certificate_file", &ssl.pem_cert_chain},
      {options.tls_key_file, "tls_key_file", &ssl.pem_private_key}};
  for (const auto& [path, option, text] : files) {
    auto pem = ReadPem(path, option);
    if (!pem.ok()) return pem.status();
    *text = *std::move(pem);
  }
  return grpc::SslCredentials(ssl);
}

// So that a key that was replaced wrongly is not looked for with every call.
constexpr std::chrono::seconds kKeyLookInterval{1};

}  // namespace

StatusOr<std::shared_ptr<KeySource>> KeySource::Open(const ClientOptions& options) {
  auto key = LoadApiKey(options, SettingsSource::Process());
  if (!key.ok()) return key.status();
  return std::shared_ptr<KeySource>(new KeySource(options, *std::move(key)));
}

std::string KeySource::key() const {
  const std::lock_guard lock(mutex_);
  return key_;
}

bool KeySource::Renew(const std::string& refused) {
  const std::lock_guard renewing(renew_mutex_);
  if (key() != refused) return true;  // another thread was here
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) return false;
  next_look_ = now + kKeyLookInterval;
  // Without the mutex of key(): a file that is slow to read must not keep other calls waiting.
  auto renewed = LoadApiKey(options_, SettingsSource::Process());
  if (!renewed.ok() || *renewed == refused) return false;
  const std::lock_guard lock(mutex_);
  key_ = *std::move(renewed);
  return true;
}

bool IsLoopback(std::string_view endpoint) {
  if (IsUnixSocket(endpoint)) return true;
  const std::vector<std::string> addresses = Addresses(std::string(endpoint));
  return std::all_of(addresses.begin(), addresses.end(), [](const std::string& address) {
    const std::string_view host = Host(address);
    // All of 127.0.0.0/8, and no name that merely begins so ("127.evil.example").
    return host == "localhost" || host == "::1" || (host.substr(0, 4) == "127." && IsIpv4(host));
  });
}

StatusOr<Transport> OpenTransport(const ClientOptions& options) {
  const auto target = TargetOf(options.endpoint);
  if (!target.ok()) return target.status();
  auto key = KeySource::Open(options);
  if (!key.ok()) return key.status();
  auto credentials = Credentials(options);
  if (!credentials.ok()) return credentials.status();
  const bool loopback = IsLoopback(options.endpoint);
  if (!options.tls && !(*key)->key().empty() && !loopback && !options.allow_insecure_plaintext) {
    return Status(StatusCode::kFailedPrecondition,
                  "the API key would travel in plain text to " + options.endpoint +
                      "; set tls, use a loopback endpoint, or set allow_insecure_plaintext if "
                      "something else encrypts the way");
  }

  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix("bursar-cpp");
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectBackoffMinMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectBackoffMinMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectBackoffMaxMs);
  arguments.SetMaxReceiveMessageSize(kAnswerBytesMax);
  arguments.SetLoadBalancingPolicyName("round_robin");  // over all addresses of the endpoint
  // A proxy from the environment would carry the key off this machine.
  if (loopback) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (options.tls && !options.tls_server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls_server_name);
  }
  return Transport{grpc::CreateCustomChannel(*target, *credentials, arguments), *std::move(key)};
}

std::string PrepareCall(const Transport& transport, std::chrono::steady_clock::time_point deadline,
                        grpc::ClientContext* call) {
  // As a monotonic time: setting the clock must not end a call early or late.
  const auto left = std::max<std::chrono::nanoseconds>(deadline - std::chrono::steady_clock::now(),
                                                       std::chrono::nanoseconds(0));
  call->set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left.count(), GPR_TIMESPAN)));
  std::string key = transport.key->key();
  if (!key.empty()) call->AddMetadata("authorization", "Bearer " + key);
  return key;
}

Status ToStatus(const grpc::Status& status) {
  if (status.ok()) return {};
  // Nobody here cancels: a server that stops cuts off what has just arrived.
  if (status.error_code() == grpc::StatusCode::CANCELLED) {
    return {StatusCode::kUnavailable, "the call was cut off before it was answered"};
  }
  return {static_cast<StatusCode>(status.error_code()), status.error_message(),
          Details(status.error_details())};
}

}  // namespace bursar::internal
