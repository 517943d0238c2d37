#include "rpc/grpc_status.h"

#include <algorithm>

#include "google/rpc/error_details.pb.h"
#include "usage/field_error.h"

namespace bursar::rpc {
namespace {

constexpr int kRetryAfterMs = 100;
constexpr char kSqlState[] = "type.bursar.dev/sqlstate";  // attached by server/postgres

constexpr size_t kMessageBytesMax = 2048;

// How many bytes of the front of `text` are one whole character; 0 if it was cut off.
size_t WholeCharacterBytes(absl::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  const size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 0;
  if (text.size() < bytes) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 0;
  }
  return bytes;
}

// An error may quote a value that was cut in the middle of a character: protobuf refuses such text,
// and the caller's client could not read the details.
std::string Readable(absl::string_view text) {
  std::string readable(text.substr(0, kMessageBytesMax));
  for (size_t i = 0; i < readable.size();) {
    const size_t bytes = WholeCharacterBytes(absl::string_view(readable).substr(i));
    if (bytes == 0) readable[i] = '?';
    i += std::max<size_t>(bytes, 1);
  }
  return readable;
}

}  // namespace

std::string MessageFor(const absl::Status& status) {
  const auto sqlstate = status.GetPayload(kSqlState);
  if (sqlstate && sqlstate->StartsWith("08")) {  // the reason names its host: that is for the log
    return "the database cannot be reached; try again with the same id";
  }
  absl::string_view message = status.message();
  if (sqlstate) message = message.substr(0, message.find(" (SQLSTATE "));
  return Readable(message);
}

int ToRpcCode(const absl::Status& status) { return static_cast<int>(status.code()); }

std::string CodeName(const absl::Status& status) { return absl::StatusCodeToString(status.code()); }

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message = MessageFor(status);
  google::rpc::Status details;
  details.set_code(ToRpcCode(status));
  details.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(usage::ReasonOf(status).value_or(CodeName(status)));
  info.set_domain("bursar");
  details.add_details()->PackFrom(info);
  if (auto field = usage::FieldOf(status)) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(Readable(*field));
    violation->set_description(message.substr(std::min(message.size(), field->size() + 2)));
    details.add_details()->PackFrom(bad_request);
  }
  if (absl::IsResourceExhausted(status) || absl::IsUnavailable(status)) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(kRetryAfterMs * 1'000'000);
    details.add_details()->PackFrom(retry);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(ToRpcCode(status)), message,
                      details.SerializeAsString());
}

}  // namespace bursar::rpc
