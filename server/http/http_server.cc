#include "http/http_server.h"

#include <errno.h>
#include <httplib.h>
#include <string.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "listen_address.h"

namespace bursar::http {
namespace {

constexpr char kPlain[] = "text/plain; charset=utf-8";
constexpr char kPrometheus[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr int kThreads = 4;
constexpr std::chrono::seconds kPatience(5);
constexpr size_t kRequestBytesMax = 16 << 10;

void Configure(httplib::Server& server) {
  // The library's default would also set SO_REUSEPORT, and two servers would share a port
  // unnoticed.
  server.set_socket_options([](socket_t socket) {
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_read_timeout(kPatience);
  server.set_write_timeout(kPatience);
  server.set_keep_alive_timeout(2);  // an idle connection holds a thread
  server.set_payload_max_length(kRequestBytesMax);
}

void Route(httplib::Server& server, HttpServerOptions options) {
  server.Get("/metrics", [metrics = std::move(options.metrics)](const httplib::Request&,
                                                                httplib::Response& response) {
    response.set_content(metrics ? metrics() : "", kPrometheus);
  });
  server.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", kPlain);
  });
  server.Get("/readyz", [ready = std::move(options.ready)](const httplib::Request&,
                                                           httplib::Response& response) {
    const absl::Status status = ready ? ready() : absl::OkStatus();
    response.status = status.ok() ? 200 : 503;
    response.set_content(status.ok() ? "ok\n" : absl::StrCat(status.message(), "\n"), kPlain);
  });
  const httplib::Server::Handler explain = [](const httplib::Request& request,
                                              httplib::Response& response) {
    if (response.status != 404) return;
    response.set_content(
        absl::StrCat("nothing at ", request.path, ": there are /metrics, /healthz and /readyz\n"),
        kPlain);
  };
  server.set_error_handler(explain);
}

// Fills in the port if any will do. After a failure errno is the reason, or 0 for an unknown host.
bool Bind(httplib::Server& server, ListenAddress& address) {
  errno = 0;
  if (address.port != 0) return server.bind_to_port(address.host, address.port);
  const int port = server.bind_to_any_port(address.host);
  if (port > 0) address.port = port;
  return port > 0;
}

}  // namespace

struct HttpServer::Listener {
  httplib::Server server;
  std::atomic<bool> ended = false;
  std::thread thread;
};

HttpServer::HttpServer() : listener_(std::make_unique<Listener>()) {}

HttpServer::~HttpServer() {
  listener_->server.stop();
  if (listener_->thread.joinable()) listener_->thread.join();
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options) {
  std::optional<ListenAddress> address = ParseListenAddress(options.listen);
  if (!address) {
    return absl::InvalidArgumentError(absl::StrCat("the HTTP address \"", options.listen,
                                                   "\" is not host:port, like 127.0.0.1:9464"));
  }
  std::unique_ptr<HttpServer> started(new HttpServer);
  Listener& listener = *started->listener_;
  Configure(listener.server);
  Route(listener.server, std::move(options));
  if (!Bind(listener.server, *address)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the HTTP address ", address->ToString(),
                     " cannot be listened on: ", errno == 0 ? "no such host" : strerror(errno)));
  }
  started->address_ = address->ToString();
  listener.thread = std::thread([&listener] {
    listener.server.listen_after_bind();
    listener.ended = true;
  });
  // stop() before the first accept would be forgotten.
  while (!listener.server.is_running() && !listener.ended) std::this_thread::yield();
  return started;
}

}  // namespace bursar::http
