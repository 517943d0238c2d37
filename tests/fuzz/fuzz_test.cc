// Every parser of bytes from outside, on mutations of what it reads well. BURSAR_SEED replays a
// run, BURSAR_FUZZ_RUNS makes it longer; ./dev fuzz looks with the compiler's help.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "fuzz/mutation.h"
#include "fuzz/targets.h"
#include "support/soak.h"

namespace bursar::fuzz {
namespace {

int Runs() {
  const char* text = std::getenv("BURSAR_FUZZ_RUNS");
  return text == nullptr ? 20000 : std::atoi(text);
}

class Fuzz : public ::testing::TestWithParam<const char*> {};

TEST_P(Fuzz, NothingCrashesAndEveryPromiseHolds) {
  const auto target = std::find_if(Targets().begin(), Targets().end(),
                                   [](const Target& each) { return each.name == GetParam(); });
  ASSERT_NE(target, Targets().end());
  for (const std::string& seed : target->seeds) target->run(seed);
  std::mt19937_64 random(testing::Seed());
  const int runs = Runs();
  int changed = 0;
  for (int i = 0; i < runs; ++i) {
    const std::string input = Mutated(target->seeds, random);
    target->run(input);
    changed += std::count(target->seeds.begin(), target->seeds.end(), input) == 0 ? 1 : 0;
  }
  std::cout << target->name << ": " << target->seeds.size() << " seeds, " << runs << " mutations\n";
  EXPECT_GT(changed, runs / 2);
}

INSTANTIATE_TEST_SUITE_P(Targets, Fuzz,
                         ::testing::Values("usage_json", "prices_bursar", "prices_genai",
                                           "prices_litellm", "requests", "journal_segment",
                                           "journal_frames", "journal_record"),
                         [](const auto& target) { return std::string(target.param); });

// A broken promise is not overlooked.
TEST(FuzzDeathTest, WhatDoesNotHoldEndsTheProcess) {
  EXPECT_DEATH(Expect(false, "two is one"), "does not hold: two is one");
}

}  // namespace
}  // namespace bursar::fuzz
