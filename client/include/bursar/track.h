#pragma once

#include <bursar/guard.h>

#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

// Client::Track. Included by bursar/client.h and bursar/guard.h.
//
// What the tracked call used is
// - what it settled itself, by the guard it was given; else
// - what it returns, if that is TokenUsage, ProviderUsage or RecordRequest, or has a function
//   UsageOf(const Result&) in its own namespace that returns one of these; of a StatusOr, its
//   value;
// - else what was observed; else unknown, which charges what was held.
// A Status or StatusOr that is an error is recorded as the call's error, as Guard::Abort does.
namespace bursar {
namespace internal {

template <typename T>
struct IsStatusOr : std::false_type {};
template <typename T>
struct IsStatusOr<StatusOr<T>> : std::true_type {};

template <typename Result>
std::optional<RecordRequest> UsageIn(const Result& result) {
  if constexpr (std::same_as<Result, RecordRequest>) {
    return result;
  } else if constexpr (std::same_as<Result, TokenUsage>) {
    RecordRequest record;
    record.tokens = result;
    return record;
  } else if constexpr (std::same_as<Result, ProviderUsage>) {
    RecordRequest record;
    record.provider_usage = result;
    return record;
  } else if constexpr (IsStatusOr<Result>::value) {
    return UsageIn(*result);
  } else if constexpr (requires { UsageOf(result); }) {
    return UsageIn(UsageOf(result));
  } else {
    return std::nullopt;
  }
}

template <typename Call>
decltype(auto) CallWith(Guard& guard, Call&& call) {
  if constexpr (std::is_invocable_v<Call, Guard&>) {
    return std::invoke(std::forward<Call>(call), guard);
  } else {
    return std::invoke(std::forward<Call>(call));
  }
}

// What Track returns for a call that returns Result.
template <typename Result>
struct Tracked {
  using Type = StatusOr<Result>;
};
template <>
struct Tracked<void> {
  using Type = Status;
};
template <>
struct Tracked<Status> {
  using Type = Status;
};
template <typename T>
struct Tracked<StatusOr<T>> {
  using Type = StatusOr<T>;
};

// OK for a result that is no status.
template <typename Result>
Status StatusOf(const Result& result) {
  if constexpr (std::same_as<Result, Status>) {
    return result;
  } else if constexpr (IsStatusOr<Result>::value) {
    return result.status();
  } else {
    return {};
  }
}

CallError ErrorOf(const std::exception& error);
CallError ErrorOf(const Status& status);
// Settles unless the call did; nothing: what was observed, or unknown.
void FinishTracked(Guard& guard, std::optional<RecordRequest> used);

template <typename Result, typename Call>
typename Tracked<Result>::Type RunTracked(Guard& guard, Call&& call) {
  if constexpr (std::is_void_v<Result>) {
    CallWith(guard, std::forward<Call>(call));
    FinishTracked(guard, std::nullopt);
    return Status();
  } else {
    Result result = CallWith(guard, std::forward<Call>(call));
    if (const Status status = StatusOf(result); !status.ok()) {
      guard.Abort(ErrorOf(status));
      return result;
    }
    FinishTracked(guard, UsageIn(result));
    return result;
  }
}

}  // namespace internal

template <typename Call>
auto Client::Track(CheckRequest request, Call&& call) const {
  using Result = std::remove_cvref_t<decltype(internal::CallWith(std::declval<Guard&>(),
                                                                 std::forward<Call>(call)))>;
  using Answer = typename internal::Tracked<Result>::Type;
  Guard guard(*this, std::move(request));
  if (!guard.allowed()) return Answer(guard.denial());
  try {
    return internal::RunTracked<Result>(guard, std::forward<Call>(call));
  } catch (const std::exception& error) {
    guard.Abort(internal::ErrorOf(error));
    throw;
  } catch (...) {
    guard.Abort({.type = "unknown exception"});
    throw;
  }
}

template <typename Call>
auto Client::Track(Subject subject, Model model, Call&& call) const {
  CheckRequest request;
  request.subject = std::move(subject);
  request.model = std::move(model);
  request.tokens.emplace();
  return Track(std::move(request), std::forward<Call>(call));
}

}  // namespace bursar
