#include <bursar/client.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "src/convert_requests.h"
#include "testing/certificates.h"
#include "testing/fake_server.h"
#include "testing/temporary_folder.h"

namespace bursar {
namespace {

using namespace std::chrono_literals;
using google::protobuf::util::MessageDifferencer;

template <typename Message>
Message FromText(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

Client Connect(const testing::FakeServer& server, const std::string& key = "") {
  ClientOptions options;
  options.endpoint = server.endpoint();
  options.api_key = key;
  options.check_timeout = 5s;  // the machine may be busy
  return *Client::Connect(options);
}

TEST(GrpcConnection, ShowsTheKeyAsABearer) {
  testing::FakeServer server;
  server.check = [](const auto&, auto*) { return grpc::Status::OK; };
  EXPECT_TRUE(Connect(server, "bsr_1").Check({.cost_nanousd = 1}).ok());
  EXPECT_EQ(server.authorization(), "Bearer bsr_1");
  EXPECT_TRUE(Connect(server).Check({.cost_nanousd = 1}).ok());
  EXPECT_EQ(server.authorization(), "");
}

TEST(GrpcConnection, ReadsItsKeyAgainWhenTheServerRefusesIt) {
  const testing::TemporaryFolder folder;
  testing::FakeServer server;
  server.check = [](const auto&, auto*) { return grpc::Status::OK; };
  ClientOptions options;
  options.endpoint = server.endpoint();
  options.api_key_file = folder.path() + "/key";
  options.check_timeout = 5s;
  testing::WriteFile(options.api_key_file, "bsr_old\n");
  const Client client = *Client::Connect(options);
  server.Require("Bearer bsr_old");
  EXPECT_TRUE(client.Check({.cost_nanousd = 1}).ok());

  testing::WriteFile(options.api_key_file, "bsr_new\n");
  EXPECT_TRUE(client.Check({.cost_nanousd = 1}).ok());  // the old one still works
  EXPECT_EQ(server.authorization(), "Bearer bsr_old");
  server.Require("Bearer bsr_new");
  EXPECT_TRUE(client.Check({.cost_nanousd = 1}).ok());
  EXPECT_EQ(server.authorization(), "Bearer bsr_new");

  server.Require("Bearer another");
  EXPECT_EQ(client.Check({.cost_nanousd = 1}).status().code(), StatusCode::kUnauthenticated);
}

// A server that proves itself with TLS and, for mTLS, asks for the client's certificate.
class TlsTest : public ::testing::TestWithParam<bool> {
 protected:
  std::shared_ptr<grpc::ServerCredentials> ServerCredentials() const {
    grpc::SslServerCredentialsOptions ssl(
        GetParam() ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                   : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    ssl.pem_root_certs = testing::ReadFile(certificates_.Pem("ca"));
    ssl.pem_key_cert_pairs.push_back({testing::ReadFile(certificates_.Key("server")),
                                      testing::ReadFile(certificates_.Pem("server"))});
    return grpc::SslServerCredentials(ssl);
  }
  ClientOptions Options(const testing::FakeServer& server) const {
    ClientOptions options;
    options.endpoint = server.endpoint();
    options.api_key = "bsr_1";
    options.check_timeout = 5s;
    options.tls = true;
    options.tls_ca_file = certificates_.Pem("ca");
    options.tls_server_name = "purse";
    if (GetParam()) {
      options.tls_certificate_file = certificates_.Pem("client");
      options.tls_key_file = certificates_.Key("client");
    }
    return options;
  }
  static Status Ask(const ClientOptions& options) {
    const auto client = Client::Connect(options);
    return client.ok() ? client->Check({.cost_nanousd = 1}, 1s).status() : client.status();
  }

  const testing::TemporaryFolder folder_;
  const testing::Certificates certificates_{folder_.path()};
};
INSTANTIATE_TEST_SUITE_P(AndMutualTls, TlsTest, ::testing::Bool());

TEST_P(TlsTest, ReachesAServerThatItsAuthorityProves) {
  testing::FakeServer server(ServerCredentials());
  server.check = [](const auto&, auto*) { return grpc::Status::OK; };
  const Status asked = Ask(Options(server));
  EXPECT_TRUE(asked.ok()) << asked.ToString();
  EXPECT_EQ(server.authorization(), "Bearer bsr_1");
}

TEST_P(TlsTest, TellsNothingToAServerThatIsNotProven) {
  testing::FakeServer server(ServerCredentials());
  server.check = [](const auto&, auto*) { return grpc::Status::OK; };
  ClientOptions other_name = Options(server);
  other_name.tls_server_name = "another";
  ClientOptions other_authority = Options(server);
  other_authority.tls_ca_file = certificates_.Pem("client");
  ClientOptions plain = Options(server);
  plain.tls = false;
  for (const ClientOptions& options : {other_name, other_authority, plain}) {
    EXPECT_EQ(Ask(options).code(), StatusCode::kUnavailable) << Ask(options).ToString();
  }
  if (GetParam()) {
    ClientOptions nobody = Options(server);
    nobody.tls_certificate_file.clear();
    nobody.tls_key_file.clear();
    EXPECT_EQ(Ask(nobody).code(), StatusCode::kUnavailable);
  }
  EXPECT_EQ(server.authorization(), "");
}

TEST_P(TlsTest, FilesThatCannotBeAreNamed) {
  testing::FakeServer server(ServerCredentials());
  ClientOptions options = Options(server);
  options.tls_ca_file = folder_.path() + "/none.pem";
  EXPECT_EQ(Ask(options).ToString(),
            "FAILED_PRECONDITION: tls_ca_file " + options.tls_ca_file + " does not exist");
  testing::WriteFile(options.tls_ca_file, "hello");
  EXPECT_EQ(Ask(options).ToString(),
            "INVALID_ARGUMENT: tls_ca_file " + options.tls_ca_file + " is no PEM file");
  options = Options(server);
  options.tls_key_file.clear();
  options.tls_certificate_file = certificates_.Pem("client");
  EXPECT_EQ(Ask(options).code(), StatusCode::kInvalidArgument);
}

TEST(GrpcConnection, UsesWhicheverOfSeveralServersIsThere) {
  auto first = std::make_unique<testing::FakeServer>();
  testing::FakeServer second;
  std::atomic<int> of_first = 0;
  std::atomic<int> of_second = 0;
  first->check = [&](const auto&, auto*) { return ++of_first, grpc::Status::OK; };
  second.check = [&](const auto&, auto*) { return ++of_second, grpc::Status::OK; };
  ClientOptions options;
  options.endpoint = first->endpoint() + "," + second.endpoint();
  options.check_timeout = 5s;
  const Client client = *Client::Connect(options);
  for (int i = 0; i < 1000 && (of_first == 0 || of_second == 0); ++i) {
    ASSERT_TRUE(client.Check({.cost_nanousd = 1}).ok());
  }
  EXPECT_GT(of_first, 0);
  EXPECT_GT(of_second, 0);
  first.reset();
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(client.Check({.cost_nanousd = 1}).ok());
}

TEST(GrpcConnection, CarriesACheckThere) {
  testing::FakeServer server;
  v1::CheckBudgetRequest seen;
  server.check = [&](const v1::CheckBudgetRequest& request, v1::CheckBudgetResponse* response) {
    seen = request;
    response->add_settled();
    return grpc::Status::OK;
  };
  const auto response = Connect(server).Check({.request_id = "r-1",
                                               .subject = {.user = "ada", .labels = {{"env", "x"}}},
                                               .model = {.provider = "openai", .name = "gpt-4o"},
                                               .tokens = TokenUsage{.uncached_input_tokens = 5},
                                               .max_output_tokens = 100,
                                               .ttl = 90s,
                                               .accept_caps = true,
                                               .settle = {{.usage_id = "u-0"}}});
  EXPECT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_TRUE(MessageDifferencer::Equivalent(seen, FromText<v1::CheckBudgetRequest>(R"pb(
                                               request_id: "r-1"
                                               subject {
                                                 user: "ada"
                                                 labels { key: "env" value: "x" }
                                               }
                                               model { provider: "openai" name: "gpt-4o" }
                                               tokens { uncached_input_tokens: 5 }
                                               max_output_tokens: 100
                                               ttl { seconds: 90 }
                                               accept_caps: true
                                               settle {
                                                 usage_id: "u-0"
                                                 subject {}
                                                 model {}
                                               }
                                             )pb")))
      << seen.DebugString();
}

constexpr char kCheckAnswer[] = R"pb(
  decision: DECISION_ALLOW_WITH_CAPS
  reservation {
    id: "r-1"
    remaining_ttl { seconds: 299 nanos: 5 }
    max_output_tokens: 100
  }
  caps { max_output_tokens: 80 }
  binding_budget: "budgets/run-cap"
  budgets {
    budget: "budgets/run-cap"
    group { key: "run" value: "1" }
    unit: UNIT_COST
    limit: 10
    crossed_threshold_percent: 90
    window_end_time { seconds: 1700000000 }
  }
  retry_after { seconds: 3 }
  settled { code: 6 message: "another payload" }
)pb";

TEST(GrpcConnection, CarriesTheAnswerBack) {
  testing::FakeServer server;
  server.check = [](const auto&, v1::CheckBudgetResponse* response) {
    *response = FromText<v1::CheckBudgetResponse>(kCheckAnswer);
    return grpc::Status::OK;
  };
  const auto response = Connect(server).Check({.cost_nanousd = 1, .settle = {{.usage_id = "u-0"}}});
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->decision, Decision::kAllowWithCaps);
  EXPECT_EQ(response->caps_max_output_tokens, 80);
  EXPECT_EQ(response->reservation->remaining_ttl, 299s + 5ns);
  EXPECT_EQ(response->retry_after, 3s);
  EXPECT_EQ(response->budgets[0].group.at("run"), "1");
  EXPECT_EQ(response->budgets[0].window_end_time, Timestamp(1700000000s));
  EXPECT_EQ(response->budgets[0].crossed_threshold_percent, 90);
  ASSERT_EQ(response->settled.size(), 1u);
  EXPECT_EQ(response->settled[0].status().code(), StatusCode::kAlreadyExists);
}

TEST(GrpcConnection, ReleasesAndExtends) {
  testing::FakeServer server;
  server.release = [](const v1::ReleaseReservationRequest& request,
                      v1::ReleaseReservationResponse* response) {
    EXPECT_EQ(request.ShortDebugString(), R"(reservation_id: "r-1" reason: "not sent")");
    response->mutable_reservation()->set_state(v1::Reservation::STATE_RELEASED);
    return grpc::Status::OK;
  };
  server.extend = [](const v1::ExtendReservationRequest& request,
                     v1::ExtendReservationResponse* response) {
    EXPECT_EQ(request.ttl().seconds(), 60);
    EXPECT_EQ(request.hold_nanousd(), 9);
    EXPECT_EQ(request.observed().visible_output_tokens(), 4);
    response->set_decision(v1::DECISION_DENY);
    response->mutable_reservation()->set_observed_nanousd(8);
    return grpc::Status::OK;
  };
  const Client client = Connect(server);
  const auto released = client.Release({.reservation_id = "r-1", .reason = "not sent"});
  ASSERT_TRUE(released.ok()) << released.status().ToString();
  EXPECT_EQ(released->reservation.state, Reservation::State::kReleased);
  const auto extended = client.Extend({.reservation_id = "r-1",
                                       .ttl = 60s,
                                       .hold_nanousd = 9,
                                       .observed = TokenUsage{.visible_output_tokens = 4}});
  ASSERT_TRUE(extended.ok()) << extended.status().ToString();
  EXPECT_FALSE(extended->allowed());
  EXPECT_EQ(extended->reservation.observed_nanousd, 8);
}

TEST(GrpcConnection, QueriesCosts) {
  testing::FakeServer server;
  server.costs = [](const v1::QueryCostsRequest& request, v1::QueryCostsResponse* response) {
    EXPECT_TRUE(
        MessageDifferencer::Equivalent(request, FromText<v1::QueryCostsRequest>(R"pb(
                                         start_time { seconds: 1700000000 }
                                         time_zone: "Europe/Berlin"
                                         bucket: BUCKET_WEEK
                                         group_by: "model"
                                         filters { dimension: "user" values: "ada" exclude: true }
                                         page_size: 5
                                       )pb")))
        << request.DebugString();
    v1::CostRow* row = response->add_rows();
    (*row->mutable_group())["model"] = "gpt-4o";
    row->set_cost_nanousd(7);
    response->mutable_total()->set_calls(3);
    response->set_next_page_token("2");
    return grpc::Status::OK;
  };
  const auto report = Connect(server).QueryCosts(
      {.start_time = Timestamp(1700000000s),
       .time_zone = "Europe/Berlin",
       .bucket = CostQuery::Bucket::kWeek,
       .group_by = {"model"},
       .filters = {{.dimension = "user", .values = {"ada"}, .exclude = true}},
       .page_size = 5});
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  ASSERT_EQ(report->rows.size(), 1u);
  EXPECT_EQ(report->rows[0].group.at("model"), "gpt-4o");
  EXPECT_EQ(report->rows[0].cost_nanousd, 7);
  EXPECT_EQ(report->total.calls, 3);
  EXPECT_EQ(report->next_page_token, "2");
}

TEST(GrpcConnection, RefusesMetadataThatIsNoJsonObjectWithoutACall) {
  testing::FakeServer server;
  const Client client = Connect(server);
  EXPECT_EQ(client.Record({.metadata_json = "[1]"}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(
      client.Record({.tokens = TokenUsage{}, .provider_usage = ProviderUsage{}}).status().code(),
      StatusCode::kInvalidArgument);
}

TEST(GrpcConnection, CarriesAProvidersOwnUsageAsItIs) {
  testing::FakeServer server;
  v1::RecordUsageRequest seen;
  server.record = [&](const v1::RecordUsageRequest& request, v1::RecordUsageResponse* response) {
    seen = request;
    response->mutable_tokens()->set_cache_read_tokens(7);
    return grpc::Status::OK;
  };
  const auto response = Connect(server).Record(
      {.usage_id = "u", .provider_usage = ProviderUsage{"chat", R"({"usage": {"x": 1}})"}});
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_FALSE(seen.has_tokens());
  EXPECT_EQ(seen.provider_usage().api_flavor(), "chat");
  EXPECT_EQ(seen.provider_usage().json(), R"({"usage": {"x": 1}})");
  EXPECT_EQ(response->tokens.cache_read_tokens, 7) << "what the server made of it";
}

TEST(GrpcConnection, ABatchNeedsAnAnswerForEachRecord) {
  testing::FakeServer server;
  server.record_batch = [](const auto&, v1::BatchRecordUsageResponse* response) {
    response->add_results()->mutable_response()->set_cost_nanousd(5);
    return grpc::Status::OK;
  };
  const Client client = Connect(server);
  const auto one = client.RecordBatch({{.usage_id = "a"}});
  ASSERT_TRUE(one.ok());
  EXPECT_EQ((*one)[0]->cost_nanousd, 5);
  EXPECT_EQ((*one)[0]->usage_id, "a");
  EXPECT_EQ(client.RecordBatch(std::vector<RecordRequest>(2)).status().code(),
            StatusCode::kInternal);
}

TEST(GrpcConnection, RepeatsUntilTheServerAnswers) {
  testing::FakeServer server;
  std::atomic<int> calls = 0;
  server.record = [&](const auto&, auto*) {
    return ++calls < 3 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "starting") : grpc::Status::OK;
  };
  EXPECT_TRUE(Connect(server).Record({}, 5s).ok());
  EXPECT_EQ(calls, 3);
}

TEST(GrpcConnection, EndsByItsDeadlineWhenTheServerIsSilent) {
  testing::FakeServer server;
  server.check = [](const auto&, auto*) {
    std::this_thread::sleep_for(400ms);
    return grpc::Status::OK;
  };
  const Client client = Connect(server);
  const auto start = std::chrono::steady_clock::now();
  const auto response = client.Check({.cost_nanousd = 1}, 100ms);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(response.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_GE(took, 100ms);
  EXPECT_LT(took, 350ms);
}

TEST(GrpcConnection, AnUnreachableServerIsUnavailable) {
  std::string endpoint;
  {
    testing::FakeServer gone;
    endpoint = gone.endpoint();
  }
  ClientOptions options;
  options.endpoint = endpoint;
  const auto response = Client::Connect(options)->Check({.cost_nanousd = 1}, 200ms);
  EXPECT_EQ(response.status().code(), StatusCode::kUnavailable) << response.status().ToString();
}

}  // namespace
}  // namespace bursar
