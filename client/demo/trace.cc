#include "demo/trace.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <random>

#include "cli/parse.h"
#include "src/text.h"

namespace bursar::demo {
namespace {

constexpr double kContextMedian = 1500;
constexpr double kContextSigma = 0.9;
constexpr int64_t kContextMax = 7500;
constexpr double kGeneratedMedian = 13;
constexpr double kGeneratedSigma = 1.1;
constexpr int64_t kGeneratedMax = 2000;

int64_t Draw(std::mt19937_64* random, double median, double sigma, int64_t max) {
  std::lognormal_distribution<double> shape(std::log(median), sigma);
  return std::clamp<int64_t>(std::llround(shape(*random)), 1, max);
}

}  // namespace

StatusOr<std::vector<RequestSize>> LoadTrace(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Status(StatusCode::kNotFound, "there is no trace file " + path);
  std::vector<RequestSize> sizes;
  std::string line;
  std::getline(file, line);  // the titles
  for (int number = 2; std::getline(file, line); ++number) {
    if (internal::Trim(line).empty()) continue;
    const std::vector<std::string> cells = cli::SplitCommas(line);
    const auto context = cli::ParseCount(cells.size() == 3 ? cells[1] : "");
    const auto generated = cli::ParseCount(cells.size() == 3 ? cells[2] : "");
    if (!context.ok() || !generated.ok()) {
      return Status(StatusCode::kInvalidArgument,
                    path + " line " + std::to_string(number) +
                        ": TIMESTAMP,ContextTokens,GeneratedTokens would be right");
    }
    sizes.push_back({*context, *generated});
  }
  if (sizes.empty()) {
    return Status(StatusCode::kInvalidArgument, "the trace file " + path + " has no rows");
  }
  return sizes;
}

std::vector<RequestSize> DrawTrace(uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  std::vector<RequestSize> sizes;
  for (int i = 0; i < count; ++i) {
    const int64_t context = Draw(&random, kContextMedian, kContextSigma, kContextMax);
    sizes.push_back({context, Draw(&random, kGeneratedMedian, kGeneratedSigma, kGeneratedMax)});
  }
  return sizes;
}

}  // namespace bursar::demo
