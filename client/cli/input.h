#pragma once

#include <bursar/status.h>

#include <string>

namespace bursar::cli {

// All that is in the file `path`; "-" is standard input.
// Errors: FAILED_PRECONDITION for a file that cannot be read.
StatusOr<std::string> ReadInput(const std::string& path);

}  // namespace bursar::cli
