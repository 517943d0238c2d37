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

absl::Status Within(absl::string_view outer, const absl::Status& status) {
  auto field = FieldOf(status);
  if (!field) return status;
  const char* dot = field->empty() ? "" : ".";
  return FieldError(absl::StrCat(outer, dot, *field), *Payload(status, kDescription));
}

absl::Status WithReason(absl::Status status, absl::string_view reason) {
  status.SetPayload(kReason, absl::Cord(reason));
  return status;
}

std::optional<std::string> ReasonOf(const absl::Status& status) { return Payload(status, kReason); }

}  // namespace bursar::usage
