// What telemetry costs the agent's thread: off (it must be at most 5 ns), and on. Not a test.
// Usage: port_bench [FLAGS OF GOOGLE BENCHMARK]

#include <benchmark/benchmark.h>
#include <bursar/telemetry.h>

#include <cstdlib>
#include <ostream>

namespace bursar {
namespace {

// Takes all and keeps nothing, so that only the way to a port is measured.
class Sink : public TelemetryPort {
 public:
  Status EndSpan(const SpanData&) override { return {}; }
  Status Add(std::string_view, double, Attributes) override { return {}; }
  Status Set(std::string_view, double, Attributes) override { return {}; }
  Status RecordUsage(RecordRequest) override { return {}; }
};

class NullBuffer : public std::streambuf {
  std::streamsize xsputn(const char*, std::streamsize bytes) override { return bytes; }
  int overflow(int c) override { return c; }
};

enum Which { kOff, kSink, kSampledOut, kConsole };

Telemetry Make(int64_t which) {
  static std::ostream nowhere(new NullBuffer);
  switch (which) {
    case kOff:  // as somebody has it who switched it off from outside
      ::setenv("BURSAR_DISABLED", "1", 1);
      return MakeTelemetry({.port = "console"});
    case kConsole:
      ::unsetenv("BURSAR_DISABLED");
      return MakeTelemetry({.port = "console", .console = &nowhere});
    default:
      return Telemetry(std::make_shared<Sink>(), which == kSampledOut ? 0 : 1);
  }
}

RecordRequest Sample() {
  return {.reservation_id = "0b6f2a1e-33f0-4a61-9f0f-0d5b3c9d1a77",
          .subject = {.project = "support", .user = "ada", .run = "run-2026-11-22-000042"},
          .model = {.provider = "anthropic", .name = "claude-sonnet-4-5-20250929"},
          .tokens = TokenUsage{.uncached_input_tokens = 4808, .visible_output_tokens = 310}};
}

void BM_Span(benchmark::State& state) {
  const Telemetry telemetry = Make(state.range(0));
  for (auto _ : state) {
    Span span = telemetry.StartSpan("search", {{"index", "documents"}, {"cached", "no"}});
    span.Set("rows", "17");
    benchmark::DoNotOptimize(span);
  }
}

void BM_ChildSpan(benchmark::State& state) {
  const Telemetry telemetry = Make(state.range(0));
  const Span parent = telemetry.StartSpan("answer");
  for (auto _ : state) {
    const Span span = parent.StartSpan("search");
    benchmark::DoNotOptimize(span);
  }
}

void BM_Counter(benchmark::State& state) {
  const Telemetry telemetry = Make(state.range(0));
  for (auto _ : state) {
    telemetry.Add("files_written", 1, {{"kind", "source"}});
    benchmark::ClobberMemory();
  }
}

void BM_Gauge(benchmark::State& state) {
  const Telemetry telemetry = Make(state.range(0));
  for (auto _ : state) {
    telemetry.Set("queue_depth", 17, {{"queue", "incoming"}});
    benchmark::ClobberMemory();
  }
}

// A record that there is already; on, it is copied each time.
void BM_Usage(benchmark::State& state) {
  const Telemetry telemetry = Make(state.range(0));
  RecordRequest record = Sample();
  for (auto _ : state) {
    if (telemetry.off()) {
      benchmark::DoNotOptimize(telemetry.RecordUsage(std::move(record)));
    } else {
      benchmark::DoNotOptimize(telemetry.RecordUsage(RecordRequest(record)));
    }
  }
}

void BM_UsageMadeWhenWanted(benchmark::State& state) {
  const Telemetry telemetry = Make(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(telemetry.RecordUsage(Sample));
}

// What the off figures contain of the loop itself.
void BM_Nothing(benchmark::State& state) {
  for (auto _ : state) benchmark::ClobberMemory();
}

void Variants(benchmark::internal::Benchmark* bench) {
  bench->ArgName("off0_sink1_sampled2_console3");
  for (const Which which : {kOff, kSink, kSampledOut, kConsole}) bench->Arg(which);
}

BENCHMARK(BM_Nothing);
BENCHMARK(BM_Span)->Apply(Variants);
BENCHMARK(BM_ChildSpan)->Apply(Variants);
BENCHMARK(BM_Counter)->Apply(Variants);
BENCHMARK(BM_Gauge)->Apply(Variants);
BENCHMARK(BM_Usage)->Apply(Variants);
BENCHMARK(BM_UsageMadeWhenWanted)->Apply(Variants);

}  // namespace
}  // namespace bursar

BENCHMARK_MAIN();
