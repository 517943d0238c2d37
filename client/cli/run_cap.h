#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "cli/server.h"

namespace bursar::cli {

// Which run is meant, and what keeps it apart from others.
struct CappedRun {
  std::string id;
  // Runs that it starts count too, unless it is itself a part of a run: then its root is that
  // run's, and its cap holds for what names it as its run.
  std::string parent;  // empty: none
  std::string root;

  std::string dimension() const { return parent.empty() ? "root_run" : "run"; }
  std::string budget_id() const { return "run-" + id; }
};

// What was spent so far, in nano-USD.
struct CapStanding {
  int64_t spent = 0;
  int64_t limit = 0;
  // Another budget with less room than the cap: its id and what is left there.
  std::optional<std::pair<std::string, int64_t>> tighter;
};

// The cap of one run: an ordinary hard budget over its whole life, for as long as the run lasts.
class RunCap {
 public:
  RunCap(Server& server, CappedRun run) : server_(server), run_(std::move(run)) {}

  const CappedRun& run() const { return run_; }

  // Errors: those of CreateBudget.
  Status Create(int64_t limit_nanousd, const std::vector<int>& warn_percents);
  // Errors: NOT_FOUND where somebody deleted the cap; those of GetBudgetStatus.
  StatusOr<CapStanding> Look(std::chrono::nanoseconds timeout) const;
  // How many calls the run made. Errors: those of QueryCosts.
  StatusOr<int64_t> CountCalls() const;
  // What was spent stays in the history.
  Status Delete();

 private:
  Server& server_;
  const CappedRun run_;
  google::protobuf::Timestamp create_time_;
};

// Looks at a cap once a second in a thread of its own, and has something to say about it. The
// other functions are for one thread.
class CapWatch {
 public:
  // `cap` outlives this.
  CapWatch(const RunCap& cap, Server& server, std::vector<int> warn_percents);
  ~CapWatch();
  CapWatch(const CapWatch&) = delete;
  CapWatch& operator=(const CapWatch&) = delete;

  // What is to be told since the last time, a sentence each: warnings, each percentage once; a
  // server that goes away, and when it is back.
  std::vector<std::string> TakeSentences();
  // Set once the limit is spent, with what was.
  std::optional<CapStanding> exhausted() const;

 private:
  void Run();
  // False when it is to end.
  bool Pause();
  void Judge(const StatusOr<CapStanding>& standing);
  void JudgeStanding(const CapStanding& standing);

  const RunCap& cap_;
  Server& server_;
  std::set<int> percents_;  // not warned at yet
  bool away_ = false;
  bool told_of_tighter_ = false;
  mutable std::mutex mutex_;
  std::condition_variable stopping_;
  bool stop_ = false;
  std::vector<std::string> sentences_;
  std::optional<CapStanding> exhausted_;
  std::thread thread_;
};

}  // namespace bursar::cli
