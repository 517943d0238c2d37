#include <bursar/enclosing_call.h>
#include <bursar/telemetry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "bursar/v1/telemetry_service.pb.h"
#include "src/record_bytes.h"
#include "src/telemetry_client_port.h"
#include "src/telemetry_console_port.h"
#include "src/telemetry_text.h"
#include "testing/fake_purse.h"

namespace bursar::internal {
namespace {

using namespace std::chrono_literals;
using bursar::testing::FakePurse;
using Json = nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

// A client port on a purse, and what arrives there.
struct Recorded {
  explicit Recorded(ClientOptions options = {}, double sample_ratio = 1) {
    options.recorder.linger = 1ms;
    telemetry =
        Telemetry(std::make_shared<ClientPort>(Client(purse, std::move(options))), sample_ratio);
  }
  std::vector<RecordRequest> records() const {
    EXPECT_TRUE(telemetry.Flush(10s).ok());
    std::vector<RecordRequest> all;
    for (const auto& call : purse->calls()) all.insert(all.end(), call.begin(), call.end());
    return all;
  }
  std::shared_ptr<FakePurse> purse = std::make_shared<FakePurse>();
  Telemetry telemetry;
};

TEST(ClientPort, PassesUsageOnAsItIs) {
  const Recorded recorded;
  ASSERT_TRUE(recorded.telemetry.RecordUsage({.usage_id = "u", .cost_nanousd = 7}).ok());
  const auto records = recorded.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].usage_id, "u");
  EXPECT_EQ(records[0].cost_nanousd, 7);
  EXPECT_EQ(records[0].event_type, "");
}

TEST(ClientPort, ASpanOfAToolIsAToolCallThatCostsNothing) {
  const Recorded recorded({.subject = {.user = "ada", .run = "run-1"}});
  Span span = recorded.telemetry.StartSpan("search", {{"index", "docs"}}, SpanKind::kTool);
  const TraceIds ids = span.ids();
  std::this_thread::sleep_for(1ms);
  span.End();
  const auto records = recorded.records();
  ASSERT_EQ(records.size(), 1u);
  const RecordRequest& record = records[0];
  EXPECT_EQ(record.event_type, "tool_call");
  EXPECT_EQ(record.step, "search");
  EXPECT_EQ(record.subject, (Subject{.user = "ada", .tool = "search", .run = "run-1"}));
  EXPECT_EQ(record.cost_nanousd, 0);
  EXPECT_FALSE(record.tokens || record.provider_usage || record.error);
  EXPECT_GE(*record.latency, 1ms);
  EXPECT_EQ(record.outcome, Outcome::kSucceeded);
  EXPECT_TRUE(record.occur_time.has_value());
  EXPECT_EQ(record.trace->trace_id, ids.trace_id);
  EXPECT_EQ(record.trace->span_id, ids.span_id);
  EXPECT_EQ(Json::parse(record.metadata_json), Json({{"index", "docs"}}));
}

TEST(ClientPort, ASpanOfAnApiIsAnApiCallThatFailedWhereItSaysSo) {
  const Recorded recorded;
  recorded.telemetry.StartSpan("GET /weather", {}, SpanKind::kApi)
      .Fail({.type = "503", .category = CallError::Category::kProvider, .message = "busy"});
  const auto records = recorded.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].event_type, "api_call");
  EXPECT_EQ(records[0].subject, Subject{});
  EXPECT_EQ(records[0].outcome, Outcome::kFailed);
  EXPECT_EQ(records[0].error->type, "503");
  EXPECT_EQ(records[0].error->message, "busy");
  EXPECT_EQ(records[0].metadata_json, "");
}

TEST(ClientPort, AttributesThatAreCalledLikeAFieldOfTheSubjectAreThere) {
  const Recorded recorded;
  {
    const Span span = recorded.telemetry.StartSpan(
        "search",
        {{"run", "run-2"}, {"tool", "web"}, {"label:env", "prod"}, {"label:", "x"}, {"rows", "1"}},
        SpanKind::kTool);
  }
  const auto records = recorded.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].subject.run, "run-2");
  EXPECT_EQ(records[0].subject.tool, "web");
  EXPECT_THAT(records[0].subject.labels, ElementsAre(Pair("env", "prod")));
  EXPECT_EQ(Json::parse(records[0].metadata_json), Json({{"label:", "x"}, {"rows", "1"}}));
}

