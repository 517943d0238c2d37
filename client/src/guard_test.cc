#include <bursar/guard.h>
#include <bursar/mocks/mock_connection.h>
#include <gtest/gtest.h>

#include <vector>

namespace bursar {
namespace {

using ::testing::_;
using ::testing::NiceMock;

const Status kLost(StatusCode::kDeadlineExceeded, "no answer");

// A server that allows every check, and keeps what it is told.
class GuardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ON_CALL(*connection_, Check(_, _))
        .WillByDefault([this](const CheckRequest& request, const CallOptions&) {
          CheckResponse response = answer_;
          if (response.reservation) response.reservation->id = request.request_id;
          return response;
        });
    ON_CALL(*connection_, Record(_, _))
        .WillByDefault([this](const RecordRequest& request, const CallOptions&) {
          records_.push_back(request);
          if (records_.size() <= lost_) return StatusOr<RecordResponse>(kLost);
          return StatusOr<RecordResponse>(RecordResponse{});
        });
    ON_CALL(*connection_, Release(_, _))
        .WillByDefault([this](const ReleaseRequest& request, const CallOptions&) {
          released_.push_back(request.reservation_id);
          return ReleaseResponse{};
        });
  }

  static CheckRequest Request() {
    return {.request_id = "r-1",
            .subject = {.user = "ada"},
            .model = {.provider = "openai", .name = "gpt-4o"},
            .cost_nanousd = 1};
  }

  CheckResponse answer_{.decision = Decision::kAllow,
                        .reservation = Reservation{.max_output_tokens = 500}};
  size_t lost_ = 0;  // how many records get no answer
  std::vector<RecordRequest> records_;
  std::vector<std::string> released_;
  std::shared_ptr<NiceMock<MockConnection>> connection_ =
      std::make_shared<NiceMock<MockConnection>>();
  Client client_{connection_};
};

TEST_F(GuardTest, SettlesWithReservationModelAndLatencyFilledIn) {
  {
    Guard guard(client_, Request());
    ASSERT_TRUE(guard.allowed());
    EXPECT_EQ(guard.why_not(), "");
    EXPECT_EQ(guard.max_output_tokens(), 500);
    EXPECT_TRUE(guard.Settle(TokenUsage{.uncached_input_tokens = 12}).ok());
  }
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_EQ(records_[0].reservation_id, "r-1");
  EXPECT_EQ(records_[0].model.name, "gpt-4o");
  EXPECT_EQ(records_[0].tokens->uncached_input_tokens, 12);
  EXPECT_TRUE(records_[0].latency.has_value());
  EXPECT_FALSE(records_[0].usage_id.empty());
  EXPECT_TRUE(released_.empty());
}

TEST_F(GuardTest, ReleasesWhatWasNotSent) {
  {
    Guard guard(client_, Request());
    guard.NotSent();
  }
  EXPECT_EQ(released_, std::vector<std::string>{"r-1"});
  EXPECT_TRUE(records_.empty());
}

TEST_F(GuardTest, RecordsTheUnknownRatherThanNothing) {
  { Guard guard(client_, Request()); }
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_EQ(records_[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(records_[0].reservation_id, "r-1");
  EXPECT_FALSE(records_[0].tokens.has_value());
  EXPECT_TRUE(released_.empty());
}

TEST_F(GuardTest, RecordsTheUnknownWhenTheCallThrows) {
  EXPECT_THROW(
      {
        Guard guard(client_, Request());
        throw std::runtime_error("the provider's library");
      },
      std::runtime_error);
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_EQ(records_[0].outcome, Outcome::kUnknown);
}

TEST_F(GuardTest, SendsALostSettlementOnceMoreUnderItsId) {
  lost_ = 1;
  {
    Guard guard(client_, Request());
    EXPECT_FALSE(guard.Settle(TokenUsage{.visible_output_tokens = 9}).ok());
  }
  ASSERT_EQ(records_.size(), 2u);
  EXPECT_EQ(records_[1].usage_id, records_[0].usage_id);
  EXPECT_EQ(records_[1].tokens->visible_output_tokens, 9);
  EXPECT_EQ(records_[1].latency, records_[0].latency);  // the same payload, or the id is refused
}

TEST_F(GuardTest, ADeniedCheckIsNotAllowedAndLeavesNothingBehind) {
  answer_ = {
      .decision = Decision::kDeny, .reason = "BUDGET_EXHAUSTED", .message = "run-cap is full"};
  {
    Guard guard(client_, Request());
    EXPECT_FALSE(guard.allowed());
    EXPECT_EQ(guard.why_not(), "run-cap is full");
    EXPECT_EQ(guard.max_output_tokens(), 0);
  }
  EXPECT_TRUE(records_.empty());
  EXPECT_TRUE(released_.empty());
}

TEST_F(GuardTest, ADecisionItDoesNotKnowIsNoPermission) {
  answer_.decision = static_cast<Decision>(17);
  EXPECT_FALSE(Guard(client_, Request()).allowed());
}

TEST_F(GuardTest, AFailedCheckIsNotAllowed) {
  ON_CALL(*connection_, Check(_, _)).WillByDefault([](const CheckRequest&, const CallOptions&) {
    return StatusOr<CheckResponse>(kLost);
  });
  Guard guard(client_, Request());
  EXPECT_FALSE(guard.allowed());
  EXPECT_EQ(guard.why_not(), "the budget check failed: DEADLINE_EXCEEDED: no answer");
}

TEST_F(GuardTest, UsageAfterADenialIsRecordedAllTheSame) {
  answer_ = {.decision = Decision::kDeny};
  {
    Guard guard(client_, Request());
    EXPECT_TRUE(guard.Settle(TokenUsage{.visible_output_tokens = 1}).ok());
  }
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_EQ(records_[0].reservation_id, "");
  EXPECT_EQ(records_[0].subject.user, "ada");
}

}  // namespace
}  // namespace bursar
