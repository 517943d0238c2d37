#pragma once

#include <bursar/status.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace bursar::cli {

// All that is in the file `path`; "-" is standard input.
// Errors: FAILED_PRECONDITION for a file that cannot be read; INVALID_ARGUMENT where it is longer
// than `bytes_max`, whatever comes after.
StatusOr<std::string> ReadInput(const std::string& path, size_t bytes_max = SIZE_MAX);

// What messages call it: "standard input" of "-".
std::string InputName(const std::string& path);

}  // namespace bursar::cli
