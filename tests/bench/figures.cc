#include "bench/figures.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "bench/stage.h"

namespace bursar::bench {
namespace {

bool IsRatio(const Measure& measure) { return measure.unit == std::string("x"); }

bool Met(const Measure& measure, const Outcome& outcome) {
  if (!outcome.problem.empty() || !std::isfinite(outcome.value)) return false;
  return measure.goal == Goal::kAtMost ? outcome.value <= measure.must
                                       : outcome.value >= measure.must;
}

std::string Verdict(const Measure& measure, const Outcome& outcome) {
  if (!outcome.problem.empty()) return "INVALID";
  if (measure.goal == Goal::kNone) return "";
  return absl::StrFormat("%s %-5.4g %s", measure.goal == Goal::kAtMost ? "<=" : ">=", measure.must,
                         Met(measure, outcome) ? "met" : "MISSED");
}

void Print(const Measure& measure, const Outcome& outcome) {
  std::cout << absl::StreamFormat("%-22s %10.2f %-9s %-16s %s\n", measure.name, outcome.value,
                                  measure.unit, Verdict(measure, outcome), measure.what);
  for (const auto& [name, load] : outcome.loads) {
    std::cout << absl::StreamFormat("  %-20s %10.0f /s  p50 %d us  p99 %d us\n", name,
                                    load.calls_per_second, absl::ToInt64Microseconds(load.p50),
                                    absl::ToInt64Microseconds(load.p99));
  }
  std::vector<std::string> values;
  for (const auto& [name, value] : outcome.values) {
    values.push_back(absl::StrFormat(value < 100 ? "%s %.3g" : "%s %.0f", name, value));
  }
  if (!values.empty()) std::cout << "  " << absl::StrJoin(values, "  ") << "\n";
  if (!outcome.problem.empty()) std::cout << "  " << outcome.problem << "\n";
  std::cout.flush();
}

nlohmann::json JsonOf(const LoadResult& load) {
  return {{"per_second", std::round(load.calls_per_second)},
          {"p50_us", absl::ToInt64Microseconds(load.p50)},
          {"p99_us", absl::ToInt64Microseconds(load.p99)},
          {"calls", load.calls},
          {"denied", load.denied},
          {"failed", load.failed}};
}

nlohmann::json JsonOf(const Measure& measure, const Outcome& outcome) {
  nlohmann::json json = {{"what", measure.what}};
  json[IsRatio(measure) ? "ratio" : "value"] = outcome.value;
  if (!IsRatio(measure)) json["unit"] = measure.unit;
  if (measure.goal != Goal::kNone) {
    json["must"] = measure.must;
    json["at_most"] = measure.goal == Goal::kAtMost;
    json["met"] = Met(measure, outcome);
  }
  for (const auto& [name, load] : outcome.loads) json["loads"][name] = JsonOf(load);
  for (const auto& [name, value] : outcome.values) json[name] = value;
  if (!outcome.problem.empty()) json["problem"] = outcome.problem;
  return json;
}

// The measures asked for, in their own order; says which name there is not.
bool Choose(const Request& request, std::vector<Measure>& chosen) {
  std::vector<Measure> all = request.history ? HistoryMeasures() : Ratios();
  if (!request.history) {
    for (Measure& shape : Shapes()) all.push_back(std::move(shape));
  }
  auto named = [](const std::string& name) {
    return [&name](const Measure& measure) { return measure.name == name; };
  };
  for (const std::string& name : request.only) {
    if (std::any_of(all.begin(), all.end(), named(name))) continue;
    auto name_of = [](std::string* out, const Measure& measure) { out->append(measure.name); };
    std::cerr << "bursar-bench: --only: there is no measure \"" << name
              << "\"; there are: " << absl::StrJoin(all, ", ", name_of) << "\n";
    return false;
  }
  for (Measure& measure : all) {
    const auto& only = request.only;
    const bool asked = std::find(only.begin(), only.end(), measure.name) != only.end();
    if (asked || only.empty()) chosen.push_back(std::move(measure));
  }
  return true;
}

bool Write(const std::string& path, const nlohmann::json& json) {
  if (path.empty()) return true;
  std::ofstream file(path);
  file << json.dump(2) << "\n";
  file.flush();
  if (!file) std::cerr << "bursar-bench: --json: the file \"" << path << "\" cannot be written\n";
  return file.good();
}

}  // namespace

int Take(const Request& request) {
  std::vector<Measure> measures;
  if (!Choose(request, measures)) return 2;
  nlohmann::json json = nlohmann::json::object();
  if (!Write(request.json_path, json)) return 2;
  std::cout << absl::StreamFormat(
      "%d cores for servers, PostgreSQL and load; medians of %d rounds of %s\n\n",
      std::thread::hardware_concurrency(), request.options.rounds,
      absl::FormatDuration(request.options.duration));
  PrepareWal();
  bool all_measured = true;
  for (const Measure& measure : measures) {
    const Outcome outcome = measure.take(request.options);
    Print(measure, outcome);
    json[measure.name] = JsonOf(measure, outcome);
    all_measured = Write(request.json_path, json) && outcome.problem.empty() && all_measured;
  }
  return all_measured ? 0 : 1;
}

}  // namespace bursar::bench
