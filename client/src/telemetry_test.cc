#include <bursar/enclosing_call.h>
#include <bursar/telemetry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "src/telemetry_sampling.h"

namespace bursar {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";

// Keeps what it is told; can be made to fail or throw.
class Notebook : public TelemetryPort {
 public:
  void StartSpan(const SpanData& span) override {
    const std::lock_guard lock(mutex);
    (void)Misbehave();
    started.push_back(span);
  }
  Status EndSpan(const SpanData& span) override {
    const std::lock_guard lock(mutex);
    ended.push_back(span);
    return Misbehave();
  }
  Status Add(std::string_view counter, double amount, Attributes attributes) override {
    const std::lock_guard lock(mutex);
    numbers.emplace_back(counter, amount);
    for (const auto& [key, value] : attributes) keys.emplace_back(key);
    return Misbehave();
  }
  Status Set(std::string_view gauge, double value, Attributes attributes) override {
    return Add(gauge, value, attributes);
  }
  Status RecordUsage(RecordRequest record) override {
    const std::lock_guard lock(mutex);
    records.push_back(std::move(record));
    return Misbehave();
  }
  Status Flush(std::chrono::milliseconds timeout) override {
    flushed_for = timeout;
    return Misbehave();
  }
  bool IsUsage(SpanKind kind) const override { return kind == usage_kind; }

  std::mutex mutex;
  std::vector<SpanData> started, ended;
  std::vector<std::pair<std::string, double>> numbers;
  std::vector<std::string> keys;
  std::vector<RecordRequest> records;
  std::chrono::milliseconds flushed_for{0};
  std::optional<SpanKind> usage_kind;
  std::function<Status()> misbehave;

 private:
  Status Misbehave() const { return misbehave ? misbehave() : Status(); }
};

TEST(Telemetry, OffItDoesNothing) {
  const Telemetry telemetry;
  EXPECT_TRUE(telemetry.off());
  Span span = telemetry.StartSpan("search", {{"index", "docs"}});
  span.Set("rows", "17");
  span.Fail({.type = "timeout"});
  Span child = span.StartSpan("read");
  EXPECT_EQ(child.ids().trace_id, "");
  telemetry.Add("files", 1);
  telemetry.Set("depth", 2, {{"queue", "in"}});
  EXPECT_TRUE(telemetry.RecordUsage(RecordRequest{}).ok());
  bool made = false;
  EXPECT_TRUE(telemetry.RecordUsage([&] { return made = true, RecordRequest{}; }).ok());
  EXPECT_FALSE(made);
  EXPECT_TRUE(telemetry.Flush(1s).ok());
  EXPECT_EQ(telemetry.Stats().usage, 0u);
  EXPECT_TRUE(Telemetry(nullptr).off());
}

#ifdef __SANITIZE_ADDRESS__
// Of libasan; gcc does not install its header.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             size_t),
                                                         void (*free_hook)(const volatile void*));

thread_local uint64_t allocations = 0;
void CountAllocation(const volatile void*, size_t) { ++allocations; }

TEST(Telemetry, OffItAllocatesNothing) {
  static const int installed =
      __sanitizer_install_malloc_and_free_hooks(CountAllocation, [](const volatile void*) {});
  ASSERT_NE(installed, 0);
  const auto use = [](const Telemetry& telemetry) {
    const uint64_t before = allocations;
    Span span = telemetry.StartSpan("a name that is too long to be kept within a string",
                                    {{"and an attribute", "whose value is as long as that"}});
    span.Set("another attribute of that kind", "which would not fit in a string's own bytes");
    const Span child = span.StartSpan("and a child with a name that is long as well");
    telemetry.Add("a counter with a long name, as they have them", 1, {{"a", "b"}, {"c", "d"}});
    telemetry.Set("a gauge with a long name, as they have them", 1);
    EXPECT_TRUE(telemetry.RecordUsage([] { return RecordRequest{.step = kTrace}; }).ok());
    return allocations - before;
  };
  EXPECT_EQ(use(Telemetry()), 0u);
  EXPECT_GT(use(Telemetry(std::make_shared<Notebook>())), 5u);  // the counting works
}
#endif

