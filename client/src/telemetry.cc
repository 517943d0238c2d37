#include <bursar/enclosing_call.h>
#include <bursar/telemetry.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "src/random_id.h"
#include "src/telemetry_sampling.h"

namespace bursar {
namespace {

using Clock = std::chrono::steady_clock;
using Count = std::atomic<uint64_t>;

void Increase(Count& count) { count.fetch_add(1, std::memory_order_relaxed); }

// What decides whether a record's content is kept; draws a usage_id where there is nothing else.
std::string SamplingIdOf(RecordRequest* record) {
  if (record->trace && !record->trace->trace_id.empty()) return record->trace->trace_id;
  if (std::string around = CurrentCall().trace.trace_id; !around.empty()) return around;
  if (record->usage_id.empty()) record->usage_id = internal::RandomUuid();
  return record->usage_id;
}

// The last value of a key counts: twice in one object of metadata, the server would refuse it.
void Put(std::string_view key, std::string_view value,
         std::vector<std::pair<std::string, std::string>>* attributes) {
  for (auto& [known, its_value] : *attributes) {
    if (known == key) {
      its_value = value;
      return;
    }
  }
  attributes->emplace_back(key, value);
}

}  // namespace

struct Telemetry::State {
  State(std::shared_ptr<TelemetryPort> to, double ratio)
      : port(std::move(to)), sample_ratio(ratio) {}

  // What the port answers, whatever it throws: then INTERNAL. Throws nothing.
  template <typename Call>
  Status Guarded(Call call) noexcept;
  void Keep(const Status& error) noexcept;
  void Tally(const Status& answer, Count& taken) noexcept;

  const std::shared_ptr<TelemetryPort> port;
  const double sample_ratio;
  const Status no_memory{StatusCode::kInternal, "no memory is left"};  // made while there is some

