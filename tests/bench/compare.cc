#include "bench/compare.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace bursar::bench {
namespace {

absl::Duration Median(const std::vector<LoadResult>& rounds, absl::Duration LoadResult::*field) {
  std::vector<absl::Duration> all;
  for (const LoadResult& round : rounds) all.push_back(round.*field);
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

LoadResult Median(const std::vector<LoadResult>& rounds) {
  LoadResult median;
  std::vector<double> rates;
  for (const LoadResult& round : rounds) {
    rates.push_back(round.calls_per_second);
    median.calls += round.calls;  // these are sums
    median.failed += round.failed;
    median.denied += round.denied;
    median.took += round.took;
    if (!round.failure.empty()) median.failure = round.failure;
  }
  median.calls_per_second = Median(std::move(rates));
  median.p50 = Median(rounds, &LoadResult::p50);
  median.p99 = Median(rounds, &LoadResult::p99);
  return median;
}

std::string ProblemOf(const Side& side, const LoadResult& result) {
  const bool denied = side.expect == Expect::kDenied;
  if (result.calls == 0) return absl::StrCat(side.name, ": no call was answered in time");
  if (result.failed > 0) {
    return absl::StrCat(side.name, ": ", result.failed, " of ", result.calls,
                        " calls failed: ", result.failure);
  }
  if (result.denied == (denied ? result.calls : 0)) return "";
  return absl::StrCat(side.name, ": ", result.denied, " of ", result.calls,
                      " checks were denied; it should have been ", denied ? "all" : "none");
}

double Throughput(const std::vector<LoadResult>& of_round) {
  return of_round[0].calls_per_second / of_round[1].calls_per_second;
}

Outcome OutcomeOf(const std::vector<Side>& sides,
                  const std::vector<std::vector<LoadResult>>& results, Ratio ratio) {
  std::vector<double> ratios;
  for (size_t round = 0; round < results[0].size(); ++round) {
    std::vector<LoadResult> of_round;
    for (const auto& of_side : results) of_round.push_back(of_side[round]);
    ratios.push_back(ratio(of_round));
  }
  Outcome outcome{.value = Median(std::move(ratios))};
  for (size_t i = 0; i < sides.size(); ++i) {
    outcome.loads.emplace_back(sides[i].name, Median(results[i]));
    if (outcome.problem.empty()) outcome.problem = ProblemOf(sides[i], outcome.loads[i].second);
  }
  return outcome;
}

Outcome Compare(int rounds, const std::vector<Side>& sides, Ratio ratio) {
  const size_t count = sides.size();
  std::vector<std::vector<LoadResult>> results(count);
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < count; ++i) {
      const size_t side = round % 2 == 0 ? i : count - 1 - i;
      results[side].push_back(sides[side].run());
    }
  }
  return OutcomeOf(sides, results, ratio);
}

}  // namespace bursar::bench
