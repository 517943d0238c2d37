#pragma once

#include "bench/compare.h"

namespace bursar::bench {

// Nanoseconds to price one record with the models of a whole feed loaded.
Outcome PriceRecord(const Options& options);

}  // namespace bursar::bench
