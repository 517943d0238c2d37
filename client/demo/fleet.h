#pragma once

#include <bursar/client.h>

#include <atomic>
#include <random>
#include <string>
#include <vector>

#include "demo/agents.h"
#include "demo/screen.h"
#include "demo/stop_signal.h"
#include "demo/tally.h"
#include "demo/trace.h"

namespace bursar::demo {

// Agents at work, one thread each: run after run, step after step, every model call between a check
// and a record, until so many calls were made (or every budget is spent).
class FleetPlay {
 public:
  struct Options {
    int calls = 2000;
    uint64_t seed = 1;
  };

  FleetPlay(Client client, std::vector<RequestSize> sizes, Options options, Screen* screen,
            Tally* tally);

  // Plays to the end, or until `stop` comes; shows the progress meanwhile.
  void Play(StopSignal* stop);

 private:
  // Who makes a call, and the how many of the run it is.
  struct Step {
    const Agent& agent;
    Subject subject;
    int number = 0;
  };
  enum class After { kGoOn, kRetry, kEndRun };

  void PlayAgent(const Agent& agent, uint64_t seed);
  void PlayRun(const Agent& agent, const std::string& run, std::mt19937_64* random);
  After PlayCall(const Step& step, const RequestSize& size, int attempt, std::mt19937_64* random);
  void ReportDenial(const Step& step, const CheckResponse& response);
  void ReportRecord(const Step& step, const RecordResponse& response);
  std::string Progress() const;
  bool Over() const;

  Client client_;
  std::vector<RequestSize> sizes_;
  Options options_;
  Screen* screen_;
  Tally* tally_;
  std::atomic<size_t> next_size_;
  std::atomic<int> calls_left_;
  std::atomic<int> agents_at_work_ = 0;
  std::atomic<bool> stopped_ = false;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace bursar::demo
