#include "demo/agents.h"

#include <algorithm>
#include <iterator>

namespace bursar::demo {
namespace {

using namespace std::chrono_literals;

constexpr double kFailureShare = 0.03;  // about what providers' status pages admit on a bad day
constexpr double kCachedShareMax = 0.7;

Model Named(const char* provider, const char* name) { return {.provider = provider, .name = name}; }

double Fraction(std::mt19937_64* random) {
  return std::uniform_real_distribution<double>(0, 1)(*random);
}

CallError DrawError(std::mt19937_64* random) {
  using Category = CallError::Category;
  const CallError errors[] = {
      {"rate_limit_exceeded", Category::kRateLimit, CallError::Severity::kWarning, "HTTP 429"},
      {"overloaded_error", Category::kProvider, CallError::Severity::kError, "HTTP 529"},
      {"timeout", Category::kTimeout, CallError::Severity::kError, "no answer in 60 s"},
  };
  return errors[(*random)() % std::size(errors)];
}

}  // namespace

std::vector<Agent> Fleet() {
  return {
      {"researcher", "insight", Named("openai", "gpt-4o"), 15, 60, 512, 450ms, 11ms},
      {"coder", "platform", Named("anthropic", "claude-sonnet-4"), 30, 120, 1024, 900ms, 16ms},
      {"reviewer", "platform", Named("anthropic", "claude-opus-4-1"), 15, 60, 512, 1400ms, 25ms},
      {"planner", "insight", Named("openai", "gpt-4o"), 4, 15, 512, 450ms, 11ms},
      {"analyst", "insight", Named("google", "gemini-2.5-pro"), 10, 40, 512, 700ms, 9ms},
      {"summarizer", "support", Named("google", "gemini-2.5-flash"), 3, 15, 256, 250ms, 5ms},
      {"concierge", "support", Named("openai", "gpt-4o-mini"), 5, 30, 256, 300ms, 7ms},
      {"extractor", "support", Named("openai", "gpt-4o-mini"), 3, 10, 256, 300ms, 7ms},
  };
}

std::string DrawUser(std::mt19937_64* random) {
  static constexpr const char* kUsers[] = {"ada",    "alan",     "annie",   "barbara",   "claude",
                                           "donald", "edsger",   "frances", "grace",     "hedy",
                                           "james",  "joan",     "john",    "katherine", "ken",
                                           "linus",  "margaret", "niklaus", "radia",     "tim"};
  constexpr size_t kCount = std::size(kUsers);
  // The square pulls towards the front: the first fifth of the users start almost half of all runs.
  const double pulled = Fraction(random);
  return kUsers[std::min(kCount - 1, static_cast<size_t>(pulled * pulled * kCount))];
}

SimulatedCall Simulate(const Agent& agent, const RequestSize& size, int step,
                       std::mt19937_64* random) {
  SimulatedCall call;
  const double pace = 0.7 + 0.8 * Fraction(random);  // no two calls are equally fast
  call.latency = std::chrono::duration_cast<std::chrono::nanoseconds>(agent.first_token * pace);
  if (Fraction(random) < kFailureShare) {
    call.failed = true;
    call.error = DrawError(random);
    return call;
  }
  const int64_t output = std::min(size.generated_tokens, agent.max_output_tokens);
  const double cached_share = step == 0 ? 0 : kCachedShareMax * Fraction(random);
  call.tokens.cache_read_tokens =
      static_cast<int64_t>(cached_share * static_cast<double>(size.context_tokens));
  call.tokens.uncached_input_tokens = size.context_tokens - call.tokens.cache_read_tokens;
  call.tokens.visible_output_tokens = output;
  call.latency += std::chrono::duration_cast<std::chrono::nanoseconds>(
      agent.per_token * (pace * static_cast<double>(output)));
  return call;
}

}  // namespace bursar::demo
