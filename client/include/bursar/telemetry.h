#pragma once

#include <bursar/client.h>
#include <bursar/requests.h>
#include <bursar/status.h>
#include <bursar/telemetry_port.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bursar {

// What became of what was told. One moment's figures.
struct TelemetryStats {
  uint64_t usage = 0;  // records, spans, additions and settings that the port took
  uint64_t spans = 0;
  uint64_t counts = 0;
  uint64_t gauges = 0;

  uint64_t usage_failed = 0;  // RecordUsage answered an error
  uint64_t dropped = 0;       // spans, counts and gauges that the port has no home for
  uint64_t failed = 0;        // spans, counts and gauges that it could not take
  uint64_t threw = 0;         // calls of the port, of whatever kind, that ended in an exception
  std::string last_error;     // of all these but the dropped

  uint64_t spans_sampled_out = 0;
  uint64_t contents_sampled_out = 0;  // the records themselves were not
};

class Span;

// What an agent tells of itself: spans, counters, gauges and usage, to one TelemetryPort.
//
//     const bursar::Telemetry telemetry = bursar::MakeTelemetry({.client = client});
//     bursar::Span span = telemetry.StartSpan("search", {{"index", name}}, SpanKind::kTool);
//     if (!found) span.Fail({.type = "timeout", .category = CallError::Category::kTimeout});
//     telemetry.Add("files_written", 1);
//     (void)telemetry.RecordUsage({.reservation_id = hold, .tokens = reply.tokens});
//
// Off, which is how it is when made without a port, every call is a test of one pointer: nothing is
// copied, drawn or allocated. On, nothing is thrown into the agent: what the port throws is caught,
// counted, and RecordUsage answers INTERNAL.
//
// `sample_ratio` is the part of the traces, 0 to 1, whose spans are kept, and with them the content
// (prompt and response) of usage records. A record of usage is kept whatever the ratio, and so is a
// span that the port makes usage of; counters and gauges as well. A trace is kept where
//     fmix64(FNV-1a of the bytes of its trace id, 64 bits) < sample_ratio * 2^64,
// fmix64 being MurmurHash3's, so that every process of any language decides alike, and what a ratio
// keeps, a higher one keeps too. A record with content and no trace id is decided by its usage_id.
//
// A span and a record without a trace of their own belong to that of CurrentCall()
// (bursar/enclosing_call.h): so those made inside a Guard are in the same trace as its call.
//
// Safe for use by many threads at once; a copy is cheap and shares the port and its figures.
class Telemetry {
 public:
  Telemetry() = default;  // off
  explicit Telemetry(std::shared_ptr<TelemetryPort> port, double sample_ratio = 1);

  bool off() const { return state_ == nullptr; }

  // Begins a trace, if there is none around it; or goes on with one of another process.
  Span StartSpan(std::string_view name, Attributes attributes = {},
                 SpanKind kind = SpanKind::kStep) const noexcept;
  Span StartSpan(const TraceIds& parent, std::string_view name, Attributes attributes = {},
                 SpanKind kind = SpanKind::kStep) const noexcept;

  void Add(std::string_view counter, double amount, Attributes attributes = {}) const noexcept {
    if (!off()) AddWhenOn(counter, amount, attributes);
  }
  void Set(std::string_view gauge, double value, Attributes attributes = {}) const noexcept {
    if (!off()) SetWhenOn(gauge, value, attributes);
  }

  // Errors: those of the port; INTERNAL where it threw. OK when off.
  Status RecordUsage(RecordRequest&& record) const noexcept {
    return off() ? Status() : RecordWhenOn(std::move(record));
  }

  // The same for a record that is only made when it is wanted:
  //     (void)telemetry.RecordUsage([&] { return RecordRequest{.subject = me, ...}; });
  template <std::invocable Make>
  Status RecordUsage(Make&& make) const {
    return off() ? Status() : RecordWhenOn(std::forward<Make>(make)());
  }

  // Waits until the port has put away what it was given. DEADLINE_EXCEEDED: it has not yet.
  Status Flush(std::chrono::milliseconds timeout) const noexcept;

  TelemetryStats Stats() const;  // zeros when off

 private:
  friend class Span;
  struct State;

