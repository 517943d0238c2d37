#include "usage/field_error.h"

#include "absl/strings/str_cat.h"

namespace bursar::usage {
namespace {

constexpr char kField[] = "bursar/field";
constexpr char kDescription[] = "bursar/description";
constexpr char kReason[] = "bursar/reason";

std::optional<std::string> Payload(const absl::Status& status, const char* key) {
  auto payload = status.GetPayload(key);
  if (!payload) return std::nullopt;
  return std::string(*payload);
}

}  // namespace

absl::Status FieldError(absl::string_view field, absl::string_view description) {
  absl::Status status = absl::InvalidArgumentError(absl::StrCat(field, ": ", description));
  status.SetPayload(kField, absl::Cord(field));
  status.SetPayload(kDescription, absl::Cord(description));
  return status;
}

std::optional<std::string> FieldOf(const absl::Status& status) { return Payload(status, kField); }

absl::string_view Shortened(absl::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  // In UTF-8 the second and later bytes of a character are 10xxxxxx.
  while (bytes_max > 0 && (text[bytes_max] & 0xC0) == 0x80) --bytes_max;
  return text.substr(0, bytes_max);
}

absl::Status Within(absl::string_view outer, const absl::Status& status) {
  auto field = FieldOf(status);
  if (!field) return status;
  const bool joined = field->empty() || field->front() == '[';
  const char* dot = joined ? "" : ".";
  return FieldError(absl::StrCat(outer, dot, *field), *Payload(status, kDescription));
}

absl::Status WithReason(absl::Status status, absl::string_view reason) {
  status.SetPayload(kReason, absl::Cord(reason));
  return status;
}

std::optional<std::string> ReasonOf(const absl::Status& status) { return Payload(status, kReason); }

}  // namespace bursar::usage
