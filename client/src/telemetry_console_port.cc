#include "src/telemetry_console_port.h"

#include <bursar/summary.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <cmath>
#include <ostream>

#include "src/convert_requests.h"
#include "src/telemetry_text.h"
#include "src/text.h"

namespace bursar::internal {
namespace {

constexpr size_t kTextBytesMax = 1024;  // of one name or value in a line for people

std::string Plain(std::string_view text) { return Printable(text, kTextBytesMax); }

// `key=value`, with the value in quotes where it would not read as one word.
std::string Pair(std::string_view key, std::string_view value) {
  const bool word = !value.empty() && value.find_first_of(" \t\r\n\"=\\") == std::string_view::npos;
  return " " + Plain(key) + "=" + (word ? Plain(value) : Quoted(value.substr(0, kTextBytesMax)));
}

std::string_view KindName(SpanKind kind) {
  if (kind == SpanKind::kTool) return "tool";
  return kind == SpanKind::kApi ? "api" : "step";
}

std::string Now() {
  using google::protobuf::util::TimeUtil;
  return TimeUtil::ToString(
      TimeUtil::MillisecondsToTimestamp(std::chrono::duration_cast<std::chrono::milliseconds>(
                                            std::chrono::system_clock::now().time_since_epoch())
                                            .count()));
}

// --- JSON ---

std::string Begin(std::string_view type) {
  return "{\"time\":\"" + Now() + "\",\"type\":\"" + std::string(type) + "\"";
}

std::string Field(std::string_view name, std::string_view value) {
  return ",\"" + std::string(name) + "\":" + Quoted(value);
}

std::string NumberField(std::string_view name, double value) {
  const std::string text = FormatNumber(value);
  return ",\"" + std::string(name) + "\":" + (std::isfinite(value) ? text : '"' + text + '"');
}

template <typename Pairs>
std::string AttributesField(const Pairs& pairs) {
  std::string out;
  for (const auto& [key, value] : pairs) {
    out += (out.empty() ? "" : ",") + Quoted(key) + ":" + Quoted(value);
  }
  return out.empty() ? out : ",\"attributes\":{" + out + "}";
}

std::string SpanAsJson(const SpanData& span) {
  std::string line =
      Begin("span") + Field("name", span.name) + Field("kind", KindName(span.kind)) +
      ",\"duration_us\":" + std::to_string(span.duration / std::chrono::microseconds(1)) +
      Field("trace_id", span.ids.trace_id) + Field("span_id", span.ids.span_id);
  if (!span.ids.parent_span_id.empty()) line += Field("parent_span_id", span.ids.parent_span_id);
  line += AttributesField(span.attributes);
  if (span.error) {
    line += ",\"error\":{\"type\":" + Quoted(span.error->type) +
            Field("message", span.error->message) + "}";
  }
  return line + "}";
}

StatusOr<std::string> RecordAsJson(const RecordRequest& record) {
  v1::RecordUsageRequest message;
  if (Status status = ToProto(record, &message); !status.ok()) return status;
  google::protobuf::util::JsonPrintOptions names_of_the_api;
  names_of_the_api.preserve_proto_field_names = true;
  std::string json;
  const auto written =
      google::protobuf::util::MessageToJsonString(message, &json, names_of_the_api);
  if (!written.ok()) {
    return Status(StatusCode::kInvalidArgument,
                  "usage " + record.usage_id + " has text that is not UTF-8");
  }
  return Begin("usage") + ",\"record\":" + json + "}";
}

// --- for people ---

std::string SpanAsText(const SpanData& span) {
  std::string line = "span " + Plain(span.name) + " " + FormatDuration(span.duration);
  if (span.kind != SpanKind::kStep) line += " " + std::string(KindName(span.kind));
  for (const auto& [key, value] : span.attributes) line += Pair(key, value);
  line += Pair("trace", span.ids.trace_id) + Pair("span", span.ids.span_id);
  if (!span.ids.parent_span_id.empty()) line += Pair("parent", span.ids.parent_span_id);
  if (!span.error) return line;
  line += " FAILED " + Plain(span.error->type);
  return span.error->message.empty() ? line : line + ": " + Plain(span.error->message);
}

std::string NumberAsText(std::string_view type, std::string_view name, const std::string& number,
                         Attributes attributes) {
  std::string line = std::string(type) + " " + Plain(name) + " " + number;
  for (const Attribute& each : attributes) line += Pair(each.key, each.value);
  return line;
}

std::string RecordAsText(const RecordRequest& record) {
  RecordResponse answer{.cost_nanousd = record.cost_nanousd.value_or(0),
                        .cost_basis = CostBasis::kDeclared,
                        .tokens = record.tokens.value_or(TokenUsage()),
                        .model = record.model,
                        .outcome = record.outcome,
                        .latency = record.latency,
                        .guardrail_hits = record.guardrail_hits};
  std::vector<SummaryField> fields = {SummaryField::kModel};
  if (record.tokens) fields.push_back(SummaryField::kTokens);
  if (record.cost_nanousd) fields.push_back(SummaryField::kCost);
  for (const SummaryField last :
       {SummaryField::kLatency, SummaryField::kOutcome, SummaryField::kGuardrails}) {
    fields.push_back(last);
  }
  std::string line = "usage";
  if (const std::string summary = FormatSummary(answer, fields); !summary.empty()) {
    line += " " + Plain(summary);
  }
  if (record.provider_usage) {
    line += Pair("provider_usage",
                 FormatCount(static_cast<int64_t>(record.provider_usage->json.size())) + " bytes");
  }
  for (const auto& [key, value] :
       {std::pair<std::string_view, const std::string&>("event", record.event_type),
        {"step", record.step},
        {"reservation", record.reservation_id},
        {"usage", record.usage_id}}) {
    if (!value.empty()) line += Pair(key, value);
  }
  return line;
}

}  // namespace

Status ConsolePort::EndSpan(const SpanData& span) {
  return Write(json_ ? SpanAsJson(span) : SpanAsText(span));
}

Status ConsolePort::Add(std::string_view counter, double amount, Attributes attributes) {
  if (!json_) {
    return Write(
        NumberAsText("count", counter, (amount < 0 ? "" : "+") + FormatNumber(amount), attributes));
  }
  return Write(Begin("count") + Field("name", counter) + NumberField("amount", amount) +
               AttributesField(attributes) + "}");
}

Status ConsolePort::Set(std::string_view gauge, double value, Attributes attributes) {
  if (!json_) return Write(NumberAsText("gauge", gauge, FormatNumber(value), attributes));
  return Write(Begin("gauge") + Field("name", gauge) + NumberField("value", value) +
               AttributesField(attributes) + "}");
}

Status ConsolePort::RecordUsage(RecordRequest record) {
  record.content.reset();
  record.metadata_json.clear();
  if (record.provider_usage && json_) record.provider_usage->json = "(not shown)";
  if (!json_) return Write(RecordAsText(record));
  const auto line = RecordAsJson(record);
  return line.ok() ? Write(*line) : line.status();
}

Status ConsolePort::Write(std::string line) {
  line.push_back('\n');
  const std::lock_guard lock(mutex_);
  out_->write(line.data(), static_cast<std::streamsize>(line.size()));
  out_->flush();
  if (*out_) return {};
  return {StatusCode::kUnavailable, "the console can no longer be written to"};
}

}  // namespace bursar::internal