  Span StartWhenOn(const TraceIds* parent, std::string_view name, Attributes attributes,
                   SpanKind kind) const noexcept;
  void AddWhenOn(std::string_view counter, double amount, Attributes attributes) const noexcept;
  void SetWhenOn(std::string_view gauge, double value, Attributes attributes) const noexcept;
  Status RecordWhenOn(RecordRequest&& record) const noexcept;

  std::shared_ptr<State> state_;  // null: off
};

// A stretch of time with a name, in a trace. Ends with End, with the destructor, or when another
// span is moved into it; one that an exception ends, and that has no error yet, fails with the type
// "exception".
//
// A span that is off (of a Telemetry that is) has no ids, and all its calls do nothing; one that is
// sampled out has ids, for its children and for RecordRequest::trace.
//
// For one thread at a time. Depends on nobody's lifetime.
class Span {
 public:
  Span() = default;  // off

  Span StartSpan(std::string_view name, Attributes attributes = {},
                 SpanKind kind = SpanKind::kStep) const noexcept;

  void Set(std::string_view key, std::string_view value) noexcept {
    if (open_ != nullptr) SetWhenOn(key, value);
  }
  void Fail(CallError error) noexcept;  // the last one given counts
  void End() noexcept { open_.reset(); }

  // For RecordRequest::trace, and for what is called: its parent_span_id is this span_id.
  const TraceIds& ids() const noexcept;

 private:
  friend class Telemetry;
  struct Open;
  struct Ender {
    void operator()(Open* open) const noexcept;
  };
  void SetWhenOn(std::string_view key, std::string_view value) noexcept;

  std::unique_ptr<Open, Ender> open_;  // null: off, or ended
};

inline Span Telemetry::StartSpan(std::string_view name, Attributes attributes,
                                 SpanKind kind) const noexcept {
  return off() ? Span() : StartWhenOn(nullptr, name, attributes, kind);
}

inline Span Telemetry::StartSpan(const TraceIds& parent, std::string_view name,
                                 Attributes attributes, SpanKind kind) const noexcept {
  return off() ? Span() : StartWhenOn(&parent, name, attributes, kind);
}

// Everything that can be set about telemetry, with its default.
struct TelemetryOptions {
  // "client", "console", "none", or a name that was registered. Empty: the environment's
  // BURSAR_TELEMETRY; where that is not set, "client" with a client and "none" without one.
  std::string port;

  double sample_ratio = 1;  // of traces and content, 0 to 1

  // For "client"; absent: one that connects as ClientOptionsFromEnvironment says. Usage goes to its
  // RecordAsync. A span whose kind is given becomes usage: one record for each tool or API call, of
  // event_type "tool_call" or "api_call" with the span's name as its step (and a tool's as `tool`),
  // at a declared cost of 0, with the latency, the error, and the attributes as metadata. An
  // attribute that is called like a field of Subject ("run", "user", "agent", ...) or "label:NAME"
  // is put there instead. Other spans, counters and gauges have no home on the server yet: they are
  // dropped, and counted as such.
  std::optional<Client> client;

  // For "console": a line for each span that ends, counter, gauge and record, without the record's
  // content, metadata and provider_usage. It only shows: usage is not sent anywhere.
  std::ostream* console = nullptr;  // null: stderr; else it must outlive all of this
  bool console_json = false;        // each line a JSON object
};

using TelemetryPortMaker =
    std::function<StatusOr<std::unique_ptr<TelemetryPort>>(const TelemetryOptions&)>;

// Makes a port known under a name, for the whole process; before MakeTelemetry, on any thread.
// Errors: INVALID_ARGUMENT for an empty name or maker; ALREADY_EXISTS for a name that is taken.
Status RegisterTelemetryPort(const std::string& name, TelemetryPortMaker make);

// Makes the port that the options name, or Telemetry that is off: where BURSAR_DISABLED is 1, where
// no such port is known, and where its maker fails or throws. It never fails the agent.
//
// What went wrong (INVALID_ARGUMENT for an unknown name or a ratio outside 0 to 1, which is moved
// to the nearest; else what the maker said) is put into `problem`; without one, it is a line on
// stderr. BURSAR_DISABLED is no problem.
Telemetry MakeTelemetry(const TelemetryOptions& options = {}, Status* problem = nullptr);

}  // namespace bursar
