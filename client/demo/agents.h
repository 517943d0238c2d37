#pragma once

#include <bursar/types.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "demo/trace.h"

namespace bursar::demo {

// One agent of the fleet: what it runs on and how long its runs are.
struct Agent {
  std::string name;
  std::string team;
  Model model;
  int steps_min = 1;
  int steps_max = 1;
  int64_t max_output_tokens = 0;
  std::chrono::milliseconds first_token{0};  // of its model: until the answer begins,
  std::chrono::microseconds per_token{0};    // and for each token of it
};

// The eight agents that the demo plays.
std::vector<Agent> Fleet();

// What a simulated model call came to.
struct SimulatedCall {
  bool failed = false;
  CallError error;    // where it failed
  TokenUsage tokens;  // where it didn't
  std::chrono::nanoseconds latency{0};
};

// Who starts a run: a few users start most of them.
std::string DrawUser(std::mt19937_64* random);

// Plays one model call of the given size. `step` counts from 0: later steps find a part of their
// prompt in the provider's cache.
SimulatedCall Simulate(const Agent& agent, const RequestSize& size, int step,
                       std::mt19937_64* random);

}  // namespace bursar::demo
