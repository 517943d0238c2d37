// R7, R8: one id from many threads through three replicas counts once, and every cell of the matrix
// of settlements: what a reservation was when it was settled, and what came again.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

constexpr int kThreads = 64;
constexpr int kCalls = 1000;
constexpr int kReplicas = 3;

// A repeat says what the first answer said, but for where the budgets stand now.
std::string Timeless(v1::RecordUsageResponse answer) {
  answer.clear_budgets();
  answer.clear_replayed();
  return answer.SerializeAsString();
}

class Once : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { fleet_ = new Fleet(kReplicas); }
  static void TearDownTestSuite() { delete fleet_; }

  static Fleet& fleet() { return *fleet_; }

  // A project with a budget of its own.
  void MakeProject(const std::string& project, int64_t limit) {
    project_ = project;
    const auto status =
        fleet().client(0).CreateBudget(project, OfProject(LifetimeBudget(limit), project));
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  v1::CheckBudgetRequest Asking(const std::string& id, int64_t cost_nanousd) const {
    auto request = CheckOf(project_ + "/" + id, cost_nanousd);
    request.mutable_subject()->set_project(project_);
    return request;
  }
  v1::RecordUsageRequest Using(const std::string& id, int64_t cost_nanousd,
                               const std::string& reservation) const {
    auto request = RecordOf(project_ + "/" + id, cost_nanousd,
                            reservation.empty() ? "" : project_ + "/" + reservation);
    request.mutable_subject()->set_project(project_);
    return request;
  }
  v1::CheckBudgetResponse Check(const v1::CheckBudgetRequest& request, int replica = 0) {
    v1::CheckBudgetResponse response;
    const grpc::Status status = fleet().client(replica).Check(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  // "SPENT RESERVED" of the project's budget.
  std::string Totals() const {
    return fleet().Sql(
        "SELECT coalesce(sum(spent), 0) || ' ' || coalesce(sum(reserved), 0) FROM counter "
        "JOIN budget ON uid = budget_uid WHERE budget_id = '" +
        project_ + "'");
  }
  int64_t RecordsOf(const std::string& usage_id) const {
    return fleet().Number("SELECT count(*) FROM usage_record WHERE usage_id = '" + usage_id + "'");
  }

  // A thousand calls from 64 threads, which begin together; call(number, client).
  static void FromManyThreads(const std::function<void(int, RpcClient&)>& call) {
    std::atomic<int> next = 0, ready = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (++ready; ready < kThreads;) std::this_thread::yield();
        for (int number = next++; number < kCalls; number = next++) {
          call(number, fleet().client(number));
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }

  std::string project_;

 private:
  static inline Fleet* fleet_ = nullptr;
};

TEST_F(Once, ACheckAskedAThousandTimesHoldsOnce) {
  MakeProject("asked", kUsd);
  std::atomic<int> first = 0, again = 0;
  FromManyThreads([&](int, RpcClient& client) {
    v1::CheckBudgetResponse response;
    const grpc::Status status = client.Check(Asking("call", 60 * kCent), response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.decision(), v1::DECISION_ALLOW) << response.message();
    EXPECT_EQ(response.reservation().reserved_nanousd(), 60 * kCent);
    ++(response.replayed() ? again : first);
  });
  EXPECT_EQ(first, 1);
  EXPECT_EQ(again, kCalls - 1);
  EXPECT_EQ(Totals(), absl::StrCat("0 ", 60 * kCent));
  fleet().ExpectConserved();
}

// Usage by itself, and a settlement; some of them within a batch or beside the next check.
TEST_F(Once, ARecordSentAThousandTimesCountsOnceThroughWhicheverCall) {
  MakeProject("sent", 1000 * kUsd);
  for (const std::string reservation : {"", "call"}) {
    if (!reservation.empty()) Check(Asking(reservation, 60 * kCent));
    const auto used = Using("used " + reservation, 25 * kCent, reservation);
    std::mutex mutex;
    std::set<std::string> answers;
    std::atomic<int> first = 0, again = 0;
    FromManyThreads([&](int number, RpcClient& client) {
      v1::RecordUsageResponse response;
      if (number % 3 == 0) {
        ASSERT_TRUE(client.Record(used, response).ok());
      } else if (number % 3 == 1) {
        v1::BatchRecordUsageRequest batch;
        v1::BatchRecordUsageResponse results;
        *batch.add_records() = used;
        ASSERT_TRUE(client.Call(&Telemetry::BatchRecordUsage, batch, results).ok());
        ASSERT_EQ(results.results(0).code(), 0) << results.results(0).message();
        response = results.results(0).response();
      } else {
        auto check = Asking(absl::StrCat("next ", reservation, number), 1000 * kUsd);  // too much
        v1::CheckBudgetResponse checked;
        *check.add_settle() = used;
        ASSERT_TRUE(client.Check(check, checked).ok());
        ASSERT_EQ(checked.settled(0).code(), 0) << checked.settled(0).message();
        response = checked.settled(0).response();
      }
      ++(response.replayed() ? again : first);
      std::lock_guard lock(mutex);
      answers.insert(Timeless(response));
    });
    EXPECT_EQ(first, 1);
    EXPECT_EQ(again, kCalls - 1);
    EXPECT_EQ(answers.size(), 1u) << "different answers to one record";
    EXPECT_EQ(RecordsOf(used.usage_id()), 1);
  }
  EXPECT_EQ(Totals(), absl::StrCat(50 * kCent, " 0"));
  fleet().ExpectConserved();
}

// Whoever comes first has the id; nobody else gets anything done.
TEST_F(Once, OfManyPayloadsUnderOneIdOneCounts) {
  constexpr int kPayloads = 7;
  MakeProject("mixed", 1000 * kUsd);
  for (const bool check : {true, false}) {
    std::atomic<int> counted[kPayloads] = {}, refused = 0;
    FromManyThreads([&](int number, RpcClient& client) {
      const int payload = number / kReplicas % kPayloads;  // each of them on each replica
      v1::CheckBudgetResponse checked;
      v1::RecordUsageResponse recorded;
      const grpc::Status status =
          check ? client.Check(Asking("one", (1 + payload) * kCent), checked)
                : client.Record(Using("one", (1 + payload) * kCent, ""), recorded);
      if (status.ok()) {
        ++counted[payload];
      } else {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS) << status.error_message();
        ++refused;
      }
    });
    int payload = 0;
    while (payload < kPayloads - 1 && counted[payload] == 0) ++payload;
    const int expected = kCalls / kPayloads;
    EXPECT_NEAR(counted[payload], expected, kReplicas) << "all those with the payload that won";
    EXPECT_EQ(counted[payload] + refused, kCalls);
    EXPECT_EQ(Totals(), check ? absl::StrCat("0 ", (1 + payload) * kCent)
                              : absl::StrCat((1 + payload) * kCent, " ",
                                             fleet().Sql("SELECT sum(reserved_nanousd) FROM "
                                                         "reservation WHERE request_id = "
                                                         "'mixed/one'")));
  }
  fleet().ExpectConserved();
}

// What a reservation is when a settlement of 40 cents comes; what that answers and leaves behind.
// The hold is 30 cents. What is right, telemetry_service.proto says.
struct Cell {
  const char* name;
  const char* before;  // its state, as bursar.v1.Reservation.State; "" if nobody checked
  int spent_before_cents, reserved_before_cents;
  bool late;
  int released_cents, overrun_cents;
  const char* after;
  int spent_cents;  // nothing is held any more
};

constexpr Cell kCells[] = {
    {"BeforeTheCheck", "", 0, 0, true, 0, 0, "", 40},
    {"Active", "1", 0, 30, false, 0, 10, "2", 40},
    {"OverAndNotSwept", "1", 0, 30, true, 0, 10, "2", 40},
    {"Expired", "4", 0, 0, true, 0, 40, "4", 40},
    {"ExpiredAndCharged", "4", 30, 0, true, 0, 40, "4", 40},
    {"Released", "3", 0, 0, true, 0, 40, "3", 40},
    {"SettledAlready", "2", 5, 0, false, 0, 40, "2", 45},
};

void PrintTo(const Cell& cell, std::ostream* out) { *out << cell.name; }

enum class Door { kRecord, kBatch, kSettleList };
constexpr const char* kDoors[] = {"RecordUsage", "BatchRecordUsage", "CheckBudgetSettle"};

class Matrix : public Once, public ::testing::WithParamInterface<std::tuple<Cell, Door>> {
 protected:
  static const Cell& cell() { return std::get<0>(GetParam()); }
  static Door door() { return std::get<1>(GetParam()); }
  static bool Is(const char* name) { return std::string(name) == cell().name; }

  // A project whose reservation "call" is what the cell says.
  void Prepare(int attempt);

  // Through the door that this is about; the record's own code, as google.rpc.Code.
  int Settle(const v1::RecordUsageRequest& request, int replica, v1::RecordUsageResponse& answer);

  std::string StateOfCall() const {
    return fleet().Sql("SELECT state FROM reservation WHERE request_id = '" + project_ + "/call'");
  }
  // Every row of the ledger, but for what is told of denials later.
  static std::string Ledger() {
    return fleet().Sql(
        "SELECT md5(string_agg(line, '' ORDER BY line)) FROM (SELECT counter::text AS line FROM "
        "counter UNION ALL SELECT reservation::text FROM reservation UNION ALL SELECT "
        "usage_record::text FROM usage_record UNION ALL SELECT usage_id::text FROM usage_id UNION "
        "ALL SELECT cost_event::text FROM cost_event WHERE kind <> 2) AS lines");
  }
  static void ChargeOnExpiry(bool charge) {
    fleet().Sql(absl::StrCat("UPDATE tenant SET budget_epoch = budget_epoch + 1, ",
                             "charge_on_expiry = ", charge ? "true" : "false"));
  }
  void EndCall(absl::Duration ago) const {
    fleet().Sql(absl::StrCat(
        "UPDATE reservation SET version = version + 1, expire_time = "
        "clock_timestamp() - interval '",
        absl::ToInt64Milliseconds(ago), " ms' WHERE request_id = '", project_, "/call'"));
  }
  void ExpectRepeatsChangeNothing(const v1::RecordUsageRequest& used,
                                  const v1::RecordUsageResponse& first);
  void ExpectTheCheckAfterwardsStandsByItself();
};

void Matrix::Prepare(int attempt) {
  MakeProject(
      absl::AsciiStrToLower(absl::StrCat(cell().name, kDoors[static_cast<int>(door())], attempt)),
      10 * kUsd);
  if (Is("BeforeTheCheck")) return;
  ChargeOnExpiry(Is("ExpiredAndCharged"));
  ASSERT_EQ(Check(Asking("call", 30 * kCent), attempt).decision(), v1::DECISION_ALLOW);
  if (Is("Released")) {
    v1::ReleaseReservationResponse released;
    ASSERT_TRUE(fleet().client(1).Release(project_ + "/call", released).ok());
  } else if (Is("SettledAlready")) {
    v1::RecordUsageResponse recorded;
    ASSERT_TRUE(fleet().client(1).Record(Using("earlier", 5 * kCent, "call"), recorded).ok());
  } else if (Is("Expired") || Is("ExpiredAndCharged")) {
    EndCall(absl::Seconds(1));
    const absl::Time until = absl::Now() + absl::Seconds(20);
    while (StateOfCall() != "4" && absl::Now() < until) absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(StateOfCall(), cell().before) << "what this cell is about";
  EXPECT_EQ(Totals(), absl::StrCat(cell().spent_before_cents * kCent, " ",
                                   cell().reserved_before_cents * kCent));
  if (Is("OverAndNotSwept")) EndCall(absl::ZeroDuration());
}

int Matrix::Settle(const v1::RecordUsageRequest& request, int replica,
                   v1::RecordUsageResponse& answer) {
  RpcClient& client = fleet().client(replica);
  v1::RecordUsageResult result;
  if (door() == Door::kRecord) {
    return client.Record(request, answer).error_code();
  } else if (door() == Door::kBatch) {
    v1::BatchRecordUsageRequest batch;
    v1::BatchRecordUsageResponse results;
    *batch.add_records() = request;
    EXPECT_TRUE(client.Call(&Telemetry::BatchRecordUsage, batch, results).ok());
    if (results.results_size() == 1) result = results.results(0);
  } else {
    auto check = Asking("", 1);
    check.clear_request_id();
    check.set_dry_run(true);
    *check.add_settle() = request;
    v1::CheckBudgetResponse checked;
    EXPECT_TRUE(client.Check(check, checked).ok());
    if (checked.settled_size() == 1) result = checked.settled(0);
  }
  answer = result.response();
  return result.code();
}

// The same payload gets the first answer, another one ALREADY_EXISTS, through any replica.
void Matrix::ExpectRepeatsChangeNothing(const v1::RecordUsageRequest& used,
                                        const v1::RecordUsageResponse& first) {
  v1::RecordUsageRequest other_cost = used, other_outcome = used, other_hold = used, kept = used;
  other_cost.set_cost_nanousd(40 * kCent - 1);
  other_outcome.set_outcome(v1::OUTCOME_FAILED);
  other_hold.set_reservation_id(project_ + "/other");
  kept.set_keep_reservation(true);
  const std::string before = Ledger();
  for (int replica = 0; replica < kReplicas; ++replica) {
    v1::RecordUsageResponse answer;
    EXPECT_EQ(Settle(used, replica, answer), 0);
    EXPECT_TRUE(answer.replayed());
    EXPECT_EQ(Timeless(answer), Timeless(first));
    for (const auto& other : {other_cost, other_outcome, other_hold, kept}) {
      EXPECT_EQ(Settle(other, replica, answer), static_cast<int>(grpc::StatusCode::ALREADY_EXISTS))
          << other.ShortDebugString();
    }
  }
  EXPECT_EQ(Ledger(), before) << "a repeat wrote something";
}

// Nobody knew the reservation when it was settled: the record charged what matched its subject, and
// its check is as good as any. The record is not that hold's, however often it comes.
void Matrix::ExpectTheCheckAfterwardsStandsByItself() {
  const auto check = Check(Asking("call", 30 * kCent), 1);
  EXPECT_EQ(check.decision(), v1::DECISION_ALLOW) << check.message();
  EXPECT_FALSE(check.replayed());
  EXPECT_EQ(Totals(), absl::StrCat(40 * kCent, " ", 30 * kCent));
  v1::RecordUsageResponse answer;
  EXPECT_EQ(Settle(Using("used", 40 * kCent, "call"), 2, answer), 0);
  EXPECT_TRUE(answer.replayed());
  EXPECT_EQ(StateOfCall(), "1");
  EXPECT_EQ(Settle(Using("own", 10 * kCent, "call"), 2, answer), 0);
  EXPECT_EQ(answer.released_nanousd(), 20 * kCent);
  EXPECT_FALSE(answer.late());
  EXPECT_EQ(Totals(), absl::StrCat(50 * kCent, " 0"));
}

TEST_P(Matrix, ASettlementIsChargedOnceAndInFull) {
  v1::RecordUsageRequest used;
  v1::RecordUsageResponse first;
  // A sweeper may come in between; the cell is about one that did not.
  for (int attempt = 0; attempt < 5; ++attempt) {
    Prepare(attempt);
    if (HasFatalFailure()) return;
    used = Using("used", 40 * kCent, "call");
    ASSERT_EQ(Settle(used, 1, first), 0);
    if (!Is("OverAndNotSwept") || StateOfCall() != "4") break;
  }
  EXPECT_FALSE(first.replayed());
  EXPECT_EQ(first.cost_nanousd(), 40 * kCent);
  EXPECT_EQ(first.late(), cell().late);
  EXPECT_EQ(first.released_nanousd(), cell().released_cents * kCent);
  EXPECT_EQ(first.overrun_nanousd(), cell().overrun_cents * kCent);
  EXPECT_EQ(StateOfCall(), cell().after);
  const std::string totals = absl::StrCat(cell().spent_cents * kCent, " 0");
  EXPECT_EQ(Totals(), totals);
  ExpectRepeatsChangeNothing(used, first);
  EXPECT_EQ(Totals(), totals);
  EXPECT_EQ(RecordsOf(used.usage_id()), 1);
  if (Is("BeforeTheCheck")) ExpectTheCheckAfterwardsStandsByItself();
  fleet().ExpectConserved();
}

INSTANTIATE_TEST_SUITE_P(, Matrix,
                         ::testing::Combine(::testing::ValuesIn(kCells),
                                            ::testing::Values(Door::kRecord, Door::kBatch,
                                                              Door::kSettleList)),
                         [](const auto& parameter) {
                           const int door = static_cast<int>(std::get<1>(parameter.param));
                           return absl::StrCat(std::get<0>(parameter.param).name, kDoors[door]);
                         });

}  // namespace
}  // namespace bursar::testing