TEST(ClientPort, AToolThatACallUsesBelongsToItsRunAndTrace) {
  const Recorded recorded;
  const EnclosingCallScope call(
      {.subject = {.run = "run-7"}, .trace = {.trace_id = "t7", .span_id = "s7"}});
  { const Span span = recorded.telemetry.StartSpan("search", {}, SpanKind::kTool); }
  const auto records = recorded.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].subject.run, "run-7");
  EXPECT_EQ(records[0].trace->trace_id, "t7");
  EXPECT_EQ(records[0].trace->parent_span_id, "s7");
}

TEST(ClientPort, DropsAndCountsWhatTheServerHasNoHomeFor) {
  const Recorded recorded;
  { const Span span = recorded.telemetry.StartSpan("thinking"); }
  recorded.telemetry.Add("files", 1);
  recorded.telemetry.Set("depth", 1);
  EXPECT_EQ(recorded.records().size(), 0u);
  EXPECT_EQ(recorded.telemetry.Stats().dropped, 3u);
  EXPECT_EQ(recorded.telemetry.Stats().failed, 0u);
}

TEST(ClientPort, AToolCallIsUsageAndSoNeverSampledOut) {
  const Recorded recorded({}, 0);
  for (int i = 0; i < 20; ++i) {
    const Span step = recorded.telemetry.StartSpan("thinking");
    const Span tool = step.StartSpan("search", {}, SpanKind::kTool);
  }
  EXPECT_EQ(recorded.records().size(), 20u);
  EXPECT_EQ(recorded.telemetry.Stats().spans_sampled_out, 20u);
}

