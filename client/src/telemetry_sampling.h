#pragma once

#include <cstdint>
#include <string_view>

namespace bursar::internal {

// The hash that <bursar/telemetry.h> promises: FNV-1a with 64 bits, mixed by fmix64.
uint64_t SamplingHash(std::string_view id);

// Whether a trace, or what else has this id, belongs to that part of all. A ratio that is no number
// keeps nothing.
bool IsSampled(std::string_view id, double ratio);

}  // namespace bursar::internal
