#include "ledger/lane.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fail_point.h"
#include "ledger/batch_runner.h"
#include "usage/field_error.h"

namespace bursar::ledger {
namespace {
constexpr absl::Duration kForgetIdle = absl::Minutes(10);
}

struct Lanes::Lane {
  explicit Lane(absl::string_view tenant) : memory(std::string(tenant)) {}

  std::deque<Item> queue;  // guarded by mutex_
  bool taken = false;      // guarded by mutex_: a worker runs it, or it waits in runnable_
  absl::Time report_due = absl::InfiniteFuture();  // guarded by mutex_: of memory.denials
  absl::Time idle_since;                           // guarded by mutex_
  LaneMemory memory;                               // of the worker that runs it
};

// One thread: takes a batch, runs it, answers it.
class Lanes::Worker {
 public:
  explicit Worker(Lanes& lanes) : lanes_(lanes), thread_([this] { Work(); }) {}
  ~Worker() { thread_.join(); }

  absl::CondVar wake;  // of an idle one

 private:
  void Work() {
    Batch batch;
    BatchRunner* runner = nullptr;
    while (Lane* lane = lanes_.TakeBatch(*this, batch, runner)) {
      RunBatch(*lane, batch, *runner);
      batch.clear();
    }
  }

  void RunBatch(Lane& lane, Batch& batch, BatchRunner& runner) {
    DropExpired(batch);
    std::vector<Operation> operations;
    operations.reserve(batch.size());
    for (Item& item : batch) operations.push_back(std::move(item.operation));
    std::vector<absl::StatusOr<Answer>> answers;
    std::vector<Id> overdue;
    if (!operations.empty()) {
      answers = runner.Run(lane.memory, operations);
      overdue = runner.FindOverdue(lane.memory, answers);
    }
    Batch waiting;
    if (!overdue.empty()) {
      waiting.push_back(Item{Expire{overdue}, absl::InfiniteFuture(), nullptr});
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      auto* check = answers[i].ok() ? std::get_if<CheckAnswer>(&*answers[i]) : nullptr;
      if (check != nullptr && batch[i].begun) check->settled = std::move(batch[i].settled);
      if (!overdue.empty() && check != nullptr && check->held()) {
        waiting.push_back(DecideAgain(std::move(batch[i]), std::move(operations[i]), *check));
        batch[i].done = nullptr;  // not answered yet
      } else if (check != nullptr) {
        CountDenial(lane, std::get<Check>(operations[i]), *check);
      }
    }
    std::vector<CostEvent> denials = lanes_.IsStopping()
                                         ? lane.memory.denials.TakeAll()
                                         : lane.memory.denials.TakeDue(lanes_.clock_.Now());
    if (!denials.empty()) {
      waiting.push_back(Item{Report{std::move(denials)}, absl::InfiniteFuture(), nullptr});
    }
    lanes_.PutBack(lane, runner, std::move(waiting));  // first, so that another worker can go on
#ifdef BURSAR_FAIL_POINTS
    if (const absl::Status lost = ReachFailPoint("before_answer"); !lost.ok()) {
      for (auto& answer : answers) answer = lost;
    }
#endif
    for (size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].done) batch[i].done(std::move(answers[i]));
    }
  }

  void CountDenial(Lane& lane, const Check& check, const CheckAnswer& answer) {
    const bool denied = answer.decision == Decision::kDeny && answer.reason != "RESERVATION_ENDED";
    if (denied && !check.dry_run) {
      lane.memory.denials.Add(check, answer, lanes_.clock_.Now());
    }
  }

  // A check that waits until overdue holds are ended. Its settle list has been kept already.
  static Item DecideAgain(Item item, Operation operation, CheckAnswer& denied) {
    std::get<Check>(operation).settle.clear();
    item.operation = std::move(operation);
    item.begun = true;
    item.settled = std::move(denied.settled);
    return item;
  }

  void DropExpired(Batch& batch) {
    const absl::Time now = lanes_.clock_.Now();
    std::erase_if(batch, [&](Item& item) {
      if (item.deadline > now || item.begun) return false;
      item.done(absl::DeadlineExceededError(
          "the deadline passed before the call's turn came; nothing was done"));
      return true;
    });
  }

  Lanes& lanes_;
  std::thread thread_;
};

int Lanes::Item::weight() const {
  if (auto* expire = std::get_if<Expire>(&operation)) {
    return std::max(static_cast<int>(expire->keys.size()), 1);
  }
  auto* check = std::get_if<Check>(&operation);
  return 1 + (check != nullptr ? static_cast<int>(check->settle.size()) : 0);
}

