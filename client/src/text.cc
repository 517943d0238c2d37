#include "src/text.h"

#include <cstdio>

namespace bursar::internal {
namespace {

// Cuts off rather than rounds: 59.999 s must not read "60.00 s".
std::string WithDecimals(int64_t whole, int64_t hundredths, const char* unit) {
  char text[48];
  std::snprintf(text, sizeof text, "%lld.%02lld %s", static_cast<long long>(whole),
                static_cast<long long>(hundredths), unit);
  return text;
}

std::string TwoParts(int64_t big, char big_unit, int64_t small, char small_unit) {
  char text[48];
  std::snprintf(text, sizeof text, "%lld%c %02lld%c", static_cast<long long>(big), big_unit,
                static_cast<long long>(small), small_unit);
  return text;
}

}  // namespace

std::string FormatCount(int64_t count) {
  std::string text = std::to_string(count);
  const size_t first_digit = count < 0 ? 1 : 0;
  for (size_t at = text.size(); at > first_digit + 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string FormatDuration(std::chrono::nanoseconds duration) {
  const int64_t us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  const int64_t ms = us / 1000;
  const int64_t s = ms / 1000;
  if (us < 0) return "-" + FormatDuration(-duration);
  if (us < 1000) return std::to_string(us) + " us";
  if (ms < 1000) return std::to_string(ms) + " ms";
  if (s < 60) return WithDecimals(s, ms % 1000 / 10, "s");
  if (s < 3600) return TwoParts(s / 60, 'm', s % 60, 's');
  if (s < 48 * 3600) return TwoParts(s / 3600, 'h', s / 60 % 60, 'm');
  return TwoParts(s / 86400, 'd', s / 3600 % 24, 'h');
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

}  // namespace bursar::internal
