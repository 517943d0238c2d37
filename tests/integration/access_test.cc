// The doors of a running server: keys, health, reflection and the HTTP port.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "support/rpc_client.h"
#include "support/server_process.h"
#include "support/test_database.h"

namespace bursar::testing {
namespace {

std::string FirstLineOf(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// A server that asks for keys, on a database of its own.
struct Guarded {
  TestDatabase database;
  TemporaryFolder folder;
  std::string key_file = folder.path() + "/admin.key";
  ServerProcess server{
      {"--database-url", database.url(), "--admin-key-file", key_file, "--log-level", "debug"}};
  std::string key = FirstLineOf(key_file);

  std::string Sql(const std::string& query) const {
    const auto rows = database.Connect()->Execute(query.c_str());
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.ok() && rows->size() > 0 ? std::string(rows->Text(0, 0)) : "";
  }
};

// One HTTP exchange: the status line's code and the body.
struct HttpAnswer {
  int code = 0;
  std::string body;
};

HttpAnswer HttpGet(const std::string& address, const std::string& path) {
  const size_t colon = address.rfind(':');
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &target.sin_addr);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  HttpAnswer answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&target), sizeof target) == 0) {
    const std::string request =
        "GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, n);
    if (text.size() > 12) answer.code = std::stoi(text.substr(9, 3));
    const size_t end_of_head = text.find("\r\n\r\n");
    if (end_of_head != std::string::npos) answer.body = text.substr(end_of_head + 4);
  }
  close(fd);
  return answer;
}

grpc::Status StatusCallWith(const std::string& address, const std::string& header) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  if (!header.empty()) context.AddMetadata("authorization", header);
  v1::GetBudgetStatusResponse response;
  return RpcClient(address).telemetry().GetBudgetStatus(&context, {}, &response);
}

TEST(Access, OnlyTheKeyOpensAndNoErrorEchoesWhatWasSent) {
  const Guarded guarded;
  const std::string& key = guarded.key;
  ASSERT_TRUE(key.starts_with("bursar_default_")) << "the key file";
  EXPECT_TRUE(StatusCallWith(guarded.server.address(), "Bearer " + key).ok());
  std::string other_secret = key, other_tenant = key, other_id = key;
  other_secret.back() = other_secret.back() == 'a' ? 'b' : 'a';
  other_tenant.replace(other_tenant.find("default"), 7, "another");
  char& of_id = other_id[std::string("bursar_default_").size()];
  of_id = of_id == 'a' ? 'b' : 'a';
  const std::string headers[] = {"",
                                 "Bearer ",
                                 "Bearer x",
                                 key,
                                 "Basic " + key,
                                 "Bearer " + other_secret,
                                 "Bearer " + other_tenant,
                                 "Bearer " + other_id,
                                 "Bearer " + key + "x",
                                 "Bearer  " + key,
                                 "Bearer " + key.substr(0, key.size() - 1),
                                 "Bearer bursar___" + key.substr(key.rfind('_') + 1),
                                 "Bearer " + std::string(8000, 'k'),
                                 "Bearer hunter2-%s%n'; DROP TABLE api_key"};
  for (const std::string& header : headers) {
    const grpc::Status status = StatusCallWith(guarded.server.address(), header);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << header;
    const ErrorDetails details = DetailsOf(status);
    EXPECT_EQ(details.reason, "UNAUTHENTICATED") << header;
    EXPECT_EQ(details.domain, "bursar") << header;
    const std::string said = status.error_message() + status.error_details();
    EXPECT_EQ(said.find(key.substr(key.rfind('_') + 1, 20)), std::string::npos) << said;
    EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
    EXPECT_EQ(said.find("kkkk"), std::string::npos) << said;
  }
}

TEST(Access, EveryMethodOfBothServicesAsksForAKey) {
  const Guarded guarded;
  RpcClient client(guarded.server.address());
  for (const auto* service : {v1::CheckBudgetRequest::descriptor()->file()->service(0),
                              v1::CreateBudgetRequest::descriptor()->file()->service(0)}) {
    for (int i = 0; i < service->method_count(); ++i) {
      std::string answer;
      const std::string path =
          absl::StrCat("/", service->full_name(), "/", service->method(i)->name());
      EXPECT_EQ(client.CallRaw(path, "", answer).error_code(), grpc::StatusCode::UNAUTHENTICATED)
          << path;
    }
  }
  EXPECT_EQ(guarded.Sql("SELECT count(*) FROM usage_record"), "0");
}

