#include <bursar/status.h>

#include <array>

namespace bursar {

std::string StatusCodeName(StatusCode code) {
  static constexpr std::array<std::string_view, 17> kNames = {"OK",
                                                              "CANCELLED",
                                                              "UNKNOWN",
                                                              "INVALID_ARGUMENT",
                                                              "DEADLINE_EXCEEDED",
                                                              "NOT_FOUND",
                                                              "ALREADY_EXISTS",
                                                              "PERMISSION_DENIED",
                                                              "RESOURCE_EXHAUSTED",
                                                              "FAILED_PRECONDITION",
                                                              "ABORTED",
                                                              "OUT_OF_RANGE",
                                                              "UNIMPLEMENTED",
                                                              "INTERNAL",
                                                              "UNAVAILABLE",
                                                              "DATA_LOSS",
                                                              "UNAUTHENTICATED"};
  const auto number = static_cast<size_t>(code);
  if (number < kNames.size()) return std::string(kNames[number]);
  return "CODE_" + std::to_string(static_cast<int>(code));
}

Status::Status(StatusCode code, std::string message, StatusDetails details) {
  if (code == StatusCode::kOk) return;
  error_ = std::make_shared<const Error>(Error{code, std::move(message), std::move(details)});
}

const std::string& Status::message() const {
  static const std::string kEmpty;
  return ok() ? kEmpty : error_->message;
}

const StatusDetails& Status::details() const {
  static const StatusDetails kNone;
  return ok() ? kNone : error_->details;
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  return StatusCodeName(code()) + ": " + message();
}

}  // namespace bursar
