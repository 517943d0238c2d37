#pragma once

#include <string>
#include <vector>

#include "bench/compare.h"

namespace bursar::bench {

enum class Goal { kAtLeast, kAtMost, kNone };

// One row of the table.
struct Measure {
  std::string name;  // of --only and of the JSON
  std::string what;
  const char* unit = "x";  // of the value; "x": a ratio
  Goal goal = Goal::kNone;
  double must = 0;
  std::function<Outcome(const Options&)> take;
};

std::vector<Measure> Ratios();           // what Bursar must reach: p1, p2, ...
std::vector<Measure> HistoryMeasures();  // on millions of records: minutes each
std::vector<Measure> Shapes();           // loads for which others have published figures

struct Request {
  Options options;
  bool history = false;           // the measures of history instead of the others
  std::vector<std::string> only;  // "p1", ...; empty: all
  std::string json_path;
};

// Takes the measures one after the other, prints them as a table, and writes them as JSON after
// each: {"p1": {"ratio": 0.5, "must": 0.5, ...}, "fan_out_shared_200": {"per_second": ...}, ...}.
// The exit code: 0; 1 if something could not be measured; 2, with one sentence, if the request
// names a measure that there is not or a file that cannot be written.
int Take(const Request& request);

}  // namespace bursar::bench
