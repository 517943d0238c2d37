#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bench/load.h"

namespace bursar::bench {

struct Options {
  absl::Duration duration = absl::Seconds(1);  // of each load in each round
  int rounds = 5;
  int64_t records = 10'000'000;  // of the measures of history
};

// What a measure found.
struct Outcome {
  double value = 0;                                       // held against the measure's goal
  std::vector<std::pair<std::string, LoadResult>> loads;  // that were compared: medians of rounds
  std::vector<std::pair<std::string, double>> values;     // what else there is to say, unit last
  std::string problem;  // why the value means nothing: calls failed, or were denied; empty: it does
};

// What all answers of a load must be, or it measured something else.
enum class Expect { kAdmitted, kDenied };

struct Side {
  std::string name;
  std::function<LoadResult()> run;
  Expect expect = Expect::kAdmitted;
};

// Of one round, in the order of the sides.
using Ratio = double (*)(const std::vector<LoadResult>& of_round);

// Runs each side once a round, forwards and backwards in turn, because machines are noisy and
// drift. The value is the median of the rounds' ratios; each side's figures are medians too.
Outcome Compare(int rounds, const std::vector<Side>& sides, Ratio ratio);

// The same of rounds that were run already: `results` has, for each side, one of each round.
Outcome OutcomeOf(const std::vector<Side>& sides,
                  const std::vector<std::vector<LoadResult>>& results, Ratio ratio);

double Throughput(const std::vector<LoadResult>& of_round);  // of the first against the second

// "" or what is wrong with a load.
std::string ProblemOf(const Side& side, const LoadResult& result);

double Median(std::vector<double> values);
LoadResult Median(const std::vector<LoadResult>& rounds);

}  // namespace bursar::bench
