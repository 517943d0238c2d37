#include <bursar/telemetry_port.h>

namespace bursar {
namespace {

// Made once: a port that has no home for something may be asked a million times a second.
const Status& NoHome() {
  static const Status* const status =
      new Status(StatusCode::kUnimplemented, "this port has no home for it");
  return *status;
}

}  // namespace

void TelemetryPort::StartSpan(const SpanData& span) { (void)span; }

Status TelemetryPort::EndSpan(const SpanData& span) {
  (void)span;
  return NoHome();
}

Status TelemetryPort::Add(std::string_view counter, double amount, Attributes attributes) {
  (void)counter;
  (void)amount;
  (void)attributes;
  return NoHome();
}

Status TelemetryPort::Set(std::string_view gauge, double value, Attributes attributes) {
  (void)gauge;
  (void)value;
  (void)attributes;
  return NoHome();
}

Status TelemetryPort::RecordUsage(RecordRequest record) {
  (void)record;
  return NoHome();
}

Status TelemetryPort::Flush(std::chrono::milliseconds timeout) {
  (void)timeout;
  return {};
}

bool TelemetryPort::IsUsage(SpanKind kind) const {
  (void)kind;
  return false;
}

}  // namespace bursar
