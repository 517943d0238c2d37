#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "clock.h"
#include "ledger/ledger_store.h"
#include "metrics/metrics.h"

namespace bursar::ledger {

class BatchRunner;

struct LaneOptions {
  int batch_operations_max = 512;   // of one transaction; each settled record and expiry is one
  int queue_operations_max = 8192;  // waiting, of one tenant; beyond: RESOURCE_EXHAUSTED
  // How long a batch that somebody else is always faster than is run again (ABORTED): a contended
  // tenant must not keep a worker from the others.
  absl::Duration contended_max = absl::Seconds(8);
  absl::Duration unavailable_max =
      absl::Seconds(2);  // how long a batch is tried again after UNAVAILABLE
  absl::Duration horizon = absl::Hours(24 * 45);
  bool go_by_memory = true;  // one round trip a batch where it can be; false: always the locked way
};

// Runs operations on tenants' ledgers, batched.
//
// Each active tenant has a lane: the operations that arrive while its last transaction is under way
// become its next one, up to `batch_operations_max`, in the order of arrival. There is no timer, so
// a lonely operation is never delayed. As many worker threads as stores take the lanes in turn,
// each batch with the free store that was used last; a lane has at most one transaction under way.
//
// A check that only expired holds would deny waits while they are expired, then is decided again.
//
// Errors: RESOURCE_EXHAUSTED: the tenant's queue is full. DEADLINE_EXCEEDED: the operation's
// deadline passed before its transaction began; nothing was done. UNAVAILABLE: the database cannot
// be reached; try again with the same id. NOT_FOUND: there is no such tenant. Others are those of
// the operation itself.
//
// Thread-safe. Callbacks run on worker threads and must not block; each is called exactly once, at
// the latest by Stop().
class Lanes {
 public:
  using Done = std::function<void(absl::StatusOr<Answer>)>;

  Lanes(LaneOptions options, std::vector<std::unique_ptr<LedgerStore>> stores,
        pricing::PriceBooks& prices, metrics::Metrics& metrics, const Clock& clock);
  ~Lanes();

  void Submit(absl::string_view tenant, Operation operation, absl::Time deadline, Done done);

  // To be called every second or so: writes what is known of denials and is due (DenialTally) in
  // lanes that are idle, and forgets lanes that were idle for ten minutes.
  void TendIdle();

  // Finishes what is queued, then stops the workers. What comes later is UNAVAILABLE.
  void Stop();

 private:
  struct Item {
    Operation operation;
    absl::Time deadline;
    Done done;
    // Of a check that waits for overdue holds to be ended: what became of its settle list.
    bool begun = false;
    std::vector<absl::StatusOr<RecordAnswer>> settled = {};

    int weight() const;  // in records, checks and expiries: what a batch is bounded in
  };
  using Batch = std::vector<Item>;
  struct Lane;
  class Worker;

  // Waits; nullptr once there is nothing left to do. Gives the runner to run the batch with, until
  // PutBack.
  Lane* TakeBatch(Worker& worker, Batch& batch, BatchRunner*& runner);
  void PutBack(Lane& lane, BatchRunner& runner, Batch waiting);
  bool IsStopping();
  absl::Status RefusalOf(const Lane& lane) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MakeRunnable(Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LaneOptions options_;
  pricing::PriceBooks& prices_;
  metrics::Metrics& metrics_;
  const Clock& clock_;

  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::unique_ptr<Lane>> lanes_ ABSL_GUARDED_BY(mutex_);
  std::deque<Lane*> runnable_ ABSL_GUARDED_BY(mutex_);
  // Of both the last one is taken first: its caches are warm. A worker gives its runner back before
  // it answers, so that a busy lane's next batch goes to the same backend of PostgreSQL again.
  std::vector<Worker*> idle_ ABSL_GUARDED_BY(mutex_);
  std::vector<BatchRunner*> free_runners_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<BatchRunner>> runners_;  // as many as workers
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace bursar::ledger
