#include "fuzz/targets.h"

#include <cstdlib>
#include <iostream>
#include <utility>

namespace bursar::fuzz {

const std::vector<Target>& Targets() {
  static const auto* targets = [] {
    auto* all = new std::vector<Target>(PriceFormats());
    all->push_back(UsageJson());
    all->push_back(Requests());
    for (Target& each : Journals()) all->push_back(std::move(each));
    return all;
  }();
  return *targets;
}

void Expect(bool holds, std::string_view what) {
  if (holds) return;
  std::cerr << "does not hold: " << what << std::endl;
  std::abort();
}

}  // namespace bursar::fuzz
