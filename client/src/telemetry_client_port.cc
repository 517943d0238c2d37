#include "src/telemetry_client_port.h"

#include <algorithm>

#include "src/telemetry_text.h"

namespace bursar::internal {
namespace {

// The server's bounds: what is longer would have the whole record refused.
constexpr size_t kDimensionBytesMax = 256;
constexpr size_t kErrorMessageBytesMax = 4096;
constexpr size_t kMetadataBytesMax = 8192;
constexpr size_t kMetadataEntryBytes = 16;  // what an entry has beside key and value, as a message
constexpr size_t kLabelsMax = 16;
constexpr size_t kLabelKeyBytesMax = 64;
constexpr std::chrono::hours kLatencyMax{24 * 7};
constexpr std::string_view kLabel = "label:";

std::string Dimension(std::string_view text) { return Printable(text, kDimensionBytesMax); }

std::string* FieldOf(std::string_view name, Subject* subject) {
  const std::pair<std::string_view, std::string*> fields[] = {
      {"project", &subject->project},   {"team", &subject->team},
      {"user", &subject->user},         {"agent", &subject->agent},
      {"workflow", &subject->workflow}, {"tool", &subject->tool},
      {"run", &subject->run},           {"parent_run", &subject->parent_run},
      {"root_run", &subject->root_run},
  };
  const auto* const found = std::find_if(std::begin(fields), std::end(fields),
                                         [&](const auto& field) { return field.first == name; });
  return found == std::end(fields) ? nullptr : found->second;
}

// Whether it was put there.
bool PutIntoSubject(std::string_view key, std::string_view value, Subject* subject) {
  if (std::string* const field = FieldOf(key, subject)) {
    *field = Dimension(value);
    return true;
  }
  if (!key.starts_with(kLabel) || key.size() == kLabel.size()) return false;
  const std::string label = Printable(key.substr(kLabel.size()), kLabelKeyBytesMax);
  if (subject->labels.size() >= kLabelsMax && subject->labels.count(label) == 0) return false;
  subject->labels[label] = Dimension(value);
  return true;
}

// Attributes that belong to no field, as one object; those that no longer fit are left out.
class Metadata {
 public:
  void Add(std::string_view key, std::string_view value) {
    const size_t bytes = key.size() + value.size() + kMetadataEntryBytes;
    if (bytes_ + bytes > kMetadataBytesMax) return;
    bytes_ += bytes;
    json_ += (json_.empty() ? "{" : ",") + Quoted(key) + ":" + Quoted(value);
  }
  std::string json() const { return json_.empty() ? "" : json_ + "}"; }

 private:
  size_t bytes_ = 0;
  std::string json_;
};

RecordRequest UsageOf(const SpanData& span) {
  RecordRequest record{.cost_nanousd = 0,
                       .outcome = span.error ? Outcome::kFailed : Outcome::kSucceeded,
                       .occur_time = span.start_time,
                       .event_type = span.kind == SpanKind::kTool ? "tool_call" : "api_call",
                       .step = Dimension(span.name),
                       .error = span.error,
                       .trace = span.ids};
  record.latency = std::clamp<std::chrono::nanoseconds>(span.duration, {}, kLatencyMax);
  Metadata metadata;
  for (const auto& [key, value] : span.attributes) {
    if (!PutIntoSubject(key, value, &record.subject)) metadata.Add(key, value);
  }
  record.metadata_json = metadata.json();
  if (span.kind == SpanKind::kTool && record.subject.tool.empty()) {
    record.subject.tool = record.step;
  }
  if (record.error) {
    record.error->type = Dimension(record.error->type);
    record.error->message = Printable(record.error->message, kErrorMessageBytesMax);
  }
  return record;
}

}  // namespace

Status ClientPort::EndSpan(const SpanData& span) {
  if (!IsUsage(span.kind)) return TelemetryPort::EndSpan(span);
  return client_.RecordAsync(UsageOf(span));
}

}  // namespace bursar::internal
