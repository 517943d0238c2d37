// One call's way through the ledger: check, then settle, release, extend, or let it expire.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

// Two replicas for all tests; each test has a project with a budget of one dollar for itself.
class Lifecycle : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { fleet_ = new Fleet(2); }
  static void TearDownTestSuite() { delete fleet_; }

  void SetUp() override {
    project_ = absl::StrCat("p-", ::testing::UnitTest::GetInstance()->current_test_info()->line());
    const auto status = a().CreateBudget(project_, OfProject(LifetimeBudget(kUsd), project_));
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  static Fleet& fleet() { return *fleet_; }
  static RpcClient& a() { return fleet_->client(0); }
  static RpcClient& b() { return fleet_->client(1); }

  std::string Id(const std::string& name) const { return project_ + "/" + name; }

  v1::CheckBudgetRequest Asking(const std::string& id, int64_t cost_nanousd) const {
    auto request = CheckOf(Id(id), cost_nanousd);
    request.mutable_subject()->set_project(project_);
    return request;
  }
  v1::RecordUsageRequest Using(const std::string& id, int64_t cost_nanousd,
                               const std::string& reservation = "") const {
    auto request = RecordOf(Id(id), cost_nanousd, reservation.empty() ? "" : Id(reservation));
    if (reservation.empty()) request.mutable_subject()->set_project(project_);
    return request;
  }

  static v1::CheckBudgetResponse Check(const v1::CheckBudgetRequest& request,
                                       RpcClient& client = a()) {
    v1::CheckBudgetResponse response;
    const grpc::Status status = client.Check(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static v1::RecordUsageResponse Record(const v1::RecordUsageRequest& request,
                                        RpcClient& client = a()) {
    v1::RecordUsageResponse response;
    const grpc::Status status = client.Record(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::Reservation Release(const std::string& id) const {
    v1::ReleaseReservationResponse response;
    const grpc::Status status = a().Release(Id(id), response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.reservation();
  }
  v1::ExtendReservationResponse Extend(v1::ExtendReservationRequest request,
                                       const std::string& id) const {
    request.set_reservation_id(Id(id));
    v1::ExtendReservationResponse response;
    const grpc::Status status = b().Call(&Telemetry::ExtendReservation, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  // The project's budget: what the service says, which must be what SQL says.
  void ExpectBudget(int64_t spent, int64_t reserved) const {
    v1::GetBudgetStatusRequest request;
    request.mutable_subject()->set_project(project_);
    v1::GetBudgetStatusResponse response;
    ASSERT_TRUE(b().Call(&Telemetry::GetBudgetStatus, request, response).ok());
    ASSERT_EQ(response.budgets_size(), 1);
    const v1::BudgetStatus& status = response.budgets(0);
    EXPECT_EQ(status.budget(), "budgets/" + project_);
    EXPECT_EQ(status.spent(), spent);
    EXPECT_EQ(status.reserved(), reserved);
    EXPECT_EQ(status.remaining(), kUsd - spent - reserved);
    EXPECT_EQ(fleet().Sql("SELECT spent || ' ' || reserved FROM counter JOIN budget ON uid = "
                          "budget_uid WHERE budget_id = '" +
                          project_ + "'"),
              absl::StrCat(spent, " ", reserved));
  }

  std::string project_;

 private:
  static inline Fleet* fleet_ = nullptr;
};

v1::CheckBudgetRequest Short(v1::CheckBudgetRequest request) {
  request.mutable_ttl()->set_seconds(1);
  return request;
}

TEST_F(Lifecycle, ASettlementFreesTheHoldAndChargesWhatWasUsed) {
  const auto check = Check(Asking("1", 30 * kCent));
  EXPECT_EQ(check.decision(), v1::DECISION_ALLOW);
  EXPECT_EQ(check.reservation().reserved_nanousd(), 30 * kCent);
  EXPECT_EQ(check.reservation().state(), v1::Reservation::STATE_ACTIVE);
  EXPECT_EQ(check.reservation().id(), Id("1"));
  EXPECT_EQ(check.binding_budget(), "budgets/" + project_);
  ExpectBudget(0, 30 * kCent);
  const auto record = Record(Using("1", 20 * kCent, "1"), b());
  EXPECT_EQ(record.released_nanousd(), 10 * kCent);
  EXPECT_EQ(record.overrun_nanousd(), 0);
  EXPECT_FALSE(record.late());
  ExpectBudget(20 * kCent, 0);
}

TEST_F(Lifecycle, AnOverrunIsChargedInFullAndBlocksTheNextCheck) {
  Check(Asking("1", 30 * kCent));
  const auto record = Record(Using("1", 130 * kCent, "1"));
  EXPECT_EQ(record.overrun_nanousd(), 100 * kCent);
  EXPECT_EQ(record.released_nanousd(), 0);
  ExpectBudget(130 * kCent, 0);
  const auto denied = Check(Asking("2", 1));
  EXPECT_EQ(denied.decision(), v1::DECISION_DENY);
  EXPECT_EQ(denied.reason(), "BUDGET_EXHAUSTED");
  EXPECT_FALSE(denied.has_reservation());
}

TEST_F(Lifecycle, TokensArePricedByTheBuiltInBook) {
  auto request = Asking("1", 0);
  request.clear_cost_nanousd();
  request.mutable_model()->set_provider("openai");
  request.mutable_model()->set_name("gpt-4o");  // $2.50 in, $1.25 cached, $10 out per million
  request.mutable_tokens()->set_uncached_input_tokens(1000);
  request.mutable_tokens()->set_visible_output_tokens(1'000'000'000);  // ignored in a check
  request.set_max_output_tokens(500);
  const auto check = Check(request);
  EXPECT_EQ(check.decision(), v1::DECISION_ALLOW) << check.message();
  EXPECT_EQ(check.estimated_nanousd(), 1000 * 2500 + 500 * 10000);
  EXPECT_EQ(check.priced_as(), "openai/gpt-4o");
  EXPECT_EQ(check.reservation().max_output_tokens(), 500);
  auto used = Using("1", 0, "1");
  used.clear_cost_nanousd();
  used.mutable_tokens()->set_uncached_input_tokens(600);
  used.mutable_tokens()->set_cache_read_tokens(400);
  used.mutable_tokens()->set_reasoning_tokens(100);
  const auto record = Record(used);
  EXPECT_EQ(record.cost_nanousd(), 600 * 2500 + 400 * 1250 + 100 * 10000);
  EXPECT_EQ(record.cost_basis(), v1::COST_BASIS_PRICED);
  EXPECT_EQ(record.price_version(), check.reservation().price_version());
  EXPECT_EQ(record.tokens().cache_read_tokens(), 400);
  ExpectBudget(record.cost_nanousd(), 0);
}

TEST_F(Lifecycle, AnUnknownModelIsDeniedAndItsUsageIsUnpriced) {
  auto request = Asking("1", 0);
  request.clear_cost_nanousd();
  request.mutable_model()->set_name("nobody-knows");
  request.mutable_tokens()->set_uncached_input_tokens(10);
  const auto check = Check(request);
  EXPECT_EQ(check.decision(), v1::DECISION_DENY);
  EXPECT_EQ(check.reason(), "PRICE_UNKNOWN");
  auto used = Using("1", 0);
  used.clear_cost_nanousd();
  *used.mutable_model() = request.model();
  *used.mutable_tokens() = request.tokens();
  EXPECT_EQ(Record(used).cost_basis(), v1::COST_BASIS_UNPRICED);
  ExpectBudget(0, 0);
}

TEST_F(Lifecycle, ARepeatedIdGetsTheFirstAnswerFromAnyReplica) {
  const auto asked = Asking("1", 30 * kCent);
  const auto first = Check(asked, a());
  const auto again = Check(asked, b());
  EXPECT_TRUE(again.replayed());
  EXPECT_FALSE(first.replayed());
  EXPECT_EQ(again.decision(), v1::DECISION_ALLOW);
  EXPECT_EQ(again.reservation().expire_time().seconds(),
            first.reservation().expire_time().seconds());
  EXPECT_EQ(again.estimated_nanousd(), first.estimated_nanousd());
  ExpectBudget(0, 30 * kCent);
  const auto used = Using("1", 20 * kCent, "1");
  auto recorded = Record(used, a());
  auto replayed = Record(used, b());
  EXPECT_TRUE(replayed.replayed());
  for (auto* answer : {&recorded, &replayed}) {
    answer->clear_budgets();  // those of the moment
    answer->clear_replayed();
  }
  EXPECT_EQ(recorded.SerializeAsString(), replayed.SerializeAsString());
  ExpectBudget(20 * kCent, 0);
  const auto ended = Check(asked, b());
  EXPECT_EQ(ended.decision(), v1::DECISION_DENY);
  EXPECT_EQ(ended.reason(), "RESERVATION_ENDED");
}

TEST_F(Lifecycle, AnIdWithAnotherPayloadAlreadyExistsAndChangesNothing) {
  Check(Asking("1", 30 * kCent));
  Record(Using("2", 5 * kCent));
  auto other_subject = Asking("1", 30 * kCent);
  other_subject.mutable_subject()->set_user("u");
  for (const auto& other :
       {Asking("1", 31 * kCent), Short(Asking("1", 30 * kCent)), other_subject}) {
    v1::CheckBudgetResponse response;
    const grpc::Status status = b().Check(other, response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
    EXPECT_EQ(DetailsOf(status).reason, "ALREADY_EXISTS");
  }
  auto other_outcome = Using("2", 5 * kCent);
  other_outcome.set_outcome(v1::OUTCOME_FAILED);
  for (const auto& other : {Using("2", 6 * kCent), Using("2", 5 * kCent, "1"), other_outcome}) {
    v1::RecordUsageResponse response;
    EXPECT_EQ(b().Record(other, response).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  }
  ExpectBudget(5 * kCent, 30 * kCent);
}

TEST_F(Lifecycle, AReleaseFreesOnceAndAfterASettlementIsANoOp) {
  Check(Asking("1", 30 * kCent));
  EXPECT_EQ(Release("1").state(), v1::Reservation::STATE_RELEASED);
  EXPECT_EQ(Release("1").state(), v1::Reservation::STATE_RELEASED);
  ExpectBudget(0, 0);
  Check(Asking("2", 30 * kCent));
  Record(Using("2", 30 * kCent, "2"));
  EXPECT_EQ(Release("2").state(), v1::Reservation::STATE_SETTLED);
  ExpectBudget(30 * kCent, 0);
  v1::ReleaseReservationResponse response;
  const grpc::Status status = a().Release(Id("never"), response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(DetailsOf(status).reason, "RESERVATION_NOT_FOUND");
}

TEST_F(Lifecycle, AnExtensionLivesLongerAndHoldsMoreIfThatFits) {
  Check(Short(Asking("1", 30 * kCent)));
  v1::ExtendReservationRequest more;
  more.mutable_ttl()->set_seconds(3600);
  more.set_hold_nanousd(80 * kCent);
  for (int i = 0; i < 2; ++i) {  // asked twice, held once
    const auto extended = Extend(more, "1");
    EXPECT_EQ(extended.decision(), v1::DECISION_ALLOW);
    EXPECT_EQ(extended.reservation().reserved_nanousd(), 80 * kCent);
    EXPECT_GT(extended.reservation().remaining_ttl().seconds(), 3590);
    ExpectBudget(0, 80 * kCent);
  }
  more.set_hold_nanousd(101 * kCent);
  const auto denied = Extend(more, "1");
  EXPECT_EQ(denied.decision(), v1::DECISION_DENY);
  EXPECT_EQ(denied.reason(), "BUDGET_EXHAUSTED");
  ExpectBudget(0, 80 * kCent);
  Release("1");
  EXPECT_EQ(Extend(more, "1").reason(), "RESERVATION_ENDED");
  ExpectBudget(0, 0);
}

TEST_F(Lifecycle, AReleaseInTheMiddleOfAStreamChargesWhatWasObserved) {
  auto request = Asking("1", 50 * kCent);
  request.mutable_model()->set_provider("openai");
  request.mutable_model()->set_name("gpt-4o");
  Check(request);
  v1::ExtendReservationRequest progress;
  progress.mutable_observed()->set_visible_output_tokens(10'000);
  EXPECT_EQ(Extend(progress, "1").decision(), v1::DECISION_ALLOW);
  EXPECT_EQ(Release("1").state(), v1::Reservation::STATE_RELEASED);
  ExpectBudget(10 * kCent, 0);
  fleet().ExpectConserved();
}

TEST_F(Lifecycle, AKeptReservationIsChargedPieceByPiece) {
  Check(Asking("1", 30 * kCent));
  auto piece = Using("piece", 10 * kCent, "1");
  piece.set_keep_reservation(true);
  EXPECT_EQ(Record(piece).released_nanousd(), 0);
  ExpectBudget(10 * kCent, 20 * kCent);
  const auto last = Record(Using("last", 25 * kCent, "1"));
  EXPECT_EQ(last.overrun_nanousd(), 5 * kCent);
  EXPECT_EQ(last.released_nanousd(), 0);
  ExpectBudget(35 * kCent, 0);
}

TEST_F(Lifecycle, ACheckThatOnlyAnExpiredHoldWouldDenyIsAdmitted) {
  Check(Short(Asking("1", kUsd)));
  const auto held = Check(Asking("2", kUsd), b());
  EXPECT_EQ(held.reason(), "BUDGET_HELD");
  EXPECT_LE(held.retry_after().seconds(), 1);
  absl::SleepFor(absl::Milliseconds(1050));
  EXPECT_EQ(Check(Asking("2", kUsd), b()).decision(), v1::DECISION_ALLOW);
  ExpectBudget(0, kUsd);
  EXPECT_EQ(Check(Short(Asking("1", kUsd))).reason(), "RESERVATION_ENDED");
}

TEST_F(Lifecycle, TheSweeperFreesAnExpiredHoldThatNobodyAsksFor) {
  Check(Short(Asking("1", kUsd)));
  const std::string state = "SELECT state FROM reservation WHERE request_id = '" + Id("1") + "'";
  const absl::Time deadline = absl::Now() + absl::Seconds(5);
  while (fleet().Sql(state) != "4" && absl::Now() < deadline)
    absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(fleet().Sql(state), "4");
  ExpectBudget(0, 0);
}

TEST_F(Lifecycle, ASettlementAfterTheEndIsLateAndChargedAllTheSame) {
  Check(Short(Asking("expired", 30 * kCent)));
  Check(Asking("released", 30 * kCent));
  Release("released");
  absl::SleepFor(absl::Milliseconds(1100));
  EXPECT_TRUE(Record(Using("1", 10 * kCent, "expired")).late());
  EXPECT_TRUE(Record(Using("2", 10 * kCent, "released")).late());
  ExpectBudget(20 * kCent, 0);
  auto unknown = Using("3", 10 * kCent, "never checked");
  unknown.mutable_subject()->set_project(project_);
  EXPECT_TRUE(Record(unknown).late());
  ExpectBudget(30 * kCent, 0);
}

TEST_F(Lifecycle, ASettleListMakesRoomForTheDecisionOfItsOwnCheck) {
  Check(Asking("1", kUsd));
  auto next = Asking("2", 90 * kCent);
  *next.add_settle() = Using("1", 10 * kCent, "1");
  const auto allowed = Check(next);
  EXPECT_EQ(allowed.decision(), v1::DECISION_ALLOW) << allowed.message();
  ASSERT_EQ(allowed.settled_size(), 1);
  EXPECT_EQ(allowed.settled(0).code(), 0);
  EXPECT_EQ(allowed.settled(0).response().released_nanousd(), 90 * kCent);
  ExpectBudget(10 * kCent, 90 * kCent);
  auto too_much = Asking("3", kUsd);
  *too_much.add_settle() = Using("2", 50 * kCent, "2");
  EXPECT_EQ(Check(too_much).decision(), v1::DECISION_DENY);
  ExpectBudget(60 * kCent, 0);  // kept even though the check was denied
}

TEST_F(Lifecycle, ABadRecordInASettleListFailsAloneAndNotTheCheck) {
  Record(Using("known", kCent));
  auto check = Asking("1", 30 * kCent);
  *check.add_settle() = Using("good", 10 * kCent);
  check.add_settle()->set_usage_id("");
  *check.add_settle() = Using("known", 2 * kCent);  // the id with another payload
  *check.add_settle() = Using("good too", 10 * kCent);
  const auto answer = Check(check);
  EXPECT_EQ(answer.decision(), v1::DECISION_ALLOW);
  ASSERT_EQ(answer.settled_size(), 4);
  EXPECT_EQ(answer.settled(0).code(), 0);
  EXPECT_EQ(answer.settled(1).code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
  EXPECT_TRUE(answer.settled(1).message().starts_with("settle[1].usage_id: "))
      << answer.settled(1).message();
  EXPECT_EQ(answer.settled(2).code(), static_cast<int>(grpc::StatusCode::ALREADY_EXISTS));
  EXPECT_EQ(answer.settled(3).code(), 0);
  ExpectBudget(21 * kCent, 30 * kCent);
}

TEST_F(Lifecycle, ADryRunHoldsNothing) {
  auto request = Asking("1", 30 * kCent);
  request.set_dry_run(true);
  request.clear_request_id();
  const auto allowed = Check(request);
  EXPECT_EQ(allowed.decision(), v1::DECISION_ALLOW);
  EXPECT_FALSE(allowed.has_reservation());
  request.set_cost_nanousd(2 * kUsd);
  EXPECT_EQ(Check(request).decision(), v1::DECISION_DENY);
  EXPECT_EQ(fleet().Sql("SELECT count(*) FROM counter JOIN budget ON uid = budget_uid "
                        "WHERE budget_id = '" +
                        project_ + "'"),
            "0");
}

}  // namespace
}  // namespace bursar::testing
