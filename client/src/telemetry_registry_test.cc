#include "src/telemetry_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "testing/fake_purse.h"
#include "testing/fake_server.h"

namespace bursar {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Texts = std::map<std::string, std::string>;

internal::SettingsSource Environment(Texts texts) {
  return {[texts](const std::string& name) -> std::optional<std::string> {
            const auto found = texts.find(name);
            if (found == texts.end()) return std::nullopt;
            return found->second;
          },
          [](const std::string&) -> StatusOr<std::optional<std::string>> {
            return std::optional<std::string>();
          }};
}

// Telemetry that has to be made without a problem.
Telemetry Make(const TelemetryOptions& options, const Texts& environment = {}) {
  Status problem(StatusCode::kUnknown, "not set");
  Telemetry telemetry = internal::MakeTelemetry(options, Environment(environment), &problem);
  EXPECT_TRUE(problem.ok()) << problem.ToString();
  return telemetry;
}

// The problem of telemetry that cannot be made, and is off.
Status Problem(const TelemetryOptions& options, const Texts& environment = {}) {
  Status problem;
  EXPECT_TRUE(internal::MakeTelemetry(options, Environment(environment), &problem).off());
  return problem;
}

Client SomeClient() { return Client(std::make_shared<testing::FakePurse>()); }

TEST(MakeTelemetry, TakesTheNameOfTheOptionsThenOfTheEnvironmentThenWhatFits) {
  std::ostringstream out;
  const auto writes = [&](const Telemetry& telemetry) {
    out.str("");
    telemetry.Add("files", 1);
    return !out.str().empty();
  };
  EXPECT_TRUE(writes(Make({.port = "console", .console = &out})));
  EXPECT_TRUE(writes(Make({.console = &out}, {{"BURSAR_TELEMETRY", "console"}})));
  EXPECT_TRUE(Make({.port = "none", .console = &out}, {{"BURSAR_TELEMETRY", "console"}}).off());
  EXPECT_TRUE(Make({}).off());
  EXPECT_TRUE(Make({.client = SomeClient()}, {{"BURSAR_TELEMETRY", "none"}}).off());
  const Telemetry client = Make({.client = SomeClient()});
  EXPECT_TRUE(client.RecordUsage(RecordRequest{}).ok());
  client.Add("files", 1);
  EXPECT_EQ(client.Stats().usage, 1u);
  EXPECT_EQ(client.Stats().dropped, 1u);
}

TEST(MakeTelemetry, DisabledItIsOffWhateverTheName) {
  std::ostringstream out;
  for (const char* name : {"console", "client", "none", "", "no such port"}) {
    EXPECT_TRUE(Make({.port = name, .client = SomeClient(), .console = &out},
                     {{"BURSAR_DISABLED", "1"}, {"BURSAR_TELEMETRY", "console"}})
                    .off());
  }
  EXPECT_THAT(out.str(), IsEmpty());
  EXPECT_FALSE(Make({.port = "console", .console = &out}, {{"BURSAR_DISABLED", "0"}}).off());
}

TEST(MakeTelemetry, AnUnknownNameIsAProblemAndSwitchesItOff) {
  const Status problem = Problem({}, {{"BURSAR_TELEMETRY", "consle"}});
  EXPECT_EQ(problem.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(problem.message(), HasSubstr("\"consle\""));
  EXPECT_THAT(problem.message(), HasSubstr("none, client, console"));
}

// Over a real connection: to the server that the environment names.
TEST(MakeTelemetry, ConnectsByTheEnvironmentWhereItIsGivenNoClient) {
  testing::FakeServer server;
  std::atomic<int> tool_calls = 0;
  server.record_batch = [&](const v1::BatchRecordUsageRequest& request,
                            v1::BatchRecordUsageResponse* response) {
    for (const v1::RecordUsageRequest& record : request.records()) {
      response->add_results();
      tool_calls += record.event_type() == "tool_call" && record.cost_nanousd() == 0 &&
                            record.has_cost_nanousd() && record.step() == "search"
                        ? 1
                        : 0;
    }
    return grpc::Status::OK;
  };
  ::setenv("BURSAR_ENDPOINT", server.endpoint().c_str(), 1);
  const Telemetry telemetry = Make({}, {{"BURSAR_TELEMETRY", "client"}});
  { const Span span = telemetry.StartSpan("search", {{"k", "v"}}, SpanKind::kTool); }
  EXPECT_TRUE(telemetry.Flush(std::chrono::seconds(10)).ok());
  EXPECT_EQ(tool_calls, 1);
  ::setenv("BURSAR_TLS", "perhaps", 1);
  EXPECT_EQ(Problem({.port = "client"}).code(), StatusCode::kInvalidArgument);
  ::unsetenv("BURSAR_TLS");
  ::unsetenv("BURSAR_ENDPOINT");
}

class Port : public TelemetryPort {
 public:
  Status RecordUsage(RecordRequest record) override {
    return {StatusCode::kAborted, "seen " + record.usage_id};
  }
};

TEST(RegisterTelemetryPort, MakesAPortKnown) {
  const auto mood = std::make_shared<std::string>();
  const auto make = [mood](const TelemetryOptions&) -> StatusOr<std::unique_ptr<TelemetryPort>> {
    if (*mood == "nobody") return Status(StatusCode::kNotFound, "nobody is no one");
    if (*mood == "thrower") throw std::runtime_error("a maker broke");
    if (*mood == "wild") throw 42;
    if (*mood == "nothing") return std::unique_ptr<TelemetryPort>();
    return std::unique_ptr<TelemetryPort>(std::make_unique<Port>());
  };
  ASSERT_TRUE(RegisterTelemetryPort("ours", make).ok());
  EXPECT_EQ(Make({.port = "ours"}).RecordUsage({.usage_id = "u"}).message(), "seen u");
  EXPECT_EQ(Make({}, {{"BURSAR_TELEMETRY", "ours"}}).RecordUsage({.usage_id = "v"}).message(),
            "seen v");
  const std::pair<const char*, const char*> problems[] = {
      {"nobody", "NOT_FOUND: nobody is no one"},
      {"thrower", "INTERNAL: the maker of the telemetry port \"ours\" threw: a maker broke"},
      {"wild", "INTERNAL: the maker of the telemetry port \"ours\" threw"},
      {"nothing", "INTERNAL: the maker of the telemetry port \"ours\" gave none"}};
  for (const auto& [how, what] : problems) {
    *mood = how;
    EXPECT_EQ(Problem({.port = "ours"}).ToString(), what);
  }
  for (const char* taken : {"ours", "client", "console", "none"}) {
    EXPECT_EQ(RegisterTelemetryPort(taken, make).code(), StatusCode::kAlreadyExists) << taken;
  }
  EXPECT_EQ(RegisterTelemetryPort("", make).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(RegisterTelemetryPort("unmade", nullptr).code(), StatusCode::kInvalidArgument);
}

TEST(RegisterTelemetryPort, IsSafeForManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 50; ++i) {
        const std::string name = "port " + std::to_string(t) + " " + std::to_string(i);
        EXPECT_TRUE(RegisterTelemetryPort(name, [](const TelemetryOptions&) {
                      return std::unique_ptr<TelemetryPort>(std::make_unique<Port>());
                    }).ok());
        EXPECT_FALSE(Make({.port = name}).off());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(MakeTelemetry, ARatioOutsideItsBoundsIsMovedAndSaid) {
  std::ostringstream out;
  const auto spans_kept = [&](double ratio) {
    Status problem;
    const Telemetry telemetry = internal::MakeTelemetry(
        {.port = "console", .sample_ratio = ratio, .console = &out}, Environment({}), &problem);
    EXPECT_EQ(problem.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(problem.message(), HasSubstr("0 to 1 would be right"));
    { const Span span = telemetry.StartSpan("s"); }
    EXPECT_TRUE(telemetry.RecordUsage(RecordRequest{}).ok());  // money goes on
    return telemetry.Stats().spans;
  };
  EXPECT_EQ(spans_kept(50), 1u);
  EXPECT_EQ(spans_kept(-1), 0u);
  EXPECT_EQ(spans_kept(std::nan("")), 0u);
}

TEST(MakeTelemetry, SaysAProblemOnceOnStderrUnlessItIsAskedFor) {
  ::testing::internal::CaptureStderr();
  const Telemetry telemetry = MakeTelemetry({.port = "no such port"});
  telemetry.Add("files", 1);
  telemetry.Add("files", 1);
  EXPECT_EQ(::testing::internal::GetCapturedStderr().rfind(
                "bursar: there is no telemetry port \"no such port\"; there are none, ", 0),
            0u);
  ::testing::internal::CaptureStderr();
  Status problem;
  (void)MakeTelemetry({.port = "no such port"}, &problem);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), IsEmpty());
  EXPECT_EQ(problem.code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace bursar
