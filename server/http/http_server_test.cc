#include "http/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "listen_address.h"

namespace bursar::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::unique_ptr<HttpServer> Started(HttpServerOptions options) {
  if (options.listen == HttpServerOptions().listen) options.listen = "127.0.0.1:0";
  auto server = HttpServer::Start(std::move(options));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

// The whole answer as it comes: status line, headers, an empty line, body.
std::string Get(const HttpServer& server, const std::string& path) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(ParseListenAddress(server.address())->port));
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      write(connection, request.data(), request.size()) < 0) {
    close(connection);
    return "no connection";
  }
  std::string answer;
  char buffer[65536];
  for (ssize_t size; (size = read(connection, buffer, sizeof buffer)) > 0;) {
    answer.append(buffer, size);
  }
  close(connection);
  return answer;
}

TEST(HttpServer, ServesMetricsHealthAndReadiness) {
  std::atomic<bool> ready = false;
  HttpServerOptions options;
  options.metrics = [] { return std::string("bursar_rpc_total 7\n"); };
  options.ready = [&ready] {
    return ready ? absl::OkStatus() : absl::UnavailableError("the database is away");
  };
  const auto server = Started(std::move(options));

  const std::string metrics = Get(*server, "/metrics");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(metrics, HasSubstr("\r\nContent-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(metrics, EndsWith("\r\n\r\nbursar_rpc_total 7\n"));

  EXPECT_THAT(Get(*server, "/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get(*server, "/readyz"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(Get(*server, "/readyz"), EndsWith("\r\n\r\nthe database is away\n"));
  ready = true;
  EXPECT_THAT(Get(*server, "/readyz"), StartsWith("HTTP/1.1 200"));
}

TEST(HttpServer, SaysWhatThereIsInsteadOfAnUnknownPath) {
  const auto server = Started({});
  const std::string answer = Get(*server, "/nothing");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(answer, HasSubstr("/metrics, /healthz and /readyz"));
}

TEST(HttpServer, RefusesAnAddressThatIsInUseOrNone) {
  const auto first = Started({});
  HttpServerOptions options;
  options.listen = first->address();
  const absl::Status second = HttpServer::Start(options).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(second.message(), "the HTTP address " + first->address() +
                                  " cannot be listened on: Address already in use");
  options.listen = "9464";
  const absl::Status bad = HttpServer::Start(options).status();
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bad.message()), HasSubstr("\"9464\""));
}

TEST(HttpServer, StopsAtOnceAndGivesItsPortBack) {
  std::string address;
  for (int i = 0; i < 20; ++i) {
    HttpServerOptions options;
    if (!address.empty()) options.listen = address;
    address = Started(std::move(options))->address();
  }
}

TEST(HttpServer, AnswersManyAtOnce) {
  HttpServerOptions options;
  options.metrics = [] { return std::string(1 << 20, 'm'); };
  const auto server = Started(std::move(options));
  std::vector<std::thread> threads;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      answered += Get(*server, "/metrics").ends_with("\r\n\r\n" + std::string(1 << 20, 'm'));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 16);
}

TEST(ListenAddress, ReadsHostAndPort) {
  struct Case {
    const char* text;
    const char* again;  // null: refused
    bool loopback;
  };
  for (const Case& c : {
           Case{"127.0.0.1:50051", "127.0.0.1:50051", true},
           Case{"localhost:0", "localhost:0", true},
           Case{"[::1]:1", "[::1]:1", true},
           Case{"127.8.8.8:65535", "127.8.8.8:65535", true},
           Case{"0.0.0.0:80", "0.0.0.0:80", false},
           Case{"[::]:80", "[::]:80", false},
           Case{"purse.example.com:443", "purse.example.com:443", false},
           Case{"", nullptr, false},
           Case{"foo", nullptr, false},
           Case{":80", nullptr, false},
           Case{"foo:", nullptr, false},
           Case{"foo:http", nullptr, false},
           Case{"foo:80x", nullptr, false},
           Case{"foo:-1", nullptr, false},
           Case{"foo:65536", nullptr, false},
           Case{"::1:80", nullptr, false},
           Case{"http://foo:80", nullptr, false},
           Case{"a b:80", nullptr, false},
       }) {
    const auto address = ParseListenAddress(c.text);
    ASSERT_EQ(address.has_value(), c.again != nullptr) << c.text;
    if (!address) continue;
    EXPECT_EQ(address->ToString(), c.again);
    EXPECT_EQ(address->IsLoopback(), c.loopback) << c.text;
  }
}

}  // namespace
}  // namespace bursar::http
