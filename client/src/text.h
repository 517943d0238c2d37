#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

// Text that the library, the command and the demo write alike.
namespace bursar::internal {

// "1,234,567".
std::string FormatCount(int64_t count);

// "850 us", "850 ms", "1.25 s", "2m 05s", "3h 20m": two to four digits of what matters.
std::string FormatDuration(std::chrono::nanoseconds duration);

std::string_view Trim(std::string_view text);

}  // namespace bursar::internal