Lanes::Lanes(LaneOptions options, std::vector<std::unique_ptr<LedgerStore>> stores,
             pricing::PriceBooks& prices, metrics::Metrics& metrics, const Clock& clock)
    : options_(options), prices_(prices), metrics_(metrics), clock_(clock) {
  for (auto& store : stores) {
    runners_.push_back(
        std::make_unique<BatchRunner>(options_, std::move(store), prices_, metrics_, clock_));
  }
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& runner : runners_) free_runners_.push_back(runner.get());
  }
  while (workers_.size() < runners_.size()) workers_.push_back(std::make_unique<Worker>(*this));
}

Lanes::~Lanes() { Stop(); }

void Lanes::Submit(absl::string_view tenant, Operation operation, absl::Time deadline, Done done) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    auto& lane = lanes_[tenant];
    if (lane == nullptr) lane = std::make_unique<Lane>(tenant);
    refused = RefusalOf(*lane);
    if (refused.ok()) {
      lane->queue.push_back(Item{std::move(operation), deadline, std::move(done)});
      metrics_.QueueChanged(1);
      if (!lane->taken) MakeRunnable(*lane);
      return;
    }
  }
  if (done) done(refused);
}

absl::Status Lanes::RefusalOf(const Lane& lane) const {
  if (stopping_) return absl::UnavailableError("the server is stopping; try another replica");
  if (static_cast<int>(lane.queue.size()) < options_.queue_operations_max) return absl::OkStatus();
  return usage::WithReason(
      absl::ResourceExhaustedError(
          absl::StrCat(options_.queue_operations_max, " operations are waiting; try again later")),
      "QUEUE_FULL");
}

void Lanes::MakeRunnable(Lane& lane) {
  lane.taken = true;
  runnable_.push_back(&lane);
  if (idle_.empty()) return;
  idle_.back()->wake.Signal();
  idle_.pop_back();
}

Lanes::Lane* Lanes::TakeBatch(Worker& worker, Batch& batch, BatchRunner*& runner) {
  absl::MutexLock lock(&mutex_);
  while (runnable_.empty()) {
    if (stopping_) return nullptr;
    idle_.push_back(&worker);
    worker.wake.Wait(&mutex_);
    std::erase(idle_, &worker);  // if it woke by itself
  }
  Lane* lane = runnable_.front();
  runnable_.pop_front();
  runner = free_runners_.back();  // there is one for each worker
  free_runners_.pop_back();
  int weight = 0;
  batch.reserve(std::min<size_t>(lane->queue.size(), options_.batch_operations_max));
  while (!lane->queue.empty() && weight < options_.batch_operations_max) {
    weight += lane->queue.front().weight();
    batch.push_back(std::move(lane->queue.front()));
    lane->queue.pop_front();
  }
  metrics_.QueueChanged(-static_cast<int>(batch.size()));
  return lane;
}

void Lanes::PutBack(Lane& lane, BatchRunner& runner, Batch waiting) {
  absl::MutexLock lock(&mutex_);
  free_runners_.push_back(&runner);
  metrics_.QueueChanged(static_cast<int>(waiting.size()));
  lane.queue.insert(lane.queue.begin(), std::make_move_iterator(waiting.begin()),
                    std::make_move_iterator(waiting.end()));
  lane.taken = false;
  lane.report_due = lane.memory.denials.next_due();
  lane.idle_since = clock_.Now();
  if (!lane.queue.empty()) MakeRunnable(lane);
}

bool Lanes::IsStopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void Lanes::TendIdle() {
  const absl::Time now = clock_.Now();
  std::vector<std::unique_ptr<Lane>> forgotten;  // ends after the lock: it may be large
  absl::MutexLock lock(&mutex_);
  absl::erase_if(lanes_, [&](auto& entry) {
    const Lane& lane = *entry.second;
    const bool idle = !lane.taken && lane.report_due == absl::InfiniteFuture() &&
                      now - lane.idle_since > kForgetIdle;
    if (idle) forgotten.push_back(std::move(entry.second));
    return idle;
  });
  for (auto& [tenant, lane] : lanes_) {
    if (lane->taken || now < lane->report_due) continue;
    lane->queue.push_back(Item{Report{}, absl::InfiniteFuture(), nullptr});
    metrics_.QueueChanged(1);
    MakeRunnable(*lane);
  }
}

void Lanes::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (auto& [tenant, lane] : lanes_) {
      if (lane->taken || lane->report_due == absl::InfiniteFuture()) continue;
      lane->queue.push_back(Item{Report{}, absl::InfiniteFuture(), nullptr});
      metrics_.QueueChanged(1);
      MakeRunnable(*lane);
    }
    for (Worker* worker : idle_) worker->wake.Signal();
  }
  workers_.clear();
}

}  // namespace bursar::ledger
