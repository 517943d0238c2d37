#include <bursar/client.h>
#include <bursar/mocks/mock_connection.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace provider {

struct Reply {
  std::string text;
  int output_tokens = 0;
};
bursar::TokenUsage UsageOf(const Reply& reply) {
  return {.visible_output_tokens = reply.output_tokens};
}

}  // namespace provider

namespace bursar {
namespace {

using namespace std::chrono_literals;
using ::testing::_;
using ::testing::NiceMock;

// A server that answers every check with `answer_`, and keeps what is recorded.
class TrackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ON_CALL(*connection_, Check(_, _))
        .WillByDefault([this](const CheckRequest& request, const CallOptions&) {
          checks_.push_back(request);
          return answer_;
        });
    ON_CALL(*connection_, RecordBatch(_, _))
        .WillByDefault([this](const std::vector<RecordRequest>& records, const CallOptions&) {
          records_.insert(records_.end(), records.begin(), records.end());
          return MockConnection::RecordResponses(records.size(), RecordResponse{});
        });
  }
  // The one record of the call.
  RecordRequest Recorded() {
    EXPECT_TRUE(client_.Flush(10s).ok());
    EXPECT_EQ(records_.size(), 1u);
    return records_.empty() ? RecordRequest{} : records_.front();
  }

  const Subject subject_{.user = "ada"};
  const Model model_{.provider = "openai", .name = "gpt-4o"};
  StatusOr<CheckResponse> answer_ =
      CheckResponse{.decision = Decision::kAllow, .reservation = Reservation{.id = "r-1"}};
  std::vector<CheckRequest> checks_;
  std::vector<RecordRequest> records_;
  std::shared_ptr<NiceMock<MockConnection>> connection_ =
      std::make_shared<NiceMock<MockConnection>>();
  Client client_{connection_};
};

TEST_F(TrackTest, RecordsWhatTheResultSays) {
  const StatusOr<provider::Reply> reply = client_.Track(subject_, model_, [] {
    return provider::Reply{"hello", 12};
  });
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->text, "hello");
  ASSERT_EQ(checks_.size(), 1u);
  EXPECT_EQ(checks_[0].subject.user, "ada");
  EXPECT_TRUE(checks_[0].tokens.has_value());
  const RecordRequest record = Recorded();
  EXPECT_EQ(record.reservation_id, "r-1");
  EXPECT_EQ(record.tokens->visible_output_tokens, 12);
  EXPECT_TRUE(record.latency.has_value());
  EXPECT_EQ(record.outcome, Outcome::kUnspecified);
}

TEST_F(TrackTest, TakesUsageInEachOfItsForms) {
  (void)client_.Track(subject_, model_, [] { return TokenUsage{.uncached_input_tokens = 1}; });
  (void)client_.Track(subject_, model_, [] { return ProviderUsage{"chat", "{}"}; });
  (void)client_.Track(subject_, model_, [] { return RecordRequest{.cost_nanousd = 3}; });
  (void)client_.Track(subject_, model_, [] { return StatusOr<TokenUsage>(TokenUsage{}); });
  EXPECT_TRUE(client_.Flush(10s).ok());
  ASSERT_EQ(records_.size(), 4u);
  EXPECT_EQ(records_[0].tokens->uncached_input_tokens, 1);
  EXPECT_EQ(records_[1].provider_usage->api_flavor, "chat");
  EXPECT_EQ(records_[2].cost_nanousd, 3);
  EXPECT_TRUE(records_[3].tokens.has_value());
}

TEST_F(TrackTest, GivesTheCallItsGuard) {
  const Status done = client_.Track(subject_, model_, [](Guard& guard) {
    EXPECT_TRUE(guard.allowed());
    EXPECT_TRUE(guard.SettleAsync(TokenUsage{.uncached_input_tokens = 4}).ok());
  });
  EXPECT_TRUE(done.ok());
  EXPECT_EQ(Recorded().tokens->uncached_input_tokens, 4);
}

TEST_F(TrackTest, WhatNobodySaysIsUnknownAndWhatWasObservedCounts) {
  EXPECT_TRUE(client_.Track(subject_, model_, [] {}).ok());
  EXPECT_EQ(Recorded().outcome, Outcome::kUnknown);
  records_.clear();
  EXPECT_TRUE(client_
                  .Track(subject_, model_,
                         [](Guard& guard) { guard.Observe({.visible_output_tokens = 8}); })
                  .ok());
  const RecordRequest observed = Recorded();
  EXPECT_EQ(observed.tokens->visible_output_tokens, 8);
  EXPECT_EQ(observed.outcome, Outcome::kUnspecified);
}

TEST_F(TrackTest, AnExceptionIsRecordedAndThrownOn) {
  EXPECT_THROW((void)client_.Track(subject_, model_,
                                   []() -> TokenUsage { throw std::out_of_range("index 7"); }),
               std::out_of_range);
  const RecordRequest record = Recorded();
  EXPECT_EQ(record.outcome, Outcome::kUnknown);
  ASSERT_TRUE(record.error.has_value());
  EXPECT_EQ(record.error->type, "std::out_of_range");
  EXPECT_EQ(record.error->message, "index 7");
  records_.clear();
  EXPECT_THROW((void)client_.Track(subject_, model_, [] { throw 7; }), int);
  EXPECT_EQ(Recorded().error->type, "unknown exception");
}

TEST_F(TrackTest, AnErrorStatusIsRecordedAndReturned) {
  const Status failed = client_.Track(
      subject_, model_, [] { return Status(StatusCode::kUnavailable, "the model is away"); });
  EXPECT_EQ(failed.message(), "the model is away");
  const RecordRequest record = Recorded();
  EXPECT_EQ(record.outcome, Outcome::kUnknown);
  EXPECT_EQ(record.error->type, "UNAVAILABLE");
}

TEST_F(TrackTest, ADeniedCallIsNotMade) {
  answer_ = CheckResponse{.decision = Decision::kDeny,
                          .reason = "BUDGET_EXHAUSTED",
                          .retry_after = 90s,
                          .message = "run-cap is full"};
  bool made = false;
  const auto reply = client_.Track(subject_, model_, [&] {
    made = true;
    return TokenUsage{};
  });
  EXPECT_FALSE(made);
  EXPECT_EQ(reply.status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(reply.status().reason(), "BUDGET_EXHAUSTED");
  EXPECT_EQ(reply.status().retry_delay(), 90s);
  EXPECT_EQ(reply.status().message(), "run-cap is full");
  EXPECT_TRUE(records_.empty());
}

TEST_F(TrackTest, ACheckThatFailsIsTheAnswer) {
  answer_ = Status(StatusCode::kPermissionDenied, "a viewer's key");
  EXPECT_EQ(client_.Track(subject_, model_, [] {}).code(), StatusCode::kPermissionDenied);
}

TEST_F(TrackTest, TakesAWholeCheckRequest) {
  EXPECT_TRUE(client_.Track({.subject = subject_, .model = model_, .cost_nanousd = 7}, [] {}).ok());
  EXPECT_EQ(checks_[0].cost_nanousd, 7);
}

}  // namespace
}  // namespace bursar
