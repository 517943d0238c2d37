#pragma once

#include <bursar/telemetry_port.h>

#include <functional>
#include <string>
#include <utility>

namespace bursar::internal {

// Usage to a Bursar server, and spans of tools and APIs as usage: see TelemetryOptions.
//
// `record` and `flush` are the client's; they keep what they are given safe, and answer why not.
class ClientPort : public TelemetryPort {
 public:
  using Record = std::function<Status(RecordRequest)>;
  using FlushRecords = std::function<Status(std::chrono::milliseconds timeout)>;

  ClientPort(Record record, FlushRecords flush, Subject subject)
      : record_(std::move(record)), flush_(std::move(flush)), subject_(std::move(subject)) {}

  Status EndSpan(const SpanData& span) override;
  Status RecordUsage(RecordRequest record) override { return record_(std::move(record)); }
  Status Flush(std::chrono::milliseconds timeout) override { return flush_(timeout); }
  bool IsUsage(SpanKind kind) const override { return kind != SpanKind::kStep; }

 private:
  RecordRequest UsageOf(const SpanData& span) const;

  const Record record_;
  const FlushRecords flush_;
  const Subject subject_;
};

}  // namespace bursar::internal
