// What an agent tells, in the real server's ledger.
#include <bursar/telemetry.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

using namespace std::chrono_literals;

class TelemetryTest : public ::testing::Test {
 protected:
  bursar::Telemetry Make(double sample_ratio) {
    const auto client = Client::Connect(
        {.endpoint = fleet_.server(0).address(), .subject = {.user = "ada", .run = "run-1"}});
    EXPECT_TRUE(client.ok()) << client.status().ToString();
    Status problem;
    bursar::Telemetry telemetry =
        MakeTelemetry({.sample_ratio = sample_ratio, .client = *client}, &problem);
    EXPECT_TRUE(problem.ok()) << problem.ToString();
    return telemetry;
  }

  Fleet fleet_{1};
};

TEST_F(TelemetryTest, ToolAndApiCallsAreCallsThatCostNothingWhateverIsSampled) {
  const bursar::Telemetry telemetry = Make(0);
  const Span step = telemetry.StartSpan("answer");
  for (int i = 0; i < 3; ++i) {
    Span tool = step.StartSpan("search", {{"index", "docs"}}, SpanKind::kTool);
    if (i == 2) tool.Fail({.type = "timeout", .category = CallError::Category::kTool});
  }
  { const Span api = step.StartSpan("GET /weather", {{"label:env", "test"}}, SpanKind::kApi); }
  const Status flushed = telemetry.Flush(30s);
  ASSERT_TRUE(flushed.ok()) << flushed.ToString();
  EXPECT_EQ(fleet_.Sql("SELECT string_agg(line, ' | ' ORDER BY line) FROM (SELECT concat_ws(' ', "
                       "event_type, tool, step, user_name, run, labels->>'env', error_type, "
                       "'x' || count(*), 'cost', sum(cost_nanousd), 'calls', sum(calls)) AS line "
                       "FROM usage_record GROUP BY event_type, tool, step, user_name, run, "
                       "labels->>'env', error_type) AS lines"),
            "api_call GET /weather ada run-1 test x1 cost 0 calls 1 | "
            "tool_call search search ada run-1 timeout x1 cost 0 calls 1 | "
            "tool_call search search ada run-1 x2 cost 0 calls 2");
  EXPECT_EQ(fleet_.Sql("SELECT count(DISTINCT trace_id) || ' ' || min(trace_id) FROM usage_record"),
            absl::StrCat("1 ", step.ids().trace_id));
  EXPECT_EQ(fleet_.Sql("SELECT count(*) FROM usage_record WHERE unpriced <> 0 OR cost_basis <> 3"),
            "0");
  fleet_.ExpectConserved();
}

TEST_F(TelemetryTest, NoSampleRatioLosesMoney) {
  int64_t told = 0;
  for (const double ratio : {0.0, 0.5, 1.0}) {
    const bursar::Telemetry telemetry = Make(ratio);
    for (int i = 1; i <= 50; ++i) {
      told += i;
      ASSERT_TRUE(
          telemetry.RecordUsage({.cost_nanousd = i, .content = Content{.prompt = "why?"}}).ok());
    }
    ASSERT_TRUE(telemetry.Flush(30s).ok());
    EXPECT_GE(telemetry.Stats().contents_sampled_out, ratio == 0.0 ? 50u : 0u);
  }
  EXPECT_EQ(fleet_.Number("SELECT sum(cost_nanousd) FROM usage_record"), told);
  EXPECT_EQ(fleet_.Number("SELECT count(*) FROM usage_record"), 150);
  fleet_.ExpectConserved();
}

// What is too long or no text is cut by the port, not refused by the server.
TEST_F(TelemetryTest, TheServerTakesWhateverASpanIsCalled) {
  const bursar::Telemetry telemetry = Make(1);
  const std::string endless = "line\nbreak\xFF" + std::string(20'000, 'x');
  {
    Span span = telemetry.StartSpan(endless, {{"user", endless}}, SpanKind::kTool);
    for (int i = 0; i < 1000; ++i) span.Set("key" + std::to_string(i), "a \"value\" of some size");
    for (int i = 0; i < 20; ++i) span.Set("label:l" + std::to_string(i), endless);
    span.Fail({.type = endless, .message = endless});
  }
  { const Span span = telemetry.StartSpan("", {{"", ""}, {"label:\n", "\t"}}, SpanKind::kApi); }
  const Status flushed = telemetry.Flush(30s);
  EXPECT_TRUE(flushed.ok()) << flushed.ToString();
  EXPECT_EQ(fleet_.Number("SELECT count(*) FROM usage_record"), 2);
}

}  // namespace
}  // namespace bursar::testing