  Count usage = 0, spans = 0, counts = 0, gauges = 0;
  Count usage_failed = 0, dropped = 0, failed = 0, threw = 0;
  Count spans_sampled_out = 0, contents_sampled_out = 0;
  mutable std::mutex mutex;
  Status last_error;
};

template <typename Call>
Status Telemetry::State::Guarded(Call call) noexcept {
  try {
    try {
      return call();
    } catch (const std::exception& error) {
      Increase(threw);
      return {StatusCode::kInternal, std::string("the telemetry port threw: ") + error.what()};
    } catch (...) {
      Increase(threw);
      return {StatusCode::kInternal, "the telemetry port threw"};
    }
  } catch (...) {  // there is not even memory to say so
    return no_memory;
  }
}

void Telemetry::State::Keep(const Status& error) noexcept {
  try {
    const std::lock_guard lock(mutex);
    last_error = error;
  } catch (...) {  // a mutex that cannot be locked: the figures still say it
  }
}

void Telemetry::State::Tally(const Status& answer, Count& taken) noexcept {
  if (answer.ok()) return Increase(taken);
  if (answer.code() == StatusCode::kUnimplemented) return Increase(dropped);
  Increase(failed);
  Keep(answer);
}

struct Span::Open {
  std::shared_ptr<Telemetry::State> state;
  SpanData data;
  Clock::time_point start;
  int exceptions = 0;  // that were under way when it began
  bool kept = false;   // not sampled out
};

Telemetry::Telemetry(std::shared_ptr<TelemetryPort> port, double sample_ratio) {
  if (port != nullptr) state_ = std::make_shared<State>(std::move(port), sample_ratio);
}

Span Telemetry::StartWhenOn(const TraceIds* parent, std::string_view name, Attributes attributes,
                            SpanKind kind) const noexcept {
  Span span;
  const Status started = state_->Guarded([&]() -> Status {
    std::unique_ptr<Span::Open> open = std::make_unique<Span::Open>();
    open->state = state_;
    TraceIds& ids = open->data.ids;
    const TraceIds above = parent == nullptr ? CurrentCall().trace : *parent;
    if (above.trace_id.empty()) {
      ids.trace_id = internal::RandomTraceId();
    } else {
      ids.trace_id = above.trace_id;
      ids.parent_span_id = above.span_id;
    }
    ids.span_id = internal::RandomSpanId();
    open->kept =
        internal::IsSampled(ids.trace_id, state_->sample_ratio) || state_->port->IsUsage(kind);
    if (open->kept) {
      open->data.name = name;
      open->data.kind = kind;
      for (const Attribute& each : attributes) {
        Put(each.key, each.value, &open->data.attributes);
      }
      open->data.start_time = std::chrono::system_clock::now();
    }
    open->exceptions = std::uncaught_exceptions();
    open->start = Clock::now();
    span.open_.reset(open.release());
    if (span.open_->kept) state_->port->StartSpan(span.open_->data);
    return {};
  });
  if (!started.ok()) state_->Keep(started);
  return span;
}

void Telemetry::AddWhenOn(std::string_view counter, double amount,
                          Attributes attributes) const noexcept {
  state_->Tally(state_->Guarded([&] { return state_->port->Add(counter, amount, attributes); }),
                state_->counts);
}

void Telemetry::SetWhenOn(std::string_view gauge, double value,
                          Attributes attributes) const noexcept {
  state_->Tally(state_->Guarded([&] { return state_->port->Set(gauge, value, attributes); }),
                state_->gauges);
}

Status Telemetry::RecordWhenOn(RecordRequest&& record) const noexcept {
  Status recorded = state_->Guarded([&] {
    if (record.content && !internal::IsSampled(SamplingIdOf(&record), state_->sample_ratio)) {
      record.content.reset();
      Increase(state_->contents_sampled_out);
    }
    return state_->port->RecordUsage(std::move(record));
  });
  if (recorded.ok()) {
    Increase(state_->usage);
  } else {
    Increase(state_->usage_failed);
    state_->Keep(recorded);
  }
  return recorded;
}

Status Telemetry::Flush(std::chrono::milliseconds timeout) const noexcept {
  if (off()) return {};
  Status flushed = state_->Guarded([&] { return state_->port->Flush(timeout); });
  if (!flushed.ok()) state_->Keep(flushed);
  return flushed;
}

TelemetryStats Telemetry::Stats() const {
  if (off()) return {};
  const State& state = *state_;
  const std::lock_guard lock(state.mutex);
  return {.usage = state.usage,
          .spans = state.spans,
          .counts = state.counts,
          .gauges = state.gauges,
          .usage_failed = state.usage_failed,
          .dropped = state.dropped,
          .failed = state.failed,
          .threw = state.threw,
          .last_error = state.last_error.ok() ? "" : state.last_error.ToString(),
          .spans_sampled_out = state.spans_sampled_out,
          .contents_sampled_out = state.contents_sampled_out};
}

Span Span::StartSpan(std::string_view name, Attributes attributes, SpanKind kind) const noexcept {
  if (open_ == nullptr) return {};
  Telemetry telemetry;
  telemetry.state_ = open_->state;
  return telemetry.StartWhenOn(&open_->data.ids, name, attributes, kind);
}

void Span::SetWhenOn(std::string_view key, std::string_view value) noexcept {
  if (!open_->kept) return;
  (void)open_->state->Guarded([&]() -> Status {
    Put(key, value, &open_->data.attributes);
    return {};
  });
}

void Span::Fail(CallError error) noexcept {
  if (open_ != nullptr) open_->data.error = std::move(error);
}

const TraceIds& Span::ids() const noexcept {
  static const TraceIds kNone;
  return open_ == nullptr ? kNone : open_->data.ids;
}

void Span::Ender::operator()(Open* open) const noexcept {
  const std::unique_ptr<Open> ended(open);
  Telemetry::State& state = *ended->state;
  if (!ended->kept) return Increase(state.spans_sampled_out);
  SpanData& data = ended->data;
  data.duration = Clock::now() - ended->start;
  const Status told = state.Guarded([&] {
    if (!data.error && std::uncaught_exceptions() > ended->exceptions) {
      data.error = {.type = "exception",
                    .category = CallError::Category::kUnexpected,
                    .severity = CallError::Severity::kError};
    }
    return state.port->EndSpan(data);
  });
  state.Tally(told, state.spans);
}

}  // namespace bursar
