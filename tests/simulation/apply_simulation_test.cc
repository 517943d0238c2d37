// Apply against a naive ledger: a million operations in random batches, each answer and the sums
// compared.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "simulation/naive_ledger.h"
#include "support/memory_ledger.h"

namespace bursar::testing {
namespace {

using ledger::Operation;

constexpr int kUsers = 40, kIdsPerRun = 40, kRecentIds = 400;

// BURSAR_SEED replays a run; BURSAR_SIMULATION_OPERATIONS makes it longer.
uint64_t NumberFromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed), naive_(Budgets()) {
    int number = 0;
    for (const auto& budget : Budgets()) {
      ledger::Budget real{.id = absl::StrCat("b", number++), .limit = budget.limit};
      if (!budget.group_by.empty()) real.group_by = {budget.group_by};
      real.window.kind = budget.hourly ? ledger::WindowKind::kHour : ledger::WindowKind::kLifetime;
      ledger_.AddBudget(real);
    }
  }

  // One batch; false if an answer or a sum differs.
  void RunBatch() {
    ledger_.Advance(absl::Seconds(Pick(30)));
    std::vector<Operation> batch;
    std::vector<std::function<void(const absl::StatusOr<ledger::Answer>&)>> compare;
    const int size = 1 + Pick(64);
    for (int i = 0; i < size; ++i) AddOperation(batch, compare);
    const auto answers = ledger_.RunAll(batch);
    for (size_t i = 0; i < answers.size(); ++i) compare[i](answers[i]);
    operations_ += size;
    CompareSums();
  }

  int64_t operations() const { return operations_; }
  int64_t allowed() const { return allowed_; }
  int64_t denied() const { return denied_; }
  int64_t adjusted() const { return adjusted_; }

  // I5 over everything: reserved is the sum of active holds, spent that of the records' charges.
  void CheckConservation() {
    absl::flat_hash_map<ledger::Id, int64_t> held, charged;
    for (const auto& [key, reservation] : ledger_.state().reservations) {
      for (const auto& hold : reservation->holds) held[hold.counter] += hold.amount;
    }
    for (const auto& [key, record] : ledger_.state().records) {
      for (const auto& charge : record.charges) charged[charge.counter] += charge.amount;
    }
    for (const auto& [id, counter] : ledger_.state().counters) {
      ASSERT_EQ(counter.reserved, held[id]);
      ASSERT_EQ(counter.spent, charged[id]);
      ASSERT_GE(counter.reserved, 0);
    }
  }