TEST(Telemetry, ASpanIsToldWithAllThatWasGiven) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook);
  const auto before = std::chrono::system_clock::now();
  {
    Span span =
        telemetry.StartSpan("search", {{"index", "docs"}, {"cached", "no"}}, SpanKind::kTool);
    span.Set("rows", "17");
    ASSERT_EQ(notebook->started.size(), 1u);
    EXPECT_EQ(notebook->started[0].ids.span_id, span.ids().span_id);
    EXPECT_THAT(notebook->ended, IsEmpty());
    std::this_thread::sleep_for(2ms);
  }
  ASSERT_EQ(notebook->ended.size(), 1u);
  const SpanData& span = notebook->ended[0];
  EXPECT_EQ(span.name, "search");
  EXPECT_EQ(span.kind, SpanKind::kTool);
  EXPECT_THAT(span.attributes,
              ElementsAre(Pair("index", "docs"), Pair("cached", "no"), Pair("rows", "17")));
  EXPECT_EQ(span.ids.trace_id.size(), 32u);
  EXPECT_EQ(span.ids.span_id.size(), 16u);
  EXPECT_EQ(span.ids.trace_id.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(span.ids.parent_span_id, "");
  EXPECT_GE(span.start_time, before);
  EXPECT_GE(span.duration, 2ms);
  EXPECT_FALSE(span.error.has_value());
  EXPECT_EQ(telemetry.Stats().spans, 1u);
}

TEST(Span, TheLastValueOfAnAttributeCounts) {
  const auto notebook = std::make_shared<Notebook>();
  {
    Span span = Telemetry(notebook).StartSpan("search", {{"rows", "0"}, {"index", "a"}});
    span.Set("rows", "1");
    span.Set("rows", "2");
  }
  using Attribute = std::pair<std::string, std::string>;
  EXPECT_THAT(notebook->ended.at(0).attributes,
              ElementsAre(Attribute("rows", "2"), Attribute("index", "a")));
}

TEST(Telemetry, ChildrenAndOtherProcessesGoOnWithTheTrace) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook);
  const Span parent =
      telemetry.StartSpan({.trace_id = kTrace, .span_id = "00f067aa0ba902b7"}, "up");
  const Span child = parent.StartSpan("down", {{"k", "v"}});
  const Span other = telemetry.StartSpan("other");
  EXPECT_EQ(parent.ids().trace_id, kTrace);
  EXPECT_EQ(parent.ids().parent_span_id, "00f067aa0ba902b7");
  EXPECT_EQ(child.ids().trace_id, kTrace);
  EXPECT_EQ(child.ids().parent_span_id, parent.ids().span_id);
  EXPECT_NE(child.ids().span_id, parent.ids().span_id);
  EXPECT_NE(other.ids().trace_id, kTrace);
  const Span without = telemetry.StartSpan(TraceIds{}, "nobody called");
  EXPECT_EQ(without.ids().trace_id.size(), 32u);
}

TEST(Telemetry, WhatIsToldInsideACallBelongsToItsTrace) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook, 0.9);  // which drops kTrace
  const EnclosingCallScope call({.trace = {.trace_id = kTrace, .span_id = "00f067aa0ba902b7"}});
  const Span span = telemetry.StartSpan("inside");
  EXPECT_EQ(span.ids().trace_id, kTrace);
  EXPECT_EQ(span.ids().parent_span_id, "00f067aa0ba902b7");
  (void)telemetry.RecordUsage({.usage_id = "run-1", .content = Content{.prompt = "hello"}});
  ASSERT_EQ(notebook->records.size(), 1u);
  EXPECT_FALSE(notebook->records[0].content.has_value());
}

TEST(Span, EndsOnceHoweverItEnds) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook);
  {
    Span span = telemetry.StartSpan("ended");
    span.End();
    span.End();
    span.Set("too", "late");
    EXPECT_EQ(notebook->ended.size(), 1u);
    span = telemetry.StartSpan("replaced");
    span = telemetry.StartSpan("moved");
    EXPECT_EQ(notebook->ended.size(), 2u);
    const Span moved = std::move(span);
  }
  ASSERT_EQ(notebook->ended.size(), 3u);
  EXPECT_EQ(notebook->ended[0].attributes.size(), 0u);
  EXPECT_EQ(notebook->ended[2].name, "moved");
}