TEST(Access, TheSecretIsInNoTableAndNoLog) {
  const Guarded guarded;
  RpcClient client(guarded.server.address(), guarded.key);
  auto request = RecordOf("1", 1000);
  v1::RecordUsageResponse response;
  ASSERT_TRUE(client.Record(request, response).ok());
  const std::string secret = guarded.key.substr(guarded.key.rfind('_') + 1);
  ASSERT_EQ(secret.size(), 32u);
  const Finished dump = RunProgram({"/usr/bin/pg_dump", "--dbname", guarded.database.url()});
  EXPECT_EQ(dump.exit_code, 0) << dump.output;
  EXPECT_NE(dump.output.find("api_key"), std::string::npos);
  const std::string metrics = HttpGet(guarded.server.http(), "/metrics").body;
  const std::string log = guarded.server.log();
  EXPECT_NE(log.find("rpc_finished"), std::string::npos) << "the log is that of level debug";
  for (const std::string& text : {dump.output, metrics, log}) {
    EXPECT_EQ(text.find(secret), std::string::npos);
    EXPECT_EQ(text.find(secret.substr(0, 16)), std::string::npos);
  }
}

TEST(Access, ARevokedKeyIsRefusedWithinASecondOrTwo) {
  const Guarded guarded;
  RpcClient client(guarded.server.address(), guarded.key);
  v1::GetBudgetStatusResponse response;
  ASSERT_TRUE(client.Call(&Telemetry::GetBudgetStatus, {}, response).ok());
  guarded.Sql("UPDATE api_key SET revoke_time = now() RETURNING 1");
  const absl::Time deadline = absl::Now() + absl::Seconds(2);
  grpc::Status status;
  while (status.ok() && absl::Now() < deadline) {
    status = client.Call(&Telemetry::GetBudgetStatus, {}, response);
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

// What each role may call; the others are PERMISSION_DENIED and change nothing.
TEST(Access, ARoleMayCallWhatItIsFor) {
  const Guarded guarded;
  auto status_as = [&](int role, const std::string& path) {
    guarded.Sql(absl::StrCat("UPDATE api_key SET role = ", role, " RETURNING 1"));
    absl::SleepFor(absl::Milliseconds(20));
    RpcClient client(guarded.server.address(), guarded.key);
    std::string answer;
    return client.CallRaw("/bursar.v1." + path, "", answer).error_code();
  };
  const auto denied = grpc::StatusCode::PERMISSION_DENIED;
  struct Case {
    std::string path;
    std::set<int> roles;
  };
  const Case cases[] = {
      {"TelemetryService/CheckBudget", {1, 3, 4}},
      {"TelemetryService/RecordUsage", {1, 3, 4}},
      {"TelemetryService/BatchRecordUsage", {1, 3, 4}},
      {"TelemetryService/ReleaseReservation", {1, 3, 4}},
      {"TelemetryService/ExtendReservation", {1, 3, 4}},
      {"TelemetryService/GetBudgetStatus", {1, 2, 3, 4}},
      {"TelemetryService/QueryCosts", {2, 3, 4}},
      {"TelemetryService/ExportUsage", {2, 3, 4}},
      {"TelemetryService/ListUsage", {2, 3, 4}},
      {"TelemetryService/ListRuns", {2, 3, 4}},
      {"AdminService/GetBudget", {2, 3, 4}},
      {"AdminService/CreateBudget", {3, 4}},
      {"AdminService/UpdateBudget", {3, 4}},
      {"AdminService/DeleteBudget", {3, 4}},
      {"AdminService/CreateApiKey", {3, 4}},
  };
  for (int role = 1; role <= 4; ++role) {
    status_as(role, "TelemetryService/CheckBudget");
    absl::SleepFor(absl::Milliseconds(1200));  // a changed key is read again every half second
    for (const Case& one : cases) {
      EXPECT_EQ(status_as(role, one.path) != denied, one.roles.contains(role))
          << one.path << " as " << role;
    }
  }
}

TEST(Access, HealthSaysServingForTheServerAndBothServices) {
  const Guarded guarded;
  RpcClient client(guarded.server.address());  // a probe has no key
  auto check = [&](const std::string& service) {
    const std::string request =
        service.empty() ? "" : absl::StrCat("\n", std::string(1, service.size()), service);
    std::string answer;
    const grpc::Status status = client.CallRaw("/grpc.health.v1.Health/Check", request, answer);
    return status.ok() ? answer : absl::StrCat("code ", status.error_code());
  };
  const std::string serving = "\x08\x01";  // HealthCheckResponse{status: SERVING}
  EXPECT_EQ(check(""), serving);
  EXPECT_EQ(check("bursar.v1.TelemetryService"), serving);
  EXPECT_EQ(check("bursar.v1.AdminService"), serving);
  EXPECT_EQ(check("no.such.Service"), "code 5");
}

TEST(Access, ReflectionListsBothServices) {
  const Guarded guarded;
  RpcClient client(guarded.server.address(), guarded.key);
  std::string answer;
  const grpc::Status status =
      client.CallRaw("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*",
                     answer);  // list_services
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_NE(answer.find("bursar.v1.TelemetryService"), std::string::npos);
  EXPECT_NE(answer.find("bursar.v1.AdminService"), std::string::npos);
}

TEST(Access, TheHttpPortSaysHowItIs) {
  const Guarded guarded;
  RpcClient client(guarded.server.address(), guarded.key);
  v1::CheckBudgetResponse response;
  ASSERT_TRUE(client.Check(CheckOf("1", 1), response).ok());
  const std::string& http = guarded.server.http();
  const HttpAnswer metrics = HttpGet(http, "/metrics");
  EXPECT_EQ(metrics.code, 200);
  EXPECT_NE(metrics.body.find("bursar_rpc_total{code=\"OK\",method=\"CheckBudget\"} 1"),
            std::string::npos)
      << metrics.body;
  EXPECT_NE(metrics.body.find("bursar_decisions_total{decision=\"allow\",reason=\"\"} 1"),
            std::string::npos);
  EXPECT_EQ(HttpGet(http, "/healthz").code, 200);
  EXPECT_EQ(HttpGet(http, "/readyz").code, 200);
  const HttpAnswer nothing = HttpGet(http, "/nothing");
  EXPECT_EQ(nothing.code, 404);
  EXPECT_NE(nothing.body.find("/metrics"), std::string::npos);
}

// While the database takes no connections: not ready, UNAVAILABLE with a RetryInfo, alive; and
// serving again by itself soon after it is back.
TEST(Access, ADatabaseThatGoesAwayAndComesBack) {
  const Guarded guarded;
  RpcClient client(guarded.server.address(), guarded.key);
  postgres::SessionOptions options;
  options.url = TestCluster().UrlOf("postgres", "postgres");
  auto superuser = postgres::Session::Connect(options).value();
  const std::string& name = guarded.database.name();
  auto run = [&](const std::string& sql) {
    const absl::Status status = superuser->ExecuteScript(sql);
    ASSERT_TRUE(status.ok()) << status;
  };
  run(absl::StrCat("ALTER DATABASE ", name, " ALLOW_CONNECTIONS false"));
  run(absl::StrCat("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '", name,
                   "'"));
  v1::RecordUsageResponse response;
  const absl::Time begin = absl::Now();
  const grpc::Status status = client.Record(RecordOf("1", 1000), response);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(8));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_TRUE(DetailsOf(status).retry);
  EXPECT_EQ(status.error_message().find("FATAL"), std::string::npos);
  EXPECT_EQ(status.error_message().find(name), std::string::npos) << status.error_message();
  EXPECT_EQ(HttpGet(guarded.server.http(), "/readyz").code, 503);
  EXPECT_EQ(HttpGet(guarded.server.http(), "/healthz").code, 200);
  run(absl::StrCat("ALTER DATABASE ", name, " ALLOW_CONNECTIONS true"));
  const absl::Time back = absl::Now();
  while (!client.Record(RecordOf("1", 1000), response).ok() &&
         absl::Now() - back < absl::Seconds(10)) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_LT(absl::Now() - back, absl::Seconds(3)) << "until it served again";
  absl::SleepFor(absl::Seconds(1));
  EXPECT_EQ(HttpGet(guarded.server.http(), "/readyz").code, 200);
  EXPECT_EQ(guarded.Sql("SELECT count(*) FROM usage_record"), "1");
}

}  // namespace
}  // namespace bursar::testing
