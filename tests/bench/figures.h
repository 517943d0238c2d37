#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace bursar::bench {

struct Options {
  absl::Duration duration = absl::Seconds(5);  // of each load
  std::vector<std::string> only;               // "p1", ...; empty: all
  std::string json_path;
};

// Measures the figures one after the other, prints them as a table, and writes them as JSON:
// {"p1": {"ratio": 0.5, "must": 0.5, ...}, ...}. 0, or 1 if something could not be measured.
int MeasureAll(const Options& options);

}  // namespace bursar::bench
