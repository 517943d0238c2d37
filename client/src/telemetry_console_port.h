#pragma once

#include <bursar/telemetry_port.h>

#include <iosfwd>
#include <mutex>
#include <string>

namespace bursar::internal {

// Writes a line for each span that ends, count, gauge and record to a stream that outlives it; for
// people, or as JSON objects:
//
//     span search 850 ms tool index=docs trace=4bf9... span=00f0...  FAILED timeout: no answer
//     {"time":"2026-11-22T10:00:00.000Z","type":"count","name":"files","amount":1,...}
//
// Never what a record has of the conversation: content, metadata and the provider's own answer.
// Errors: UNAVAILABLE where the stream has failed.
class ConsolePort : public TelemetryPort {
 public:
  ConsolePort(std::ostream* out, bool json) : out_(out), json_(json) {}

  Status EndSpan(const SpanData& span) override;
  Status Add(std::string_view counter, double amount, Attributes attributes) override;
  Status Set(std::string_view gauge, double value, Attributes attributes) override;
  Status RecordUsage(RecordRequest record) override;

 private:
  Status Write(std::string line);

  std::mutex mutex_;
  std::ostream* const out_;
  const bool json_;
};

}  // namespace bursar::internal
