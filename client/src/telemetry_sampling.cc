#include "src/telemetry_sampling.h"

#include <cmath>

namespace bursar::internal {

uint64_t SamplingHash(std::string_view id) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : id) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  // FNV's high bits hardly know the last characters, and ids of one's own often differ there alone.
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccd;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53;
  hash ^= hash >> 33;
  return hash;
}

bool IsSampled(std::string_view id, double ratio) {
  if (ratio >= 1) return true;
  if (!(ratio > 0)) return false;
  return SamplingHash(id) < static_cast<uint64_t>(std::ldexp(ratio, 64));
}

}  // namespace bursar::internal
