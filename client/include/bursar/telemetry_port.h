#pragma once

#include <bursar/requests.h>
#include <bursar/status.h>
#include <bursar/types.h>

#include <chrono>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bursar {

// One property of a span, a counter or a gauge: views, so that a call site builds nothing.
struct Attribute {
  std::string_view key;
  std::string_view value;
};

// Some attributes, as a view: `{{"index", name}, {"cached", "yes"}}`, an array or a vector. What it
// is made of must outlive it, which arguments of a call do.
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<Attribute> list) : all_(list) {}  // NOLINT: as an argument
  Attributes(std::span<const Attribute> all) : all_(all) {}          // NOLINT
  Attributes(const std::vector<Attribute>& all) : all_(all) {}       // NOLINT

  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  size_t size() const { return all_.size(); }
  bool empty() const { return all_.empty(); }

 private:
  std::span<const Attribute> all_;
};

enum class SpanKind : int {
  kStep = 0,  // a part of the agent's own work
  kTool = 1,  // one call of a tool
  kApi = 2,   // one call of somebody's API, a model's excepted: that is usage
};

// One span, as a port sees it.
struct SpanData {
  std::string name;
  SpanKind kind = SpanKind::kStep;
  TraceIds ids;  // 32, 16 and 16 hex digits, unless the trace was begun elsewhere with other ones
  std::vector<std::pair<std::string, std::string>> attributes;  // in the order given, each key once
  Timestamp start_time;
  std::chrono::nanoseconds duration{0};  // 0 until it ends
  std::optional<CallError> error;        // what Span::Fail was given
};

// Where telemetry goes: what somebody writes who brings their own, and registers with
// RegisterTelemetryPort or gives to Telemetry's constructor (bursar/telemetry.h).
//
// Telemetry calls it on the agent's threads, so it should not wait. It decides what is sampled out
// before it calls, counts what becomes of each call, and catches what a port throws. The base class
// answers UNIMPLEMENTED to everything but StartSpan and Flush, so that a port says nothing of what
// it has no home for, and one written today still compiles when a method is added.
//
// Must be safe for use by many threads at once. Lives as long as a Telemetry or a Span that has it.
class TelemetryPort {
 public:
  virtual ~TelemetryPort() = default;

  // A span has begun; EndSpan gets the same ids. For ports that keep track of what is open.
  virtual void StartSpan(const SpanData& span);
  virtual Status EndSpan(const SpanData& span);

  virtual Status Add(std::string_view counter, double amount, Attributes attributes);
  virtual Status Set(std::string_view gauge, double value, Attributes attributes);

  // Money: OK only where the port has it safe, or as safe as its class comment says.
  virtual Status RecordUsage(RecordRequest record);

  // Waits until what came before is where it shall be. DEADLINE_EXCEEDED: it is not yet.
  virtual Status Flush(std::chrono::milliseconds timeout);

  // Whether this port makes usage of such a span. Usage is never sampled out, so neither are they.
  virtual bool IsUsage(SpanKind kind) const;
};

}  // namespace bursar
