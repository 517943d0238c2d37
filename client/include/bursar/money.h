#pragma once

#include <bursar/status.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace bursar {

// "$12.34", "$0.00015", "-$0.10": exact, with at least two decimals and no zeros after them.
std::string FormatUsd(int64_t nanousd);

// Reads "12.34", "$0.5" or ".000000001" exactly; never through a floating-point number.
// Errors: INVALID_ARGUMENT for text that is no amount, is negative, has more than 9 decimals or is
// more than 9223372036.854775807.
StatusOr<int64_t> ParseUsd(std::string_view text);

}  // namespace bursar
