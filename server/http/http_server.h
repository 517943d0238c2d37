#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace bursar::http {

struct HttpServerOptions {
  std::string listen = "127.0.0.1:9464";  // host:port; port 0 picks a free one
  std::function<std::string()> metrics;   // Prometheus text
  std::function<absl::Status()> ready;    // OK: /readyz answers 200; else 503 with one sentence
};

// Serves /metrics, /healthz (200 while the process lives) and /readyz until destroyed, on a thread
// that accepts and four that answer. A client has 5 s to send its request and to take the answer.
//
// Errors: FAILED_PRECONDITION with the address when it cannot be bound; INVALID_ARGUMENT for a bad
// address.
//
// The functions are called on the server's threads, at once on several.
class HttpServer {
 public:
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerOptions options);
  ~HttpServer();
  const std::string& address() const { return address_; }  // as bound, "127.0.0.1:9464"

 private:
  HttpServer();
  struct Listener;
  std::unique_ptr<Listener> listener_;
  std::string address_;
};

}  // namespace bursar::http
