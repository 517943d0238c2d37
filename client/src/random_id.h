#pragma once

#include <string>

namespace bursar::internal {

// A random UUID (version 4) as lower-case text of 36 characters. Thread-safe, and safe after fork.
std::string RandomUuid();

}  // namespace bursar::internal