TEST(Span, OutlivesItsTelemetry) {
  const auto notebook = std::make_shared<Notebook>();
  {
    Span span;
    { span = Telemetry(notebook).StartSpan("longer"); }
  }
  EXPECT_EQ(notebook->ended.size(), 1u);
}

TEST(Span, CarriesItsErrorAndThatOfAnException) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook);
  telemetry.StartSpan("given").Fail({.type = "timeout", .message = "no answer"});
  try {
    const Span unwound = telemetry.StartSpan("unwound");
    Span told = telemetry.StartSpan("told");
    told.Fail({.type = "quota"});
    throw std::runtime_error("out");
  } catch (const std::runtime_error&) {
    const Span after = telemetry.StartSpan("after");  // the exception is not this one's
  }
  ASSERT_EQ(notebook->ended.size(), 4u);
  EXPECT_EQ(notebook->ended[0].error->type, "timeout");
  EXPECT_EQ(notebook->ended[0].error->message, "no answer");
  EXPECT_EQ(notebook->ended[1].error->type, "quota");
  EXPECT_EQ(notebook->ended[2].name, "unwound");
  EXPECT_EQ(notebook->ended[2].error->type, "exception");
  EXPECT_FALSE(notebook->ended[3].error.has_value());
}

TEST(Telemetry, CountersAndGaugesComeWithTheirAttributes) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook);
  const std::vector<Attribute> many = {{"a", "1"}, {"b", "2"}};
  telemetry.Add("files", 2, many);
  telemetry.Set("depth", 0.5, {{"c", "3"}});
  EXPECT_THAT(notebook->numbers, ElementsAre(Pair("files", 2), Pair("depth", 0.5)));
  EXPECT_THAT(notebook->keys, ElementsAre("a", "b", "c"));
  EXPECT_EQ(telemetry.Stats().counts, 1u);
  EXPECT_EQ(telemetry.Stats().gauges, 1u);
}

TEST(Telemetry, UsageSaysWhatThePortSaid) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook);
  EXPECT_TRUE(telemetry.RecordUsage({.usage_id = "u1", .cost_nanousd = 5}).ok());
  EXPECT_TRUE(telemetry.RecordUsage([] { return RecordRequest{.usage_id = "u2"}; }).ok());
  ASSERT_EQ(notebook->records.size(), 2u);
  EXPECT_EQ(notebook->records[0].cost_nanousd, 5);
  EXPECT_EQ(notebook->records[1].usage_id, "u2");
  notebook->misbehave = [] { return Status(StatusCode::kResourceExhausted, "memory is full"); };
  EXPECT_EQ(telemetry.RecordUsage({}).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(telemetry.Flush(7ms).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(notebook->flushed_for, 7ms);
  const TelemetryStats stats = telemetry.Stats();
  EXPECT_EQ(stats.usage, 2u);
  EXPECT_EQ(stats.usage_failed, 1u);
  EXPECT_EQ(stats.last_error, "RESOURCE_EXHAUSTED: memory is full");
}

TEST(Telemetry, WhatAPortThrowsIsCaughtAndCounted) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook);
  for (const bool an_exception : {true, false}) {
    notebook->misbehave = [&]() -> Status {
      if (an_exception) throw std::runtime_error("the adapter broke");
      throw 42;
    };
    { const Span span = telemetry.StartSpan("search"); }  // both its ends throw
    telemetry.Add("files", 1);
    telemetry.Set("depth", 1);
    const Status recorded = telemetry.RecordUsage({.usage_id = "u"});
    EXPECT_EQ(recorded.code(), StatusCode::kInternal);
    EXPECT_THAT(recorded.message(), HasSubstr(an_exception ? "the adapter broke" : "threw"));
    EXPECT_EQ(telemetry.Flush(1s).code(), StatusCode::kInternal);
  }
  const TelemetryStats stats = telemetry.Stats();
  EXPECT_EQ(stats.threw, 12u);
  EXPECT_EQ(stats.failed, 6u);
  EXPECT_EQ(stats.usage_failed, 2u);
  EXPECT_EQ(stats.spans + stats.counts + stats.gauges + stats.usage, 0u);
  EXPECT_EQ(stats.last_error, "INTERNAL: the telemetry port threw");
}