TEST(ClientPort, ARecordThatIsRefusedIsCounted) {
  const Recorded recorded({.recorder = {.memory_records_max = 0}});
  { const Span span = recorded.telemetry.StartSpan("search", {}, SpanKind::kTool); }
  EXPECT_EQ(recorded.telemetry.RecordUsage({}).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(recorded.telemetry.Stats().failed, 1u);
  EXPECT_EQ(recorded.telemetry.Stats().usage_failed, 1u);
  EXPECT_THAT(recorded.telemetry.Stats().last_error, HasSubstr("RESOURCE_EXHAUSTED"));
}

// A name that the server would refuse must not cost the record.
TEST(ClientPort, StaysWithinTheServersBounds) {
  const Recorded recorded;
  const std::string endless(20'000, 'x');
  {
    Span span = recorded.telemetry.StartSpan("line\nbreak\xFF" + endless,
                                             {{"user", "\xC3\xA4" + endless}}, SpanKind::kTool);
    span.Set("huge", endless);
    for (int i = 0; i < 1000; ++i) span.Set("key" + std::to_string(i), "a \"value\" of some size");
    for (int i = 0; i < 20; ++i) span.Set("label:l" + std::to_string(i), endless);
    span.Fail({.type = endless, .message = endless});
  }
  const auto records = recorded.records();
  ASSERT_EQ(records.size(), 1u);
  const RecordRequest& record = records[0];
  EXPECT_EQ(record.step.size(), 256u);
  EXPECT_EQ(record.step.rfind("line break?xx", 0), 0u);
  EXPECT_EQ(record.subject.user.size(), 256u);
  EXPECT_EQ(record.subject.labels.size(), 16u);
  EXPECT_EQ(record.error->type.size(), 256u);
  EXPECT_EQ(record.error->message.size(), 4096u);
  const Json metadata = Json::parse(record.metadata_json);
  EXPECT_FALSE(metadata.contains("huge"));
  EXPECT_GT(metadata.size(), 100u);
  // As the server measures it.
  v1::RecordUsageRequest message;
  ASSERT_TRUE(message.ParseFromString(*SerializeRecord(record)));
  EXPECT_LE(message.metadata().ByteSizeLong(), 8192u);
  EXPECT_GT(message.metadata().ByteSizeLong(), 6000u);
}

// --- the console ---

struct Shown {
  explicit Shown(bool json = false, double sample_ratio = 1)
      : telemetry(std::make_shared<ConsolePort>(&out, json), sample_ratio) {}
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::istringstream in(out.str());
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  std::ostringstream out;
  Telemetry telemetry;
};

TEST(ConsolePort, WritesALineForPeople) {
  Shown shown;
  Span up = shown.telemetry.StartSpan({.trace_id = "t1", .span_id = "s1"}, "search",
                                      {{"index", "docs"}, {"query", "two words"}}, SpanKind::kTool);
  const std::string id = up.ids().span_id;
  up.Fail({.type = "timeout", .message = "no answer"});
  up.End();
  { const Span span = shown.telemetry.StartSpan("think"); }
  shown.telemetry.Add("files", 2, {{"kind", "source"}});
  shown.telemetry.Add("left", -1.5);
  shown.telemetry.Set("depth", 17);
  (void)shown.telemetry.RecordUsage(
      {.usage_id = "u1",
       .model = {.provider = "openai", .name = "gpt-4o"},
       .tokens = TokenUsage{.uncached_input_tokens = 4808, .visible_output_tokens = 10},
       .cost_nanousd = 12'120'000,
       .outcome = Outcome::kFailed,
       .latency = 850ms});
  (void)shown.telemetry.RecordUsage({.reservation_id = "r1", .event_type = "tool_call"});
  const auto lines = shown.lines();
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_THAT(lines[0], ContainsRegex("^span search [0-9]+ us tool index=docs "
                                      "query=\"two words\" trace=t1 span=" +
                                      id + " parent=s1 FAILED timeout: no answer$"));
  EXPECT_THAT(lines[1], ContainsRegex("^span think [0-9]+ us trace=[0-9a-f]+ span=[0-9a-f]+$"));
  EXPECT_EQ(lines[2], "count files +2 kind=source");
  EXPECT_EQ(lines[3], "count left -1.5");
  EXPECT_EQ(lines[4], "gauge depth 17");
  EXPECT_EQ(lines[5],
            "usage openai/gpt-4o | 4,808 in, 10 out | $0.01212 | 850 ms | FAILED usage=u1");
  EXPECT_EQ(lines[6], "usage event=tool_call reservation=r1");
  EXPECT_EQ(shown.telemetry.Stats().spans, 2u);
  EXPECT_EQ(shown.telemetry.Stats().usage, 2u);
}

TEST(ConsolePort, WritesALineOfJson) {
  Shown shown(true);
  Span span = shown.telemetry.StartSpan({.trace_id = "t1", .span_id = "s1"}, "search",
                                        {{"q", "\"\n\t\\\x01\xFF\xE2\x82\xAC"}}, SpanKind::kApi);
  span.Fail({.type = "timeout", .message = "no\nanswer"});
  span.End();
  shown.telemetry.Add("files", 0.25, {{"kind", "source"}});
  shown.telemetry.Set("depth", std::nan(""));
  (void)shown.telemetry.RecordUsage({.usage_id = "u1", .cost_nanousd = 12});
  std::vector<Json> lines;
  for (const std::string& line : shown.lines()) lines.push_back(Json::parse(line));
  ASSERT_EQ(lines.size(), 4u);
  for (const Json& line : lines) EXPECT_EQ(std::string(line["time"]).back(), 'Z');
  EXPECT_EQ(lines[0]["type"], "span");
  EXPECT_EQ(lines[0]["name"], "search");
  EXPECT_EQ(lines[0]["kind"], "api");
  EXPECT_TRUE(lines[0]["duration_us"].is_number_integer());
  EXPECT_EQ(lines[0]["trace_id"], "t1");
  EXPECT_EQ(lines[0]["parent_span_id"], "s1");
  EXPECT_EQ(lines[0]["attributes"]["q"], "\"\n\t\\\x01\xEF\xBF\xBD\xE2\x82\xAC");
  EXPECT_EQ(lines[0]["error"], Json({{"type", "timeout"}, {"message", "no\nanswer"}}));
  EXPECT_EQ(lines[1]["type"], "count");
  EXPECT_EQ(lines[1]["amount"], 0.25);
  EXPECT_EQ(lines[1]["attributes"], Json({{"kind", "source"}}));
  EXPECT_EQ(lines[2]["type"], "gauge");
  EXPECT_EQ(lines[2]["value"], "NaN");
  EXPECT_EQ(lines[3]["type"], "usage");
  EXPECT_EQ(lines[3]["record"]["usage_id"], "u1");
  EXPECT_EQ(lines[3]["record"]["cost_nanousd"], "12");
}

TEST(ConsolePort, ShowsNothingOfTheConversation) {
  for (const bool json : {false, true}) {
    Shown shown(json);
    (void)shown.telemetry.RecordUsage(
        {.provider_usage = ProviderUsage{.json = R"({"choices":["the secret plan"]})"},
         .metadata_json = R"({"note":"the secret plan"})",
         .content = Content{.prompt = "the secret plan", .response = "the secret plan"}});
    EXPECT_EQ(shown.lines().size(), 1u);
    EXPECT_THAT(shown.out.str(), Not(HasSubstr("secret")));
  }
}

TEST(ConsolePort, NoTextBreaksALine) {
  for (const bool json : {false, true}) {
    Shown shown(json);
    const std::string bad = "a\nb\r\x1b[31m\xC3";
    {
      Span span = shown.telemetry.StartSpan(bad, {{bad, bad}});
      span.Fail({.type = bad, .message = bad});
    }
    shown.telemetry.Add(bad, 1, {{bad, bad}});
    (void)shown.telemetry.RecordUsage({.usage_id = "a\nb", .model = {.name = "a\nb"}});
    EXPECT_EQ(shown.lines().size(), 3u);
    EXPECT_THAT(shown.out.str(), Not(HasSubstr("\x1b")));
    EXPECT_THAT(shown.out.str(), Not(HasSubstr("\r")));
  }
}

TEST(ConsolePort, LinesOfManyThreadsDoNotMix) {
  Shown shown(true);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) shown.telemetry.Add("files", i, {{"k", "some value"}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto lines = shown.lines();
  EXPECT_EQ(lines.size(), 800u);
  for (const std::string& line : lines) EXPECT_EQ(Json::parse(line)["name"], "files");
}

TEST(ConsolePort, AStreamThatFailsOrThrowsDoesNotHarmTheAgent) {
  Shown fails;
  fails.out.setstate(std::ios::badbit);
  EXPECT_EQ(fails.telemetry.RecordUsage({}).code(), StatusCode::kUnavailable);
  Shown throws;
  throws.out.exceptions(std::ios::badbit);
  try {
    throws.out.setstate(std::ios::badbit);
  } catch (const std::ios::failure&) {
  }
  EXPECT_EQ(throws.telemetry.RecordUsage({}).code(), StatusCode::kInternal);
  EXPECT_EQ(throws.telemetry.Stats().threw, 1u);
}

TEST(TelemetryText, CutsAfterWholeCharacters) {
  EXPECT_EQ(Printable("\xE2\x82\xAC\xE2\x82\xAC", 5), "\xE2\x82\xAC");
  EXPECT_EQ(Printable("ab", 1), "a");
  EXPECT_EQ(Printable("\xED\xA0\x80|\xC0\x80|\xF4\x90\x80\x80", 99), "???|??|????");
  EXPECT_EQ(Printable("a\0b\x7F"
                      "c",
                      99),
            "a");
  EXPECT_EQ(Printable(std::string_view("a\0b\x7F"
                                       "c",
                                       5),
                      99),
            "a b c");
}

TEST(TelemetryText, WritesNumbersAsShortAsTheyReadBack) {
  EXPECT_EQ(FormatNumber(17), "17");
  EXPECT_EQ(FormatNumber(0.1), "0.1");
  EXPECT_EQ(FormatNumber(-1e300), "-1e+300");
  EXPECT_EQ(FormatNumber(HUGE_VAL), "Infinity");
}

}  // namespace
}  // namespace bursar::internal
