#include <bursar/client.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "src/convert_requests.h"
#include "testing/fake_server.h"

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
