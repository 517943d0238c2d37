#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Money is int64 nano-USD: 1 USD = 10^9. Prices are int64 nano-USD per 10^6 tokens. Neither ever
// passes through a double.
namespace bursar::pricing {

__extension__ typedef __int128 Int128;

inline constexpr int64_t kNanoUsdPerUsd = 1'000'000'000;

// "12.5" -> 12'500'000'000. Digits with at most one point and nine decimals; further decimals are
// rounded half-up when `rounded` is given (and then say so in it), else INVALID_ARGUMENT.
absl::StatusOr<int64_t> ParseUsd(absl::string_view decimal, bool* rounded = nullptr);

// 12'500'000'000 -> "12.50": at least two decimals, as many as it takes to be exact.
std::string FormatUsd(int64_t nanousd);

// numerator / denominator, rounded half-up; nullopt if the result does not fit int64. Both >= 0.
std::optional<int64_t> DivideHalfUp(Int128 numerator, int64_t denominator);

}  // namespace bursar::pricing
