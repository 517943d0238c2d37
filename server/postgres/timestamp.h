#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace bursar::postgres {

// A timestamptz as PostgreSQL's text, in UTC to the microsecond: "2026-11-22T12:00:00.123456Z". It
// has no blank and needs no quotes. InfiniteFuture is "infinity", InfinitePast "-infinity".
std::string FormatTimestamp(absl::Time time);

// Reads PostgreSQL's ISO output with any offset: "2026-11-22 12:00:00.123456+00". InfiniteFuture
// for "".
absl::Time ParseTimestamp(std::string_view text);

// What FormatTimestamp writes of that time, into `out`: without a detour where the text is in UTC.
void ToRfc3339(std::string_view text, std::string& out);

}  // namespace bursar::postgres
