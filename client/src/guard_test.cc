#include <bursar/guard.h>
#include <bursar/mocks/mock_connection.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace bursar {
namespace {

using namespace std::chrono_literals;
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
          if (records_.size() <= lost_) return StatusOr<RecordResponse>(lost_as_);
          return StatusOr<RecordResponse>(RecordResponse{});
        });
    ON_CALL(*connection_, RecordBatch(_, _))
        .WillByDefault([this](const std::vector<RecordRequest>& records, const CallOptions&) {
          delivered_.insert(delivered_.end(), records.begin(), records.end());
          return MockConnection::RecordResponses(records.size(), RecordResponse{});
        });
    ON_CALL(*connection_, Extend(_, _))
        .WillByDefault(
            [this](const ExtendRequest& request, const CallOptions&) { return Extended(request); });
    ON_CALL(*connection_, Release(_, _))
        .WillByDefault([this](const ReleaseRequest& request, const CallOptions&) {
          released_.push_back(request.reservation_id);
          return ReleaseResponse{};
        });
  }

  StatusOr<ExtendResponse> Extended(const ExtendRequest& request) {
    const std::lock_guard lock(mutex_);
    extensions_.push_back(request);
    extended_.notify_all();
    if (!extension_fails_.ok()) return extension_fails_;
    return ExtendResponse{.decision = extension_,
                          .reason = extension_reason_,
                          .reservation = Reservation{.remaining_ttl = answer_ttl_}};
  }
  std::vector<ExtendRequest> AwaitExtensions(size_t count) {
    std::unique_lock lock(mutex_);
    extended_.wait_for(lock, 10s, [&] { return extensions_.size() >= count; });
    return extensions_;
  }
  // What was recorded in the background.
  std::vector<RecordRequest> Delivered() {
    EXPECT_TRUE(client_.Flush(10s).ok());
    return delivered_;
  }

  static CheckRequest Request() {
    return {.request_id = "r-1",
            .subject = {.user = "ada"},
            .model = {.provider = "openai", .name = "gpt-4o"},
            .cost_nanousd = 1};
  }

  // Whose recorder takes nothing.
  Client WithFullRecorder() const {
    ClientOptions options;
    options.recorder.memory_records_max = 0;
    return Client(connection_, options);
  }

  CheckResponse answer_{.decision = Decision::kAllow,
                        .reservation = Reservation{.max_output_tokens = 500}};
  size_t lost_ = 0;  // how many records get no answer, but
  Status lost_as_ = kLost;
  std::vector<RecordRequest> records_;
  std::vector<RecordRequest> delivered_;
  std::mutex mutex_;  // of the next six, which the client's thread uses
  std::condition_variable extended_;
  std::vector<ExtendRequest> extensions_;
  Decision extension_ = Decision::kAllow;
  std::string extension_reason_;
  Status extension_fails_;
  std::chrono::nanoseconds answer_ttl_{5min};
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
  ASSERT_EQ(Delivered().size(), 1u);
  EXPECT_EQ(delivered_[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(delivered_[0].reservation_id, "r-1");
  EXPECT_FALSE(delivered_[0].tokens.has_value());
  EXPECT_TRUE(released_.empty());
}

TEST_F(GuardTest, RecordsTheUnknownWhenTheCallThrows) {
  EXPECT_THROW(
      {
        Guard guard(client_, Request());
        throw std::runtime_error("the provider's library");
      },
      std::runtime_error);
  ASSERT_EQ(Delivered().size(), 1u);
  EXPECT_EQ(delivered_[0].outcome, Outcome::kUnknown);
}

TEST_F(GuardTest, RecordsWhatWasObservedWhenTheCallThrows) {
  EXPECT_THROW(
      {
        Guard guard(client_, Request());
        guard.Observe({.visible_output_tokens = 3});
        guard.Observe({.visible_output_tokens = 7});
        throw std::runtime_error("the stream broke");
      },
      std::runtime_error);
  ASSERT_EQ(Delivered().size(), 1u);
  EXPECT_EQ(delivered_[0].outcome, Outcome::kCancelled);
  ASSERT_TRUE(delivered_[0].tokens.has_value());
  EXPECT_EQ(delivered_[0].tokens->visible_output_tokens, 7);
  EXPECT_TRUE(released_.empty());
}

TEST_F(GuardTest, ReleasesOnAnExceptionOnlyWhatWasNotSent) {
  EXPECT_THROW(
      {
        Guard guard(client_, Request());
        guard.NotSent();
        throw std::runtime_error("no such host");
      },
      std::runtime_error);
  EXPECT_EQ(released_, std::vector<std::string>{"r-1"});
  EXPECT_TRUE(Delivered().empty());
}

TEST_F(GuardTest, AnEmptySettlementIsUnknownRatherThanFree) {
  {
    Guard guard(client_, Request());
    EXPECT_TRUE(guard.Settle(RecordRequest{}).ok());
  }
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_EQ(records_[0].outcome, Outcome::kUnknown);
}

TEST_F(GuardTest, SettlesInTheBackground) {
  {
    Guard guard(client_, Request());
    EXPECT_TRUE(guard.SettleAsync(TokenUsage{.uncached_input_tokens = 12}).ok());
    EXPECT_TRUE(guard.settled());
  }
  ASSERT_EQ(Delivered().size(), 1u);
  EXPECT_TRUE(records_.empty());
  EXPECT_EQ(delivered_[0].reservation_id, "r-1");
  EXPECT_TRUE(delivered_[0].occur_time.has_value());
}

TEST_F(GuardTest, SeveralRecordsOutOfOneHoldHaveTheirOwnIds) {
  {
    Guard guard(client_, Request());
    EXPECT_TRUE(guard.Settle({.cost_nanousd = 1, .keep_reservation = true}).ok());
    EXPECT_FALSE(guard.settled());
    EXPECT_TRUE(guard.Settle({.cost_nanousd = 2}).ok());
  }
  ASSERT_EQ(records_.size(), 2u);
  EXPECT_NE(records_[0].usage_id, records_[1].usage_id);
  EXPECT_TRUE(Delivered().empty());
}

TEST_F(GuardTest, ExtendsItsHoldWhileTheCallRuns) {
  answer_.reservation->remaining_ttl = 20ms;
  answer_ttl_ = 20ms;
  CheckRequest request = Request();
  request.ttl = 1s;
  Guard guard(client_, request);
  const auto extensions = AwaitExtensions(3);
  ASSERT_GE(extensions.size(), 3u);
  EXPECT_EQ(extensions[0].reservation_id, "r-1");
  EXPECT_EQ(extensions[0].ttl, 1s);
  EXPECT_FALSE(extensions[0].observed.has_value());
  EXPECT_TRUE(guard.extension().ok());
  EXPECT_TRUE(guard.Settle({.cost_nanousd = 1}).ok());
}

TEST_F(GuardTest, AFailedExtensionIsVisibleAndNotFatal) {
  answer_.reservation->remaining_ttl = 10ms;
  {
    const std::lock_guard lock(mutex_);
    extension_fails_ = Status(StatusCode::kNotFound, "there is no reservation \"r-1\"");
  }
  Guard guard(client_, Request());
  AwaitExtensions(1);
  for (int i = 0; i < 1000 && guard.extension().ok(); ++i) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(guard.extension().code(), StatusCode::kNotFound);
  EXPECT_TRUE(guard.allowed());
  EXPECT_FALSE(guard.should_stop());
  EXPECT_TRUE(guard.Settle({.cost_nanousd = 1}).ok());
  EXPECT_EQ(AwaitExtensions(1).size(), 1u);  // nobody asks again for what has ended
}

TEST_F(GuardTest, WhatIsObservedIsToldAndADenialMeansStop) {
  {
    const std::lock_guard lock(mutex_);
    extension_ = Decision::kDeny;
  }
  Guard guard(client_, Request());
  guard.Observe({.visible_output_tokens = 900});
  const auto extensions = AwaitExtensions(1);
  ASSERT_EQ(extensions.size(), 1u);
  ASSERT_TRUE(extensions[0].observed.has_value());
  EXPECT_EQ(extensions[0].observed->visible_output_tokens, 900);
  EXPECT_TRUE(extensions[0].ttl.has_value());
  for (int i = 0; i < 1000 && !guard.should_stop(); ++i) std::this_thread::sleep_for(5ms);
  EXPECT_TRUE(guard.should_stop());
  EXPECT_TRUE(guard.Settle({.cost_nanousd = 1}).ok());
}

TEST_F(GuardTest, CallsInsideInheritRunAndTrace) {
  std::vector<CheckRequest> checks;
  ON_CALL(*connection_, Check(_, _))
      .WillByDefault([&](const CheckRequest& request, const CallOptions&) {
        checks.push_back(request);
        return answer_;
      });
  CheckRequest request = Request();
  request.subject.run = "planner";
  {
    Guard outer(client_, request);
    Guard inner(client_, Request());
    CheckRequest of_a_sub_agent = Request();
    of_a_sub_agent.subject.run = "coder";
    (void)client_.Check(of_a_sub_agent);
    EXPECT_TRUE(inner.SettleAsync(TokenUsage{}).ok());
    EXPECT_EQ(CurrentCall().trace.span_id, outer.trace().span_id);
  }
  EXPECT_EQ(CurrentCall().trace.trace_id, "");
  ASSERT_EQ(checks.size(), 3u);
  EXPECT_EQ(checks[0].trace->trace_id.size(), 32u);
  EXPECT_EQ(checks[0].trace->span_id.size(), 16u);
  EXPECT_EQ(checks[0].trace->parent_span_id, "");
  for (const CheckRequest& check : checks)
    EXPECT_EQ(check.trace->trace_id, checks[0].trace->trace_id);
  EXPECT_EQ(checks[1].subject.run, "planner");
  EXPECT_EQ(checks[1].trace->parent_span_id, checks[0].trace->span_id);
  EXPECT_EQ(checks[2].subject.run, "coder");
  EXPECT_EQ(checks[2].subject.parent_run, "planner");
  EXPECT_EQ(checks[2].subject.root_run, "planner");
  EXPECT_EQ(checks[2].trace->parent_span_id, checks[1].trace->span_id);
  for (const RecordRequest& record : Delivered()) {
    EXPECT_EQ(record.trace->trace_id, checks[0].trace->trace_id);
  }
}

TEST_F(GuardTest, TheNextStepsCheckCarriesTheSettlement) {
  std::vector<CheckRequest> checks;
  ON_CALL(*connection_, Check(_, _))
      .WillByDefault([&](const CheckRequest& request, const CallOptions&) {
        checks.push_back(request);
        CheckResponse response = answer_;
        response.settled.resize(request.settle.size(), RecordResponse{.cost_nanousd = 9});
        return response;
      });
  CheckRequest request = Request();
  request.subject.run = "r";
  {
    Guard step(client_, request);
    Guard next = step.Next({.tokens = TokenUsage{.visible_output_tokens = 5}}, Request());
    EXPECT_TRUE(step.settled());
    EXPECT_TRUE(next.allowed());
    EXPECT_EQ(next.check()->settled[0]->cost_nanousd, 9);
    EXPECT_TRUE(next.SettleAsync(TokenUsage{}).ok());
  }
  ASSERT_EQ(checks.size(), 2u);
  ASSERT_EQ(checks[1].settle.size(), 1u);
  EXPECT_EQ(checks[1].settle[0].tokens->visible_output_tokens, 5);
  EXPECT_EQ(checks[1].subject.run, "r");
  EXPECT_EQ(checks[1].trace->trace_id, checks[0].trace->trace_id);
  EXPECT_EQ(checks[1].trace->parent_span_id, "");  // beside the first step, not in it
  EXPECT_TRUE(records_.empty());
  EXPECT_EQ(Delivered().size(), 1u);  // the second step's
}

TEST_F(GuardTest, ASettlementWhoseNextCheckFailsIsDeliveredAllTheSame) {
  {
    Guard step(client_, Request());
    ON_CALL(*connection_, Check(_, _)).WillByDefault([](const CheckRequest&, const CallOptions&) {
      return StatusOr<CheckResponse>(kLost);
    });
    Guard next = step.Next({.usage_id = "u-1", .cost_nanousd = 5}, Request());
    EXPECT_FALSE(next.allowed());
    EXPECT_TRUE(step.settled());
  }
  ASSERT_EQ(Delivered().size(), 1u);
  EXPECT_EQ(delivered_[0].usage_id, "u-1");
  EXPECT_EQ(delivered_[0].cost_nanousd, 5);
}

TEST_F(GuardTest, ASettlementThatTheNextChecksServerRefusesIsUnknown) {
  {
    Guard step(client_, Request());
    ON_CALL(*connection_, Check(_, _))
        .WillByDefault([this](const CheckRequest&, const CallOptions&) {
          CheckResponse response = answer_;
          response.settled.emplace_back(Status(StatusCode::kInvalidArgument, "bad tokens"));
          return response;
        });
    Guard next = step.Next({.cost_nanousd = -5}, Request());
    EXPECT_FALSE(step.settled());
    EXPECT_TRUE(next.SettleAsync(TokenUsage{}).ok());
  }
  ASSERT_EQ(Delivered().size(), 2u);
  EXPECT_EQ(delivered_[1].outcome, Outcome::kUnknown);
}

TEST_F(GuardTest, SendsALostSettlementInTheBackgroundUnderItsId) {
  lost_ = 1;
  {
    Guard guard(client_, Request());
    const auto lost = guard.Settle(TokenUsage{.visible_output_tokens = 9});
    EXPECT_EQ(lost.status().ToString(),
              "DEADLINE_EXCEEDED: no answer; it is delivered in the background");
  }
  ASSERT_EQ(records_.size(), 1u);
  ASSERT_EQ(Delivered().size(), 1u);
  EXPECT_EQ(delivered_[0].usage_id, records_[0].usage_id);
  EXPECT_EQ(delivered_[0].tokens->visible_output_tokens, 9);
  EXPECT_EQ(delivered_[0].latency, records_[0].latency);  // the same payload, or the id is refused
  EXPECT_EQ(delivered_[0].occur_time, records_[0].occur_time);
}

TEST_F(GuardTest, ADeniedCheckIsNotAllowedAndLeavesNothingBehind) {
  answer_ = {
      .decision = Decision::kDeny, .reason = "BUDGET_EXHAUSTED", .message = "run-cap is full"};
  {
    Guard guard(client_, Request());
    EXPECT_FALSE(guard.allowed());
    EXPECT_EQ(guard.why_not(), "run-cap is full");
    EXPECT_EQ(guard.denial().ToString(), "RESOURCE_EXHAUSTED: run-cap is full");
    EXPECT_EQ(guard.denial().reason(), "BUDGET_EXHAUSTED");
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

TEST_F(GuardTest, AnErrorThatIsNoRefusalMayHaveCounted) {
  for (const StatusCode code : {StatusCode::kInternal, StatusCode::kUnknown,
                                StatusCode::kResourceExhausted, StatusCode::kUnauthenticated}) {
    records_.clear();
    delivered_.clear();
    lost_ = 1;
    lost_as_ = Status(code, "not now");
    {
      Guard guard(client_, Request());
      const auto lost =
          guard.Settle({.usage_id = "u", .tokens = TokenUsage{.visible_output_tokens = 9}});
      EXPECT_EQ(lost.status().message(), "not now; it is delivered in the background");
      EXPECT_TRUE(guard.settled());
    }
    ASSERT_EQ(Delivered().size(), 1u);
    EXPECT_EQ(delivered_[0].usage_id, "u");
    EXPECT_EQ(delivered_[0].tokens->visible_output_tokens, 9);
    EXPECT_EQ(delivered_[0].latency, records_.at(0).latency);
    EXPECT_EQ(records_.size(), 1u);
  }
}

TEST_F(GuardTest, ARefusedSettlementLeavesTheCallToBeUnknown) {
  for (const StatusCode code :
       {StatusCode::kInvalidArgument, StatusCode::kAlreadyExists, StatusCode::kOutOfRange}) {
    records_.clear();
    delivered_.clear();
    lost_ = 1;
    lost_as_ = Status(code, "no");
    {
      Guard guard(client_, Request());
      EXPECT_EQ(guard.Settle({.usage_id = "u", .cost_nanousd = 9}).status().code(), code);
      EXPECT_FALSE(guard.settled());
    }
    ASSERT_EQ(Delivered().size(), 1u);
    EXPECT_NE(delivered_[0].usage_id, "u");
    EXPECT_EQ(delivered_[0].outcome, Outcome::kUnknown);
  }
}

TEST_F(GuardTest, ASettlementThatNobodyTookIsTriedOnceMoreAndNothingElseIsCharged) {
  lost_ = 1;
  const Client full = WithFullRecorder();
  {
    Guard guard(full, Request());
    EXPECT_EQ(guard.Settle({.usage_id = "u", .cost_nanousd = 9}).status().message(), "no answer");
    EXPECT_FALSE(guard.settled());
  }
  ASSERT_EQ(records_.size(), 2u);
  EXPECT_EQ(records_[1].usage_id, "u");
  EXPECT_EQ(records_[1].cost_nanousd, 9);
  EXPECT_EQ(records_[1].latency, records_[0].latency);

  records_.clear();
  lost_ = 2;
  { EXPECT_FALSE(Guard(full, Request()).Settle({.usage_id = "u", .cost_nanousd = 9}).ok()); }
  ASSERT_EQ(records_.size(), 2u);  // and no Outcome::kUnknown under another id
  EXPECT_EQ(records_[1].usage_id, "u");
}

TEST_F(GuardTest, AKeptRecordThatWasLostIsNotForgottenByTheSettlement) {
  lost_ = 1;
  const Client full = WithFullRecorder();
  {
    Guard guard(full, Request());
    EXPECT_FALSE(
        guard.Settle({.usage_id = "part", .cost_nanousd = 1, .keep_reservation = true}).ok());
    EXPECT_TRUE(guard.Settle({.usage_id = "rest", .cost_nanousd = 2}).ok());
  }
  ASSERT_EQ(records_.size(), 3u);
  EXPECT_EQ(records_[1].usage_id, "rest");
  EXPECT_EQ(records_[2].usage_id, "part");
}

TEST_F(GuardTest, AKeptRecordThatWasLostDoesNotEndTheCall) {
  lost_ = 1;
  {
    Guard guard(WithFullRecorder(), Request());
    EXPECT_FALSE(
        guard.Settle({.usage_id = "part", .cost_nanousd = 1, .keep_reservation = true}).ok());
  }
  ASSERT_EQ(records_.size(), 3u);
  EXPECT_EQ(records_[1].usage_id, "part");
  EXPECT_EQ(records_[2].outcome, Outcome::kUnknown);
}

TEST_F(GuardTest, TrackRecordsItselfWhatTheRecorderDoesNotTake) {
  EXPECT_TRUE(WithFullRecorder()
                  .Track(Request(), [] { return TokenUsage{.visible_output_tokens = 7}; })
                  .ok());
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_EQ(records_[0].tokens->visible_output_tokens, 7);
  EXPECT_EQ(records_[0].outcome, Outcome::kUnspecified);
}

TEST_F(GuardTest, AnErrorIsCutToWhatTheServerTakes) {
  for (const std::string& message : {std::string(5000, 'x'), std::string("two\nlines \xFF")}) {
    EXPECT_THROW((void)client_.Track(Request(), [&] { throw std::runtime_error(message); }),
                 std::runtime_error);
  }
  Guard(client_, Request()).Abort({.type = std::string(300, 't'), .message = "m"});
  ASSERT_EQ(Delivered().size(), 3u);
  EXPECT_EQ(delivered_[0].error->message, std::string(4096, 'x'));
  EXPECT_EQ(delivered_[1].error->message, "two\nlines ?");
  EXPECT_EQ(delivered_[2].error->type, std::string(256, 't'));
}

TEST_F(GuardTest, AHoldThatEndedMeanwhileIsAFailureAndNoReasonToStop) {
  answer_.reservation->remaining_ttl = 10ms;
  {
    const std::lock_guard lock(mutex_);
    extension_ = Decision::kDeny;
    extension_reason_ = "RESERVATION_ENDED";
  }
  Guard guard(client_, Request());
  AwaitExtensions(1);
  for (int i = 0; i < 1000 && guard.extension().ok(); ++i) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(guard.extension().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(guard.extension().reason(), "RESERVATION_ENDED");
  EXPECT_FALSE(guard.should_stop());
  EXPECT_TRUE(guard.Settle({.cost_nanousd = 1}).ok());
  EXPECT_EQ(AwaitExtensions(1).size(), 1u);  // nobody asks again
}

TEST_F(GuardTest, ADeniedExtensionOfNothingObservedIsAFailure) {
  answer_.reservation->remaining_ttl = 10ms;
  {
    const std::lock_guard lock(mutex_);
    extension_ = Decision::kDeny;
    extension_reason_ = "BUDGET_FROZEN";
  }
  Guard guard(client_, Request());
  AwaitExtensions(1);
  for (int i = 0; i < 1000 && guard.extension().ok(); ++i) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(guard.extension().reason(), "BUDGET_FROZEN");
  EXPECT_TRUE(guard.should_stop());
  EXPECT_TRUE(guard.Settle({.cost_nanousd = 1}).ok());
}

TEST_F(GuardTest, AConnectionThatThrowsIsAFailedExtension) {
  answer_.reservation->remaining_ttl = 10ms;
  ON_CALL(*connection_, Extend(_, _))
      .WillByDefault([](const ExtendRequest&, const CallOptions&) -> StatusOr<ExtendResponse> {
        throw std::runtime_error("somebody's own");
      });
  Guard guard(client_, Request());
  for (int i = 0; i < 1000 && guard.extension().ok(); ++i) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(guard.extension().code(), StatusCode::kInternal);
  EXPECT_TRUE(guard.Settle({.cost_nanousd = 1}).ok());
}

TEST_F(GuardTest, AForkedChildCanDestroyItsClient) {
  auto client = std::make_unique<Client>(connection_);
  EXPECT_TRUE(Guard(*client, Request()).Settle({.cost_nanousd = 1}).ok());
  std::this_thread::sleep_for(50ms);  // until the thread that extends holds waits
  const pid_t child = ::fork();
  if (child == 0) {
    client.reset();
    ::_exit(0);
  }
  int state = -1;
  pid_t ended = 0;
  for (int i = 0; i < 1000 && ended == 0; ++i) {
    ended = ::waitpid(child, &state, WNOHANG);
    if (ended == 0) std::this_thread::sleep_for(10ms);
  }
  if (ended == 0) {
    ::kill(child, SIGKILL);
    ::waitpid(child, &state, 0);
  }
  EXPECT_EQ(state, 0);
}

TEST_F(GuardTest, WhatIsSettledStaysSoWhateverTheNextChecksServerAnswers) {
  Guard step(client_, Request());
  EXPECT_TRUE(step.Settle({.cost_nanousd = 1}).ok());
  ON_CALL(*connection_, Check(_, _)).WillByDefault([this](const CheckRequest&, const CallOptions&) {
    CheckResponse response = answer_;
    response.settled.emplace_back(Status(StatusCode::kAlreadyExists, "another payload"));
    return response;
  });
  Guard next = step.Next({.cost_nanousd = 2}, Request());
  EXPECT_TRUE(step.settled());
  EXPECT_TRUE(next.Settle({.cost_nanousd = 1}).ok());
}

TEST_F(GuardTest, ANextThatKeepsTheReservationSettlesNothing) {
  Guard step(client_, Request());
  ON_CALL(*connection_, Check(_, _)).WillByDefault([this](const CheckRequest&, const CallOptions&) {
    CheckResponse response = answer_;
    response.settled.emplace_back(RecordResponse{});
    return response;
  });
  Guard next = step.Next({.cost_nanousd = 2, .keep_reservation = true}, Request());
  EXPECT_FALSE(step.settled());
  EXPECT_TRUE(step.Settle({.cost_nanousd = 1}).ok());
  EXPECT_TRUE(next.Settle({.cost_nanousd = 1}).ok());
}

TEST_F(GuardTest, AllThatANextWhoseCheckFailsShouldHaveSettledIsDelivered) {
  {
    Guard step(client_, Request());
    ON_CALL(*connection_, Check(_, _)).WillByDefault([](const CheckRequest&, const CallOptions&) {
      return StatusOr<CheckResponse>(Status(StatusCode::kInternal, "it stumbled"));
    });
    CheckRequest request = Request();
    request.settle = {{.cost_nanousd = 3, .event_type = "tool_call"}};
    Guard next = step.Next({.cost_nanousd = 5}, request);
    EXPECT_TRUE(step.settled());
  }
  ASSERT_EQ(Delivered().size(), 2u);
  EXPECT_EQ(delivered_[0].event_type, "tool_call");
  EXPECT_EQ(delivered_[0].reservation_id, "");
  EXPECT_EQ(delivered_[1].cost_nanousd, 5);
}

}  // namespace
}  // namespace bursar
