#include "cli/server.h"

#include <utility>

#include "src/text.h"

namespace bursar::cli {
namespace {

// gRPC's sentence names addresses and layers; people need what it comes to.
std::string WhyUnreachable(const std::string& message) {
  static constexpr std::pair<const char*, const char*> kReasons[] = {
      {"Connection refused", "connection refused"},
      {"No such file or directory", "there is no such socket"},
      {"DNS resolution failed", "its name is unknown"},
      {"No route to host", "no route to host"},
      {"Network is unreachable", "the network is unreachable"},
      {"Socket closed", "the connection was closed"},
      {"Connection reset", "the connection was closed"},
  };
  for (const auto& [sign, reason] : kReasons) {
    if (message.find(sign) != std::string::npos) return reason;
  }
  return message;
}

// Of a handshake that failed; null where none did.
const char* WhyNoTls(const std::string& message) {
  static constexpr std::pair<const char*, const char*> kReasons[] = {
      {"certificate verify failed",
       "its certificate is of an authority that is not trusted; --tls-ca-file FILE would name one"},
      {"is not in peer certificate",
       "its certificate is for another name; --tls-server-name NAME would say which"},
      {"wrong version number", "it does not speak TLS; --tls=false would do without"},
  };
  for (const auto& [sign, reason] : kReasons) {
    if (message.find(sign) != std::string::npos) return reason;
  }
  return nullptr;
}

bool IsOfTheNetwork(const Status& status) {
  // The server's own UNAVAILABLE (its database is away) carries a reason.
  return status.code() == StatusCode::kUnavailable && status.reason().empty();
}

std::string Sentence(const Status& status, const std::string& endpoint,
                     std::chrono::nanoseconds timeout) {
  if (IsOfTheNetwork(status)) {
    const std::string start = "cannot reach the server at " + endpoint + ": ";
    if (const char* why = WhyNoTls(status.message()); why != nullptr) return start + why;
    return start + WhyUnreachable(status.message()) +
           "; start it with `bursar-server` or set BURSAR_ENDPOINT";
  }
  switch (status.code()) {
    case StatusCode::kDeadlineExceeded:
      return "no answer from the server at " + endpoint + " within " +
             internal::FormatDuration(timeout) + "; try again, or allow more with --timeout";
    case StatusCode::kUnauthenticated:
      return status.message() + " (give the key with BURSAR_API_KEY_FILE or --api-key-file)";
    default:
      return status.message().empty() ? StatusCodeName(status.code()) : status.message();
  }
}

}  // namespace

StatusOr<std::unique_ptr<Server>> Server::Open(const ClientOptions& options,
                                               std::chrono::nanoseconds timeout) {
  auto transport = internal::OpenTransport(options);
  if (!transport.ok()) return transport.status();
  return std::unique_ptr<Server>(new Server(*std::move(transport), options, timeout));
}

Server::Server(internal::Transport transport, ClientOptions options,
               std::chrono::nanoseconds timeout)
    : transport_(std::move(transport)),
      options_(std::move(options)),
      timeout_(timeout),
      telemetry_(v1::TelemetryService::NewStub(transport_.channel)),
      admin_(v1::AdminService::NewStub(transport_.channel)) {}

void Server::Cancel() {
  const std::lock_guard lock(mutex_);
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

Server::UnderWay::UnderWay(Server* server, grpc::ClientContext* call)
    : server_(server), call_(call) {
  const std::lock_guard lock(server_->mutex_);
  server_->calls_.insert(call_);
}

Server::UnderWay::~UnderWay() {
  const std::lock_guard lock(server_->mutex_);
  server_->calls_.erase(call_);
}

std::string Explain(const Status& status, const std::string& endpoint,
                    std::chrono::nanoseconds timeout) {
  std::string text = "bursar: " + Sentence(status, endpoint, timeout) + "\n";
  for (const FieldViolation& violation : status.field_violations()) {
    const std::string line = violation.field + ": " + violation.description;
    if (text.find(line) == std::string::npos) text += "  " + line + "\n";
  }
  return text;
}

}  // namespace bursar::cli