TEST(Telemetry, WhatAPortHasNoHomeForIsCountedAsDropped) {
  const Telemetry telemetry(std::make_shared<TelemetryPort>());
  { const Span span = telemetry.StartSpan("search"); }
  telemetry.Add("files", 1);
  telemetry.Set("depth", 1);
  EXPECT_EQ(telemetry.RecordUsage({}).code(), StatusCode::kUnimplemented);
  EXPECT_TRUE(telemetry.Flush(1s).ok());
  const TelemetryStats stats = telemetry.Stats();
  EXPECT_EQ(stats.dropped, 3u);
  EXPECT_EQ(stats.failed, 0u);
  EXPECT_EQ(stats.usage_failed, 1u);  // money is never dropped in silence
}

// --- sampling ---

// By another implementation of the same two functions, in another language.
TEST(Sampling, EveryProcessHashesAlike) {
  EXPECT_EQ(internal::SamplingHash(""), 0xefd01f60ba992926u);
  EXPECT_EQ(internal::SamplingHash("a"), 0x82a2a958a9bece5bu);
  EXPECT_EQ(internal::SamplingHash(kTrace), 0xe668f55d97f2d8a8u);
  EXPECT_EQ(internal::SamplingHash("run-1"), 0xd10b865373848d2au);
  EXPECT_FALSE(internal::IsSampled(kTrace, 0.9));  // it is at 0.90004
  EXPECT_TRUE(internal::IsSampled(kTrace, 0.9001));
}

TEST(Sampling, KeepsThatPartAndWhatALowerRatioKeeps) {
  int kept_of_ten = 0;
  int kept_half = 0;
  for (int i = 0; i < 10000; ++i) {
    const std::string id = "trace-" + std::to_string(i);
    EXPECT_FALSE(internal::IsSampled(id, 0));
    EXPECT_FALSE(internal::IsSampled(id, std::nan("")));
    EXPECT_TRUE(internal::IsSampled(id, 1));
    const bool in_ten = internal::IsSampled(id, 0.1);
    const bool in_half = internal::IsSampled(id, 0.5);
    EXPECT_TRUE(in_half || !in_ten);
    kept_of_ten += in_ten ? 1 : 0;
    kept_half += in_half ? 1 : 0;
  }
  EXPECT_EQ(kept_of_ten, 978);  // of these ids, always
  EXPECT_EQ(kept_half, 4986);
}

TEST(Sampling, ATraceIsKeptOrDroppedAsAWhole) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook, 0.5);
  for (int i = 0; i < 200; ++i) {
    const Span parent = telemetry.StartSpan("up");
    const Span child = telemetry.StartSpan(parent.ids(), "down");
    const Span grandchild = child.StartSpan("further down");
    EXPECT_EQ(grandchild.ids().trace_id, parent.ids().trace_id);  // they know it all the same
  }
  std::map<std::string, int> spans_of;
  for (const SpanData& span : notebook->ended) ++spans_of[span.ids.trace_id];
  EXPECT_GT(spans_of.size(), 40u);
  EXPECT_LT(spans_of.size(), 160u);
  for (const auto& [trace, spans] : spans_of) EXPECT_EQ(spans, 3) << trace;
  EXPECT_EQ(notebook->started.size(), notebook->ended.size());
  EXPECT_EQ(telemetry.Stats().spans_sampled_out, 600 - notebook->ended.size());
}

