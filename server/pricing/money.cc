#include "pricing/money.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace bursar::pricing {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

absl::Status NotAnAmount(absl::string_view decimal) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", decimal.substr(0, 40),
                   "\" is not an amount in USD: digits with at most nine decimals, like 12.50"));
}

}  // namespace

absl::StatusOr<int64_t> ParseUsd(absl::string_view decimal, bool* rounded) {
  constexpr int kDecimals = 9;
  Int128 nanousd = 0;
  int decimals = -1;  // digits seen after the point; -1 before it
  bool any_digit = false, round_up = false, lost = false;
  for (char c : decimal) {
    if (c == '.' && decimals < 0) {
      decimals = 0;
      continue;
    }
    if (!IsDigit(c)) return NotAnAmount(decimal);
    any_digit = true;
    if (decimals >= kDecimals) {
      if (decimals == kDecimals) round_up = c >= '5';
      lost |= c != '0';
      ++decimals;
      continue;
    }
    nanousd = nanousd * 10 + (c - '0');
    if (decimals >= 0) ++decimals;
    if (nanousd > std::numeric_limits<int64_t>::max()) return NotAnAmount(decimal);
  }
  if (!any_digit || (lost && rounded == nullptr)) return NotAnAmount(decimal);
  for (int i = decimals < 0 ? 0 : decimals; i < kDecimals; ++i) nanousd *= 10;
  nanousd += round_up ? 1 : 0;
  if (nanousd > std::numeric_limits<int64_t>::max()) return NotAnAmount(decimal);
  if (rounded != nullptr) *rounded = lost;
  return static_cast<int64_t>(nanousd);
}

std::string FormatUsd(int64_t nanousd) {
  const bool negative = nanousd < 0;
  const uint64_t magnitude =
      negative ? ~static_cast<uint64_t>(nanousd) + 1 : static_cast<uint64_t>(nanousd);
  std::string text = absl::StrFormat("%s%d.%09d", negative ? "-" : "", magnitude / kNanoUsdPerUsd,
                                     magnitude % kNanoUsdPerUsd);
  const size_t shortest = text.find('.') + 3;
  while (text.size() > shortest && text.back() == '0') text.pop_back();
  return text;
}

std::optional<int64_t> DivideHalfUp(Int128 numerator, int64_t denominator) {
  const Int128 quotient = (numerator + denominator / 2) / denominator;
  if (quotient > std::numeric_limits<int64_t>::max()) return std::nullopt;
  return static_cast<int64_t>(quotient);
}

}  // namespace bursar::pricing
