#include "src/record_bytes.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "src/convert_requests.h"
#include "src/convert_types.h"

namespace bursar::internal {
namespace {

std::string Quoted(const std::string& text) {
  google::protobuf::Value value;
  value.set_string_value(text);
  std::string json;
  const auto written = google::protobuf::util::MessageToJsonString(value, &json);
  return written.ok() ? json : "\"(not UTF-8)\"";
}

// As JSON; as bytes where it has text that JSON cannot hold.
std::string Rendered(const v1::RecordUsageRequest& message) {
  google::protobuf::util::JsonPrintOptions names_of_the_api;
  names_of_the_api.preserve_proto_field_names = true;
  v1::RecordUsageRequest read;  // protobuf reads UTF-8 only
  const std::string bytes = message.SerializeAsString();
  std::string json;
  if (read.ParseFromString(bytes) &&
      google::protobuf::util::MessageToJsonString(message, &json, names_of_the_api).ok()) {
    return ",\"record\":" + json;
  }
  return ",\"record_hex\":\"" + absl::BytesToHexString(bytes) + "\"";
}

CallError FromProto(const v1::CallError& error) {
  return {.type = error.type(),
          .category = static_cast<CallError::Category>(error.category()),
          .severity = static_cast<CallError::Severity>(error.severity()),
          .message = error.message()};
}

void SetParts(const v1::RecordUsageRequest& message, RecordRequest* out) {
  if (message.has_tokens()) out->tokens = internal::FromProto(message.tokens());
  if (message.has_provider_usage()) {
    out->provider_usage = {message.provider_usage().api_flavor(), message.provider_usage().json()};
  }
  if (message.has_cost_nanousd()) out->cost_nanousd = message.cost_nanousd();
  if (message.has_occur_time()) out->occur_time = internal::FromProto(message.occur_time());
  if (message.has_latency()) out->latency = internal::FromProto(message.latency());
  if (message.has_time_to_first_token()) {
    out->time_to_first_token = internal::FromProto(message.time_to_first_token());
  }
  if (message.has_error()) out->error = FromProto(message.error());
  for (const v1::GuardrailHit& hit : message.guardrail_hits()) {
    out->guardrail_hits.push_back({hit.name(), hit.action(), hit.stage()});
  }
  if (message.has_trace()) {
    out->trace = {message.trace().trace_id(), message.trace().span_id(),
                  message.trace().parent_span_id()};
  }
  if (message.has_content()) {
    out->content = {message.content().prompt(), message.content().response()};
  }
}

size_t BytesOf(const std::string& text) { return text.size(); }

template <typename... Texts>
size_t BytesOfAll(const Texts&... texts) {
  return (BytesOf(texts) + ...);
}

constexpr size_t kNode = 96;  // a node of a std::map with a short key and value

size_t EntriesOf(const std::map<std::string, std::string>& map) {
  size_t bytes = map.size() * kNode;
  for (const auto& [key, value] : map) bytes += key.size() + value.size();
  return bytes;
}

size_t EntriesOf(const std::map<std::string, int64_t>& map) {
  size_t bytes = map.size() * kNode;
  for (const auto& [key, value] : map) bytes += key.size();
  return bytes;
}

}  // namespace

StatusOr<std::string> SerializeRecord(const RecordRequest& record) {
  v1::RecordUsageRequest message;
  if (Status status = ToProto(record, &message); !status.ok()) return status;
  std::string bytes = message.SerializeAsString();
  // A server could not read it either, and would refuse the whole batch.
  if (v1::RecordUsageRequest read; !read.ParseFromString(bytes)) {
    return Status(StatusCode::kInvalidArgument,
                  "usage " + record.usage_id + " has text that is not UTF-8");
  }
  return bytes;
}

std::optional<RecordRequest> ParseRecord(std::string_view bytes) {
  v1::RecordUsageRequest message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  RecordRequest out{.usage_id = message.usage_id(),
                    .reservation_id = message.reservation_id(),
                    .subject = FromProto(message.subject()),
                    .model = FromProto(message.model()),
                    .outcome = static_cast<Outcome>(message.outcome()),
                    .event_type = message.event_type(),
                    .step = message.step(),
                    .attempt = message.attempt(),
                    .provider_request_id = message.provider_request_id(),
                    .keep_reservation = message.keep_reservation(),
                    .estimated = message.estimated()};
  SetParts(message, &out);
  if (message.has_metadata()) {
    const auto written =
        google::protobuf::util::MessageToJsonString(message.metadata(), &out.metadata_json);
    if (!written.ok()) return std::nullopt;
  }
  return out;
}

size_t MemoryBytesOf(const RecordRequest& record) {
  const Subject& s = record.subject;
  const Model& m = record.model;
  size_t bytes = sizeof record;
  bytes += BytesOfAll(record.usage_id, record.reservation_id, record.event_type, record.step,
                      record.provider_request_id, record.metadata_json);
  bytes += BytesOfAll(s.project, s.team, s.user, s.agent, s.workflow, s.tool, s.run, s.parent_run,
                      s.root_run, m.provider, m.name, m.service_tier, m.region, m.requested_name,
                      m.account);
  bytes += EntriesOf(s.labels);
  if (record.tokens) {
    bytes += EntriesOf(record.tokens->other_tokens) + EntriesOf(record.tokens->billed_units);
  }
  if (record.provider_usage) bytes += record.provider_usage->json.size();
  if (record.trace) {
    bytes +=
        BytesOfAll(record.trace->trace_id, record.trace->span_id, record.trace->parent_span_id);
  }
  if (record.content) bytes += record.content->prompt.size() + record.content->response.size();
  if (record.error) bytes += record.error->type.size() + record.error->message.size();
  for (const GuardrailHit& hit : record.guardrail_hits) {
    bytes += sizeof hit + BytesOfAll(hit.name, hit.action, hit.stage);
  }
  return bytes;
}

std::string RefusalLine(const RecordRequest& record, const Status& why) {
  std::string line = "{\"time\":\"" +
                     google::protobuf::util::TimeUtil::ToString(
                         google::protobuf::util::TimeUtil::GetCurrentTime()) +
                     "\",\"usage_id\":" + Quoted(record.usage_id) +
                     ",\"code\":" + Quoted(StatusCodeName(why.code())) +
                     ",\"message\":" + Quoted(why.message());
  RecordRequest readable = record;
  v1::RecordUsageRequest message;
  if (!ToProto(readable, &message).ok()) {  // what hinders that stands beside the record
    message.Clear();
    line += ",\"metadata_text\":" + Quoted(std::exchange(readable.metadata_json, {}));
    if (readable.tokens && readable.provider_usage) {
      line += ",\"provider_usage_text\":" + Quoted(readable.provider_usage->json);
      readable.provider_usage.reset();
    }
    (void)ToProto(readable, &message);
  }
  return line + Rendered(message) + "}";
}

}  // namespace bursar::internal
