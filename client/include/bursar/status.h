#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bursar {

// The status codes of gRPC, with its numbers.
enum class StatusCode : int {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "UNAVAILABLE" and so on; "CODE_99" for a number that is none of them.
std::string StatusCodeName(StatusCode code);

// Which field of a request was wrong, and what would be right.
struct FieldViolation {
  std::string field;  // path within the request: "tokens.cache_read_tokens"
  std::string description;
};

// What the server says beside code and message; all of it may be absent.
struct StatusDetails {
  std::string reason;  // stable, UPPER_SNAKE_CASE, for programs
  std::vector<FieldViolation> field_violations;
  std::optional<std::chrono::nanoseconds> retry_delay;  // when to try again
};

// Whether a call went well, and if not, why.
//
// A copy costs one reference count; OK costs nothing. Immutable, so safe to read from many threads.
class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(StatusCode code, std::string message, StatusDetails details = {});

  bool ok() const { return error_ == nullptr; }
  StatusCode code() const { return ok() ? StatusCode::kOk : error_->code; }
  const std::string& message() const;
  const std::string& reason() const { return details().reason; }
  const std::vector<FieldViolation>& field_violations() const { return details().field_violations; }
  std::optional<std::chrono::nanoseconds> retry_delay() const { return details().retry_delay; }

  // "OK", or "UNAVAILABLE: the database cannot be reached".
  std::string ToString() const;

 private:
  struct Error {
    StatusCode code;
    std::string message;
    StatusDetails details;
  };
  const StatusDetails& details() const;

  std::shared_ptr<const Error> error_;
};

// Thrown by StatusOr::value() where there is no value: a bug of the caller, who did not look first.
class BadStatusAccess : public std::runtime_error {
 public:
  explicit BadStatusAccess(const Status& status) : std::runtime_error(status.ToString()) {}
};

// A value, or the status that says why there is none.
template <typename T>
class [[nodiscard]] StatusOr {
 public:
  StatusOr(T value)
      : content_(std::in_place_index<1>, std::move(value)) {}  // NOLINT: as a return value
  StatusOr(Status status)                                      // NOLINT: as a return value
      : content_(std::in_place_index<0>, std::move(status)) {
    if (std::get<0>(content_).ok()) {
      content_.template emplace<0>(StatusCode::kInternal,
                                   "an OK status was given instead of a value");
    }
  }

  bool ok() const { return content_.index() == 1; }
  Status status() const { return ok() ? Status() : std::get<0>(content_); }

  const T& value() const& {
    Require();
    return std::get<1>(content_);
  }
  T& value() & {
    Require();
    return std::get<1>(content_);
  }
  T&& value() && {
    Require();
    return std::get<1>(std::move(content_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

 private:
  void Require() const {
    if (!ok()) throw BadStatusAccess(std::get<0>(content_));
  }

  std::variant<Status, T> content_;
};

}  // namespace bursar
