#include "ledger/batch_runner.h"

#include <algorithm>

#include "fail_point.h"
#include "log.h"
#include "status_macros.h"

namespace bursar::ledger {
namespace {

constexpr absl::Duration kBelieveNextExpiry = absl::Seconds(1);
constexpr size_t kLookedMax = 10'000;
// How far the database's clock may be from our guess of it.
constexpr absl::Duration kClockTolerance = absl::Seconds(1);
constexpr int kLockedAfterConflict = 50;  // batches
constexpr size_t kOlderBooksMax = 16;

// Attempts that only learned something (a window, a budget) go on at once; real contention waits a
// little.
absl::Duration PauseAfter(int attempt) {
  if (attempt < 4) return absl::ZeroDuration();
  return absl::Milliseconds(std::min(1 << (attempt - 4), 32));
}

// What the transaction's outcome rests on beyond the rows that it writes itself.
Expectations ExpectationsOf(const LaneMemory& memory, const State& state,
                            std::span<const Operation> operations, const Changes& changes) {
  Expectations expected{.book_epoch = memory.book.epoch,
                        .earliest = std::max(state.now - kClockTolerance, changes.window_start),
                        .latest = std::min(state.now + kClockTolerance, changes.window_end)};
  for (const Operation& operation : operations) {
    auto* check = std::get_if<Check>(&operation);
    if (check != nullptr && !check->dry_run &&
        !changes.inserted_reservations.contains(check->key)) {
      expected.absent_reservations.push_back(check->key);
    }
  }
  for (const auto& [id, counter] : state.counters) {
    if (!changes.counters.contains(id)) expected.unchanged.emplace_back(id, counter.version);
  }
  return expected;
}

}  // namespace

absl::StatusOr<BatchRunner::Answers> BatchRunner::TryRemembered(
    LaneMemory& memory, std::span<const Operation> operations) {
  const absl::Time begin = clock_.Now();
  const auto prices = prices_.Of(memory.tenant());
  State state;
  state.tenant = memory.tenant();
  state.now = memory.GuessDatabaseTime(begin);
  state.book = &memory.book;
  state.prices = prices.get();
  state.older_books = &memory.older_books;
  state.horizon = options_.horizon;
  state.recollection = &memory;
  if (memory.DatabaseTime() == absl::InfinitePast() || !memory.Covers(operations)) {
    return absl::FailedPreconditionError("not all of it is remembered");
  }
  Applied applied = Apply(state, operations);
  if (!applied.complete()) {
    return absl::FailedPreconditionError("not all of it is remembered");
  }
  RETURN_IF_ERROR(
      store_->WriteIfAgreed(memory.tenant(), state, applied.changes,
                            ExpectationsOf(memory, state, operations, applied.changes)));
  memory.Remember(std::move(state), applied.changes);
  Count(applied, begin);
  return std::move(applied.answers);
}

absl::StatusOr<BatchRunner::Answers> BatchRunner::TryLocked(LaneMemory& memory,
                                                            std::span<const Operation> operations,
                                                            std::vector<Id>& also_lock) {
  const absl::Time begin = clock_.Now();
  if (memory.book.epoch < 0) {
    ASSIGN_OR_RETURN(memory.book, store_->ReadBook(memory.tenant()));
  }
  const bool timed = memory.DatabaseTime() != absl::InfinitePast();
  Footprint footprint = FootprintOf(operations, memory.book,
                                    timed ? memory.GuessDatabaseTime(begin) : absl::UnixEpoch());
  footprint.counters.insert(also_lock.begin(), also_lock.end());
  ASSIGN_OR_RETURN(LedgerStore::Locked locked, store_->Lock(memory.tenant(), footprint, memory));
  memory.SetDatabaseTime(locked.state.now, clock_.Now());
  if (locked.book_epoch != memory.book.epoch && !BURSAR_PLANTED("stale_budgets")) {
    RETURN_IF_ERROR(store_->Abandon());
    ASSIGN_OR_RETURN(memory.book, store_->ReadBook(memory.tenant()));
    return absl::AbortedError("the budgets changed");
  }
  locked.state.tenant = memory.tenant();
  locked.state.book = &memory.book;
  const auto prices = prices_.Of(memory.tenant());
  locked.state.prices = prices.get();
  locked.state.older_books = &memory.older_books;
  locked.state.horizon = options_.horizon;
  Applied applied = Apply(locked.state, operations);
  if (!applied.complete()) {
    also_lock.insert(also_lock.end(), applied.missing.begin(), applied.missing.end());
    RETURN_IF_ERROR(store_->Abandon());
    RETURN_IF_ERROR(ReadBooks(memory, applied.missing_books));
    return absl::AbortedError("other counters or prices are needed");
  }
  if (applied.changes.empty()) {
    RETURN_IF_ERROR(store_->Abandon());
  } else {
    RETURN_IF_ERROR(store_->Write(memory.tenant(), locked.state, applied.changes));
  }
  memory.Remember(std::move(locked.state), applied.changes);
  Count(applied, begin);
  return std::move(applied.answers);
}

// Older prices than those that count now, which never change.
absl::Status BatchRunner::ReadBooks(LaneMemory& memory, const std::set<std::string>& versions) {
  for (const std::string& version : versions) {
    ASSIGN_OR_RETURN(memory.older_books[version], prices_.Version(memory.tenant(), version));
  }
  return absl::OkStatus();
}

// What a batch did, once it is certain. Repeats are counted when they come first.
void BatchRunner::Count(const Applied& applied, absl::Time begin) {
  metrics_.BatchFinished(applied.changes.empty() ? "read_only" : "committed",
                         static_cast<int>(applied.answers.size()), clock_.Now() - begin);
  auto count = [&](const absl::StatusOr<RecordAnswer>& record) {
    if (!record.ok() || record->replayed) return;
    metrics_.Recorded(std::string(usage::CostBasisName(record->cost_basis)));
  };
  for (const auto& answer : applied.answers) {
    if (!answer.ok()) continue;
    if (auto* record = std::get_if<RecordAnswer>(&*answer)) count(*record);
    if (auto* check = std::get_if<CheckAnswer>(&*answer)) {
      for (const auto& settled : check->settled) count(settled);
    }
    if (auto* expired = std::get_if<ExpireAnswer>(&*answer)) metrics_.Expired(expired->expired);
  }
}

std::vector<absl::StatusOr<Answer>> BatchRunner::Run(LaneMemory& memory,
                                                     std::span<const Operation> operations) {
  const absl::Time start = clock_.Now();
  const int size = static_cast<int>(operations.size());
  if (memory.older_books.size() > kOlderBooksMax) memory.older_books.clear();
  if (options_.go_by_memory && memory.book.epoch >= 0 && memory.locked_batches == 0) {
    auto answers = TryRemembered(memory, operations);
    if (answers.ok()) return *std::move(answers);
    if (!absl::IsFailedPrecondition(answers.status())) {
      memory.Forget();
      memory.locked_batches = kLockedAfterConflict;
      metrics_.BatchFinished("retried", size, clock_.Now() - start);
    }
  } else if (memory.locked_batches > 0) {
    --memory.locked_batches;
  }
  std::vector<Id> also_lock;
  absl::Status failure;
  for (int attempt = 1;; ++attempt) {
    auto answers = TryLocked(memory, operations, also_lock);
    if (answers.ok()) return *std::move(answers);
    failure = answers.status();
    if (absl::IsUnavailable(failure)) {
      if (clock_.Now() - start > options_.unavailable_max) break;
      absl::SleepFor(absl::Milliseconds(20 * std::min(attempt, 10)));
    } else if (absl::IsAborted(failure)) {
      if (clock_.Now() - start > options_.contended_max) break;
      absl::SleepFor(PauseAfter(attempt));
    } else {
      break;
    }
    metrics_.BatchFinished("retried", size, clock_.Now() - start);
  }
  memory.Forget();
  if (absl::IsInvalidArgument(failure) && size > 1) {  // find the one that PostgreSQL refuses
    auto answers = Run(memory, operations.first(size / 2));
    for (auto& answer : Run(memory, operations.subspan(size / 2))) {
      answers.push_back(std::move(answer));
    }
    return answers;
  }
  metrics_.BatchFinished("failed", size, clock_.Now() - start);
  Log(LogLevel::kWarning, "batch_failed",
      {{"tenant", memory.tenant()}, {"operations", int64_t{size}}, {"error", failure.ToString()}});
  if (absl::IsAborted(failure)) {
    failure = absl::UnavailableError("the ledger is contended; try again with the same id");
  }
  return std::vector<absl::StatusOr<Answer>>(operations.size(), failure);
}

std::vector<Id> BatchRunner::FindOverdue(LaneMemory& memory,
                                         std::vector<absl::StatusOr<Answer>>& answers) {
  std::vector<CheckAnswer*> held;
  std::vector<Id> to_look;
  if (memory.looked.size() > kLookedMax) memory.looked.clear();
  const absl::Time now = clock_.Now();
  for (auto& answer : answers) {
    auto* check = answer.ok() ? std::get_if<CheckAnswer>(&*answer) : nullptr;
    if (check == nullptr || !check->held()) continue;
    held.push_back(check);
    LaneMemory::Looked& looked = memory.looked[*check->denied_by];
    if (now < looked.believed_until && check->now < looked.next_expiry) continue;
    looked = {absl::InfiniteFuture(), now + kBelieveNextExpiry};  // so that it is looked for once
    to_look.push_back(*check->denied_by);
  }
  std::vector<Id> overdue;
  if (!to_look.empty()) {
    auto found = store_->FindOverdue(memory.tenant(), to_look);
    if (!found.ok())
      found = OverdueHolds{};  // the denials stand; they were right when they were made
    overdue = std::move(found->reservations);
    for (const Id& counter : to_look) {
      memory.looked[counter].next_expiry = found->next_expiry;
      if (!overdue.empty()) memory.looked.erase(counter);
    }
  }
  for (CheckAnswer* check : held) {
    const auto looked = memory.looked.find(*check->denied_by);
    if (looked == memory.looked.end() || looked->second.next_expiry == absl::InfiniteFuture()) {
      continue;
    }
    check->retry_after = std::max(looked->second.next_expiry - check->now, absl::ZeroDuration());
  }
  std::sort(overdue.begin(), overdue.end());
  return overdue;
}

}  // namespace bursar::ledger
