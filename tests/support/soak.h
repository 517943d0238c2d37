#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace bursar::testing {

// BURSAR_SEED, else a random one. Prints it, so that a failure can be run again.
uint64_t Seed();

// BURSAR_SOAK=MINUTES makes the tests that break things run for so long each, and with more of
// everything; without it they take seconds.
bool Soaking();
absl::Duration HowLong(absl::Duration short_run);

}  // namespace bursar::testing