 private:
  static std::vector<NaiveLedger::Budget> Budgets() {
    return {{"", false, 6'000'000'000},
            {"user", true, 900'000},
            {"run", false, 250'000},
            {"", true, 30'000'000}};
  }

  int Pick(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }
  std::string RecentId() {
    const int64_t oldest = std::max<int64_t>(next_id_ - kRecentIds, 0);
    return absl::StrCat("r", oldest + Pick(kRecentIds));
  }
  // Of an id, always the same call: what else would be another payload.
  static NaiveLedger::Call CallOf(const std::string& id) {
    const size_t hash = std::hash<std::string>()(id);
    return {hash % 11 == 0 ? "" : absl::StrCat("u", hash % kUsers),
            hash % 7 == 0 ? "" : absl::StrCat("run", std::stoll(id.substr(1)) / kIdsPerRun)};
  }
  static usage::Subject SubjectOf(const NaiveLedger::Call& call) {
    return {.user = call.user, .run = call.run};
  }
  static int64_t AmountOf(const std::string& id) {
    return static_cast<int64_t>(std::hash<std::string>()(id) / 1024 % 20'000);
  }

  template <typename Compare>
  void Add(std::vector<Operation>& batch, auto& compare, Operation operation, Compare check) {
    batch.push_back(std::move(operation));
    compare.push_back(std::move(check));
  }

  void AddCheck(std::vector<Operation>& batch, auto& compare) {
    const std::string id = Pick(10) == 0 ? RecentId() : absl::StrCat("r", next_id_++);
    const auto call = CallOf(id);
    const bool allow = naive_.Check(id, call, AmountOf(id), now(), absl::Minutes(5));
    (allow ? allowed_ : denied_) += 1;
    Add(batch, compare, MemoryLedger::MakeCheck(id, SubjectOf(call), AmountOf(id)),
        [id, allow](const auto& answer) {
          ASSERT_TRUE(answer.ok()) << answer.status();
          EXPECT_EQ(std::get<ledger::CheckAnswer>(*answer).decision == ledger::Decision::kAllow,
                    allow)
              << id;
        });
  }

  void AddSettle(std::vector<Operation>& batch, auto& compare) {
    const std::string id = RecentId();
    // The same usage id says the same: its cost follows from it, 0 to 3 times what was held.
    const int try_number = Pick(3);
    const std::string usage_id = absl::StrCat("use-", id, "-", try_number);
    const int64_t cost = AmountOf(id) * try_number + AmountOf(usage_id) / 4;
    const auto call = CallOf(id);
    naive_.Settle(usage_id, id, call, cost, now());
    ledger::Record record = MemoryLedger::MakeRecord(usage_id, id, cost);
    record.usage.subject = SubjectOf(call);
    MemoryLedger::Seal(record);
    Add(batch, compare, record,
        [](const auto& answer) { EXPECT_TRUE(answer.ok()) << answer.status(); });
  }

  void AddAdjust(std::vector<Operation>& batch, auto& compare) {
    const std::string usage_id = absl::StrCat("use-", RecentId(), "-", Pick(3));
    const std::string id = absl::StrCat(usage_id, "/", Pick(3));  // some come again
    const int64_t cost = AmountOf(id);
    const std::optional<int64_t> delta = naive_.Adjust(id, usage_id, cost);
    ledger::Adjust adjust{.adjustment_id = id,
                          .key = ledger::UsageKey("default", "adjustment:" + id),
                          .usage_id = usage_id,
                          .target = ledger::UsageKey("default", usage_id),
                          .cost_nanousd = cost};
    adjust.fingerprint = ledger::FingerprintOf(adjust);
    adjusted_ += delta ? 1 : 0;
    Add(batch, compare, adjust, [id, delta](const auto& answer) {
      ASSERT_EQ(answer.ok(), delta.has_value()) << id << answer.status();
      if (delta) {
        EXPECT_EQ(std::get<ledger::AdjustAnswer>(*answer).delta_nanousd, *delta) << id;
      }
    });
  }

  void AddOperation(std::vector<Operation>& batch, auto& compare) {
    const int kind = Pick(100);
    const std::string id = RecentId();
    const ledger::Id key = ledger::ReservationKey("default", id);
    if (kind < 50) return AddCheck(batch, compare);
    if (kind < 76) return AddSettle(batch, compare);
    if (kind < 80) return AddAdjust(batch, compare);
    if (kind < 86) {
      const bool known = naive_.Release(id);
      return Add(batch, compare, ledger::Release{id, key},
                 [known](const auto& answer) { EXPECT_EQ(answer.ok(), known) << answer.status(); });
    }
    if (kind < 93) {
      const int64_t hold = Pick(40'000);
      const bool allow = naive_.Extend(id, hold, now(), absl::Minutes(5));
      return Add(
          batch, compare,
          ledger::Extend{
              .reservation_id = id, .key = key, .ttl = absl::Minutes(5), .hold_nanousd = hold},
          [allow, id](const auto& answer) {
            const bool allowed =
                answer.ok() &&
                std::get<ledger::ReservationAnswer>(*answer).decision == ledger::Decision::kAllow;
            EXPECT_EQ(allowed, allow) << id;
          });
    }
    naive_.Expire(id, now());
    Add(batch, compare, ledger::Expire{{key}},
        [](const auto& answer) { EXPECT_TRUE(answer.ok()); });
  }

  void CompareSums() {
    const NaiveLedger::Call call = CallOf(RecentId());
    const ledger::Matches matches =
        ledger::MatchBudgets(ledger_.book(), SubjectOf(call), {}, "model_call", now());
    for (const auto& match : matches.counted) {
      const int budget = match.budget->id.back() - '0';
      const auto counter = ledger_.state().counters.find(match.counter);
      NaiveLedger::Sums real;
      if (counter != ledger_.state().counters.end()) {
        real = {counter->second.spent, counter->second.reserved};
      }
      const NaiveLedger::Sums plain = naive_.SumsOf(budget, call, now());
      ASSERT_EQ(real.spent, plain.spent) << match.budget->id;
      ASSERT_EQ(real.reserved, plain.reserved) << match.budget->id;
    }
  }

  absl::Time now() { return ledger_.state().now; }

  std::mt19937_64 random_;
  MemoryLedger ledger_;
  NaiveLedger naive_;
  int64_t next_id_ = 0, operations_ = 0, allowed_ = 0, denied_ = 0, adjusted_ = 0;
};

TEST(ApplySimulation, AMillionOperationsAnswerAsTheNaiveLedgerDoes) {
  const uint64_t seed = NumberFromEnvironment("BURSAR_SEED", std::random_device{}());
  const uint64_t operations = NumberFromEnvironment("BURSAR_SIMULATION_OPERATIONS", 1'000'000);
  std::cout << "BURSAR_SEED=" << seed << std::endl;
  const absl::Time begin = absl::Now();
  Simulation simulation(seed);
  while (static_cast<uint64_t>(simulation.operations()) < operations) {
    simulation.RunBatch();
    if (HasFailure()) FAIL() << "after " << simulation.operations() << " operations";
  }
  simulation.CheckConservation();
  std::cout << simulation.operations() << " operations, " << simulation.allowed() << " allowed, "
            << simulation.denied() << " denied, in " << absl::Now() - begin << std::endl;
  // A run in which nothing is denied, or everything, tries nothing.
  EXPECT_GT(simulation.denied(), simulation.operations() / 50);
  EXPECT_GT(simulation.allowed(), simulation.operations() / 50);
  EXPECT_GT(simulation.adjusted(), simulation.operations() / 500);
}

}  // namespace
}  // namespace bursar::testing
