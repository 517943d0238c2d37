#pragma once

#include <bursar/client.h>
#include <bursar/telemetry_port.h>

#include <utility>

namespace bursar::internal {

// Usage to a Bursar server, and spans of tools and APIs as usage: see TelemetryOptions::client.
// Errors: those of Client::RecordAsync and Client::Flush.
class ClientPort : public TelemetryPort {
 public:
  explicit ClientPort(Client client) : client_(std::move(client)) {}

  Status EndSpan(const SpanData& span) override;
  Status RecordUsage(RecordRequest record) override {
    return client_.RecordAsync(std::move(record));
  }
  Status Flush(std::chrono::milliseconds timeout) override { return client_.Flush(timeout); }
  bool IsUsage(SpanKind kind) const override { return kind != SpanKind::kStep; }

 private:
  const Client client_;
};

}  // namespace bursar::internal
