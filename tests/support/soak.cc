#include "support/soak.h"

#include <cstdlib>
#include <iostream>
#include <random>

namespace bursar::testing {
namespace {

double SoakMinutes() {
  const char* text = std::getenv("BURSAR_SOAK");
  return text == nullptr ? 0 : std::strtod(text, nullptr);
}

}  // namespace

uint64_t Seed() {
  const char* text = std::getenv("BURSAR_SEED");
  const uint64_t seed = text == nullptr ? std::random_device{}() : std::strtoull(text, nullptr, 10);
  std::cout << "BURSAR_SEED=" << seed << std::endl;
  return seed;
}

bool Soaking() { return SoakMinutes() > 0; }

absl::Duration HowLong(absl::Duration short_run) {
  return Soaking() ? absl::Minutes(SoakMinutes()) : short_run;
}

}  // namespace bursar::testing