TEST(Sampling, ARatioOfZeroKeepsAllMoneyAndNoContentOrSpans) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook, 0);
  for (int i = 0; i < 100; ++i) {
    Span span = telemetry.StartSpan("call");
    RecordRequest record{.usage_id = "u" + std::to_string(i),
                         .tokens = TokenUsage{.uncached_input_tokens = i},
                         .cost_nanousd = i,
                         .metadata_json = "{}",
                         .content = Content{.prompt = "the secret plan"}};
    if (i % 2 == 0) record.trace = span.ids();
    ASSERT_TRUE(telemetry.RecordUsage(std::move(record)).ok());
    telemetry.Add("calls", 1);
    telemetry.Set("depth", 1);
  }
  EXPECT_THAT(notebook->started, IsEmpty());
  EXPECT_THAT(notebook->ended, IsEmpty());
  EXPECT_EQ(notebook->numbers.size(), 200u);
  ASSERT_EQ(notebook->records.size(), 100u);
  for (int i = 0; i < 100; ++i) {
    const RecordRequest& record = notebook->records[static_cast<size_t>(i)];
    EXPECT_EQ(record.usage_id, "u" + std::to_string(i));
    EXPECT_EQ(record.cost_nanousd, i);
    EXPECT_EQ(record.tokens->uncached_input_tokens, i);
    EXPECT_EQ(record.metadata_json, "{}");
    EXPECT_EQ(record.trace.has_value(), i % 2 == 0);
    EXPECT_FALSE(record.content.has_value());
  }
  EXPECT_EQ(telemetry.Stats().usage, 100u);
  EXPECT_EQ(telemetry.Stats().contents_sampled_out, 100u);
  EXPECT_EQ(telemetry.Stats().spans_sampled_out, 100u);
}

TEST(Sampling, SpansThatAreUsageAreNeverSampledOut) {
  const auto notebook = std::make_shared<Notebook>();
  notebook->usage_kind = SpanKind::kTool;
  const Telemetry telemetry(notebook, 0);
  { const Span tool = telemetry.StartSpan("search", {}, SpanKind::kTool); }
  { const Span api = telemetry.StartSpan("search", {}, SpanKind::kApi); }
  ASSERT_EQ(notebook->ended.size(), 1u);
  EXPECT_EQ(notebook->ended[0].kind, SpanKind::kTool);
}

TEST(Sampling, ContentGoesWithItsTraceElseWithItsRecord) {
  const auto notebook = std::make_shared<Notebook>();
  const Telemetry telemetry(notebook, 0.9);
  const Content content{.prompt = "hello"};
  // kTrace is dropped at 0.9, run-1 (0.82) and run-2 (0.08) are kept.
  for (const char* id : {"run-1", kTrace}) {
    (void)telemetry.RecordUsage({.usage_id = id, .content = content});
    (void)telemetry.RecordUsage(
        {.usage_id = "run-2", .trace = TraceIds{.trace_id = id}, .content = content});
  }
  (void)telemetry.RecordUsage({.content = content});
  ASSERT_EQ(notebook->records.size(), 5u);
  EXPECT_TRUE(notebook->records[0].content && notebook->records[1].content);
  EXPECT_FALSE(notebook->records[2].content || notebook->records[3].content);
  EXPECT_EQ(notebook->records[4].usage_id.size(), 36u);  // drawn, so that it stays decided
}

TEST(Telemetry, ItsFiguresAddUpWithManyThreads) {
  const auto notebook = std::make_shared<Notebook>();
  std::atomic<int> asked = 0;
  notebook->misbehave = [&]() -> Status {
    const int n = ++asked;
    if (n % 7 == 0) throw std::runtime_error("now and then");
    return n % 5 == 0 ? Status(StatusCode::kUnavailable, "away") : Status();
  };
  const Telemetry telemetry(notebook, 0.5);
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&telemetry] {
      for (int i = 0; i < kEach; ++i) {
        const Span span = telemetry.StartSpan("s");
        telemetry.Add("c", 1);
        telemetry.Set("g", 1);
        (void)telemetry.RecordUsage({});
        (void)telemetry.Stats();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const TelemetryStats stats = telemetry.Stats();
  const uint64_t all = kThreads * kEach;
  EXPECT_EQ(stats.usage + stats.usage_failed, all);
  EXPECT_EQ(stats.usage + stats.usage_failed, notebook->records.size());
  EXPECT_EQ(stats.spans + stats.spans_sampled_out + stats.counts + stats.gauges + stats.failed,
            3 * all);
  EXPECT_GT(stats.threw, 0u);
}

}  // namespace
}  // namespace bursar
