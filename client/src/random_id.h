#pragma once

#include <string>

namespace bursar::internal {

// A random UUID (version 4) as lower-case text of 36 characters. Thread-safe, and safe after fork.
std::string RandomUuid();

// W3C ids: 32 and 16 lower-case hex digits. As safe as RandomUuid.
std::string RandomTraceId();
std::string RandomSpanId();

}  // namespace bursar::internal
