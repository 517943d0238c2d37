#include <bursar/money.h>

#include <limits>

namespace bursar {
namespace {

constexpr int kDecimals = 9;
constexpr uint64_t kNanosPerUsd = 1'000'000'000;

Status NotAnAmount(std::string_view text, std::string_view why) {
  return {StatusCode::kInvalidArgument, "\"" + std::string(text) + "\" " + std::string(why) +
                                            "; an amount in US dollars like 0.12 would be right"};
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string FormatUsd(int64_t nanousd) {
  // Negated as unsigned, so that the smallest int64 works too.
  const uint64_t magnitude =
      nanousd < 0 ? 0 - static_cast<uint64_t>(nanousd) : static_cast<uint64_t>(nanousd);
  std::string decimals = std::to_string(magnitude % kNanosPerUsd);
  decimals.insert(0, kDecimals - decimals.size(), '0');
  while (decimals.size() > 2 && decimals.back() == '0') decimals.pop_back();
  return (nanousd < 0 ? "-$" : "$") + std::to_string(magnitude / kNanosPerUsd) + "." + decimals;
}

StatusOr<int64_t> ParseUsd(std::string_view text) {
  std::string_view rest = text;
  if (!rest.empty() && rest.front() == '-') return NotAnAmount(text, "is negative");
  if (!rest.empty() && rest.front() == '$') rest.remove_prefix(1);

  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  uint64_t nanousd = 0;
  int digits = 0;
  int decimals = -1;  // -1: before the point
  for (const char c : rest) {
    if (c == '.' && decimals < 0) {
      decimals = 0;
      continue;
    }
    if (!IsDigit(c)) return NotAnAmount(text, "is no amount");
    if (decimals == kDecimals) return NotAnAmount(text, "has more than 9 decimals");
    if (decimals >= 0) ++decimals;
    ++digits;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (nanousd > (kMax - digit) / 10) return NotAnAmount(text, "is too much");
    nanousd = nanousd * 10 + digit;
  }
  if (digits == 0) return NotAnAmount(text, "is no amount");
  for (int i = decimals < 0 ? 0 : decimals; i < kDecimals; ++i) {
    if (nanousd > kMax / 10) return NotAnAmount(text, "is too much");
    nanousd *= 10;
  }
  return static_cast<int64_t>(nanousd);
}

}  // namespace bursar
