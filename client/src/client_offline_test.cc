#include <bursar/client.h>
#include <bursar/guard.h>
#include <bursar/mocks/mock_connection.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "src/client_state.h"
#include "testing/temporary_folder.h"

namespace bursar {
namespace {

using namespace std::chrono_literals;
using ::testing::_;
using ::testing::NiceMock;

constexpr int64_t kCent = 10'000'000;

// A server that can be away; then nothing of what it is told arrives.
class OfflineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ON_CALL(*connection_, Check(_, _))
        .WillByDefault(
            [this](const CheckRequest& request, const CallOptions&) -> StatusOr<CheckResponse> {
              if (const Status status = Now(); !status.ok()) return status;
              CheckResponse response = answer_;
              if (response.allowed()) response.reservation = Reservation{.id = request.request_id};
              return response;
            });
    ON_CALL(*connection_, Record(_, _))
        .WillByDefault(
            [this](const RecordRequest& record, const CallOptions&) -> StatusOr<RecordResponse> {
              if (const Status status = Now(); !status.ok()) return status;
              return Keep(record);
            });
    ON_CALL(*connection_, RecordBatch(_, _))
        .WillByDefault([this](const std::vector<RecordRequest>& records,
                              const CallOptions&) -> StatusOr<MockConnection::RecordResponses> {
          if (const Status status = Now(); !status.ok()) return status;
          MockConnection::RecordResponses answers;
          for (const RecordRequest& record : records) answers.emplace_back(Keep(record));
          return answers;
        });
    ON_CALL(*connection_, Release(_, _))
        .WillByDefault([](const ReleaseRequest&, const CallOptions&) -> StatusOr<ReleaseResponse> {
          return Status(StatusCode::kNotFound, "there is no such reservation");
        });
  }
  Status Now() {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  void Answers(Status status) {
    const std::lock_guard lock(mutex_);
    now_ = std::move(status);
  }
  RecordResponse Keep(const RecordRequest& record) {
    const std::lock_guard lock(mutex_);
    records_.push_back(record);
    return {.usage_id = record.usage_id};
  }

  Client FailOpen(int64_t allowance, int64_t call = 0) const {
    ClientOptions options;
    options.failure_policy = FailurePolicy::kFailOpen;
    options.offline_allowance_nanousd = allowance;
    options.offline_call_nanousd = call;
    options.check_timeout = 5ms;
    options.breaker_open_time = 1ms;
    options.recorder.retry_initial_backoff = 5ms;
    options.recorder.retry_max_backoff = 5ms;
    return Client(connection_, options);
  }
  static CheckRequest Ask(std::optional<int64_t> cost = std::nullopt) {
    CheckRequest request{.subject = {.user = "ada"}, .model = {.provider = "p", .name = "m"}};
    if (!cost) request.tokens.emplace();
    request.cost_nanousd = cost;
    return request;
  }

  const Status away_{StatusCode::kUnavailable, "connection refused"};
  CheckResponse answer_{.decision = Decision::kAllow};
  std::mutex mutex_;
  Status now_;
  std::vector<RecordRequest> records_;
  std::shared_ptr<NiceMock<MockConnection>> connection_ =
      std::make_shared<NiceMock<MockConnection>>();
};

TEST_F(OfflineTest, ByDefaultAClientFailsClosed) {
  Answers(away_);
  EXPECT_EQ(Client(connection_).Check(Ask(1), 5ms).status().code(), StatusCode::kUnavailable);
  EXPECT_FALSE(Guard(Client(connection_), Ask(1)).allowed());
}

TEST_F(OfflineTest, TheAllowanceIsNeverExceededByManyThreads) {
  Answers(away_);
  const Client client = FailOpen(100 * kCent);
  std::atomic<int> allowed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const auto response = client.Check(Ask(3 * kCent));
        ASSERT_TRUE(response.ok());
        EXPECT_TRUE(response->offline);
        if (response->allowed()) ++allowed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allowed, 33);
  const auto denied = client.Check(Ask(3 * kCent));
  EXPECT_EQ(denied->reason, "OFFLINE_ALLOWANCE_EXHAUSTED");
  EXPECT_NE(
      denied->message.find("needs $0.03 of which the offline allowance of $1.00 has $0.01 left"),
      std::string::npos)
      << denied->message;
  EXPECT_TRUE(client.Check(Ask(1 * kCent))->allowed());
}

TEST_F(OfflineTest, OnlyTransportErrorsAreAReason) {
  const Client client = FailOpen(100 * kCent);
  for (const StatusCode code :
       {StatusCode::kInvalidArgument, StatusCode::kUnauthenticated, StatusCode::kPermissionDenied,
        StatusCode::kResourceExhausted, StatusCode::kInternal, StatusCode::kUnimplemented}) {
    Answers({code, "no"});
    EXPECT_EQ(client.Check(Ask(1)).status().code(), code);
  }
  Answers({});
  answer_ = {.decision = Decision::kDeny, .reason = "BUDGET_EXHAUSTED"};
  const auto denied = client.Check(Ask(1));
  EXPECT_FALSE(denied->allowed());
  EXPECT_FALSE(denied->offline);
  answer_ = {.decision = static_cast<Decision>(42)};
  EXPECT_FALSE(client.Check(Ask(1))->allowed());
  Answers({StatusCode::kDeadlineExceeded, "no answer"});
  EXPECT_TRUE(client.Check(Ask(1))->allowed());
}

TEST_F(OfflineTest, ADryRunIsNeverDecidedOffline) {
  Answers(away_);
  CheckRequest request = Ask(1);
  request.dry_run = true;
  EXPECT_FALSE(FailOpen(100 * kCent).Check(request).ok());
}

TEST_F(OfflineTest, ACallOfUnknownCostTakesTheLargestThatIsKnown) {
  const Client client = FailOpen(100 * kCent);
  Answers(away_);
  const auto unknown = client.Check(Ask());
  EXPECT_FALSE(unknown->allowed());
  EXPECT_NE(unknown->message.find("nobody knows what p/m costs"), std::string::npos);

  Answers({});
  answer_.estimated_nanousd = 7 * kCent;
  EXPECT_FALSE(client.Check(Ask())->offline);
  answer_.estimated_nanousd = 2 * kCent;
  EXPECT_FALSE(client.Check(Ask())->offline);
  Answers(away_);
  EXPECT_EQ(client.Check(Ask())->estimated_nanousd, 7 * kCent);
  EXPECT_EQ(FailOpen(100 * kCent, 9 * kCent).Check(Ask())->estimated_nanousd, 9 * kCent);
}

TEST_F(OfflineTest, ARepeatedCheckTakesItsCostOnce) {
  Answers(away_);
  const Client client = FailOpen(2 * kCent);
  CheckRequest request = Ask(2 * kCent);
  request.request_id = "once";
  EXPECT_TRUE(client.Check(request)->allowed());
  EXPECT_TRUE(client.Check(request)->allowed());
  EXPECT_FALSE(client.Check(Ask(1))->allowed());
}

TEST_F(OfflineTest, WhatIsDeliveredOrReleasedComesBack) {
  Answers(away_);
  const Client client = FailOpen(2 * kCent);
  {
    Guard guard(client, Ask(2 * kCent));
    ASSERT_TRUE(guard.allowed());
    EXPECT_EQ(guard.max_output_tokens(), 0);
    EXPECT_TRUE(guard.SettleAsync(TokenUsage{.visible_output_tokens = 1}).ok());
  }
  EXPECT_FALSE(client.Check(Ask(1))->allowed());  // not delivered yet
  Answers({});
  EXPECT_TRUE(client.Flush(10s).ok());
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_EQ(records_[0].subject.user, "ada");  // the server knows no reservation of this id
  EXPECT_FALSE(records_[0].reservation_id.empty());
  Answers(away_);
  const auto again = client.Check(Ask(2 * kCent));
  ASSERT_TRUE(again->allowed());
  EXPECT_FALSE(client.Release({.reservation_id = again->reservation->id}).ok());
  EXPECT_TRUE(client.Check(Ask(2 * kCent))->allowed());
}

TEST_F(OfflineTest, AKnownCostTakesThePlaceOfTheEstimate) {
  Answers(away_);
  const Client client = FailOpen(10 * kCent);
  const auto check = client.Check(Ask(1 * kCent));
  ASSERT_TRUE(check->allowed());
  EXPECT_TRUE(client
                  .RecordAsync({.reservation_id = check->reservation->id,
                                .cost_nanousd = 9 * kCent + kCent / 2})
                  .ok());
  EXPECT_FALSE(client.Check(Ask(1 * kCent))->allowed());
  EXPECT_TRUE(client.Check(Ask(kCent / 2))->allowed());
}

TEST_F(OfflineTest, WhatACheckShouldHaveSettledIsDeliveredInTheBackground) {
  Answers(away_);
  const Client client = FailOpen(10 * kCent);
  CheckRequest request = Ask(1);
  request.settle = {{.usage_id = "u-1", .cost_nanousd = 5}};
  const auto check = client.Check(request);
  ASSERT_TRUE(check->allowed());
  ASSERT_EQ(check->settled.size(), 1u);
  EXPECT_EQ(check->settled[0].status().code(), StatusCode::kUnavailable);
  Answers({});
  EXPECT_TRUE(client.Flush(10s).ok());
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_EQ(records_[0].usage_id, "u-1");
}

TEST_F(OfflineTest, WhenTheServerIsBackTheGateDecidesAgain) {
  Answers(away_);
  const Client client = FailOpen(100 * kCent);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(client.Check(Ask(1))->offline);
  Answers({});
  std::this_thread::sleep_for(5ms);  // the breaker's open time is 1 ms
  EXPECT_FALSE(client.Check(Ask(1))->offline);
}

TEST_F(OfflineTest, WhatNobodyKnowsIsChargedAsItWasGranted) {
  Answers(away_);
  const Client client = FailOpen(10 * kCent);
  { Guard unsettled(client, Ask(2 * kCent)); }
  EXPECT_THROW(
      (void)client.Track(Ask(3 * kCent), [] { throw std::runtime_error("the provider's"); }),
      std::runtime_error);
  {
    Guard in_parts(client, Ask(4 * kCent));
    EXPECT_TRUE(in_parts.SettleAsync({.cost_nanousd = kCent, .keep_reservation = true}).ok());
  }
  EXPECT_FALSE(client.Check(Ask(2 * kCent))->allowed());
  Answers({});
  EXPECT_TRUE(client.Flush(10s).ok());
  std::map<int64_t, int> costs;
  for (const RecordRequest& record : records_) ++costs[record.cost_nanousd.value_or(-1)];
  EXPECT_EQ(costs, (std::map<int64_t, int>{{kCent, 1}, {2 * kCent, 1}, {3 * kCent, 2}}));
  Answers(away_);
  EXPECT_TRUE(client.Check(Ask(10 * kCent))->allowed());  // all of it was counted
}

TEST_F(OfflineTest, OneIdDoesNotGetMoreThanItWasGranted) {
  Answers(away_);
  const Client client = FailOpen(10 * kCent);
  CheckRequest request = Ask(2 * kCent);
  request.request_id = "r";
  ASSERT_TRUE(client.Check(request)->allowed());
  CheckRequest bigger = request;
  bigger.cost_nanousd = 9 * kCent;
  EXPECT_EQ(client.Check(bigger).status().code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(client.RecordAsync({.reservation_id = "r", .cost_nanousd = kCent}).ok());
  const auto ended = client.Check(request);
  EXPECT_FALSE(ended->allowed());
  EXPECT_EQ(ended->reason, "RESERVATION_ENDED");
}

TEST_F(OfflineTest, RecordsOfOneGrantCountTogether) {
  Answers(away_);
  const Client client = FailOpen(10 * kCent);
  CheckRequest request = Ask(2 * kCent);
  request.request_id = "r";
  ASSERT_TRUE(client.Check(request)->allowed());
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(
        client
            .RecordAsync(
                {.reservation_id = "r", .cost_nanousd = 2 * kCent, .keep_reservation = i < 2})
            .ok());
  }
  EXPECT_FALSE(client.Check(Ask(5 * kCent))->allowed());  // 6 of 10 are used
  EXPECT_TRUE(client.Check(Ask(4 * kCent))->allowed());
}

TEST_F(OfflineTest, ARecordThatIsRefusedDoesNotEndItsGrant) {
  Answers(away_);
  const Client client = FailOpen(10 * kCent);
  CheckRequest request = Ask(10 * kCent);
  request.request_id = "r";
  ASSERT_TRUE(client.Check(request)->allowed());
  Answers({StatusCode::kInvalidArgument, "no such thing"});
  std::this_thread::sleep_for(5ms);  // the breaker's open time is 1 ms
  EXPECT_FALSE(client.Record({.usage_id = "bad", .reservation_id = "r", .cost_nanousd = 1}).ok());
  Answers({});
  EXPECT_TRUE(client.Record({.usage_id = "u", .reservation_id = "r", .cost_nanousd = 1}).ok());
  Answers(away_);
  EXPECT_TRUE(client.Check(Ask(10 * kCent))->allowed());
}

TEST_F(OfflineTest, HugeCostsDoNotMakeRoom) {
  Answers(away_);
  const Client client = FailOpen(10 * kCent);
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (const char* id : {"a", "b", "c"}) {
    CheckRequest request = Ask(kCent);
    request.request_id = id;
    ASSERT_TRUE(client.Check(request)->allowed());
  }
  for (const char* id : {"a", "b", "c"}) {
    EXPECT_TRUE(client.RecordAsync({.reservation_id = id, .cost_nanousd = kMost}).ok());
  }
  EXPECT_FALSE(client.Check(Ask(1))->allowed());
}

TEST_F(OfflineTest, AnOfflineNextWhoseRecordIsRefusedIsRecordedAfterwards) {
  Answers(away_);
  ClientOptions options;
  options.failure_policy = FailurePolicy::kFailOpen;
  options.offline_allowance_nanousd = 10 * kCent;
  options.check_timeout = 5ms;
  options.breaker_failures = 0;
  options.recorder.memory_records_max = 0;
  const Client client(connection_, options);
  {
    Guard step(client, Ask(kCent));
    Guard next = step.Next({.usage_id = "u-1", .cost_nanousd = 5}, Ask(kCent));
    ASSERT_TRUE(next.allowed());
    EXPECT_EQ(next.check()->settled.at(0).status().code(), StatusCode::kResourceExhausted);
    EXPECT_FALSE(step.settled());
    next.NotSent();
    Answers({});
  }
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_EQ(records_[0].usage_id, "u-1");
  EXPECT_EQ(records_[0].cost_nanousd, 5);
}

TEST_F(OfflineTest, WhatCallersSayThatACallCostsIsNoEstimateOfTheServers) {
  const Client client = FailOpen(100 * kCent);
  answer_.estimated_nanousd = 50 * kCent;
  EXPECT_TRUE(client.Check(Ask(50 * kCent))->allowed());
  Answers(away_);
  EXPECT_FALSE(client.Check(Ask())->allowed());
}

TEST_F(OfflineTest, QueriesThatTimeOutAreNoReasonToAllowOffline) {
  ON_CALL(*connection_, QueryCosts(_, _))
      .WillByDefault([](const CostQuery&, const CallOptions&) -> StatusOr<CostReport> {
        return Status(StatusCode::kDeadlineExceeded, "too much to read");
      });
  const Client client = FailOpen(100 * kCent);
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(client.QueryCosts({}).ok());
  EXPECT_FALSE(client.Check(Ask(1))->offline);
}

class DisabledTest : public OfflineTest {
 protected:
  void SetUp() override {
    EXPECT_CALL(*connection_, Check(_, _)).Times(0);
    EXPECT_CALL(*connection_, Record(_, _)).Times(0);
    EXPECT_CALL(*connection_, RecordBatch(_, _)).Times(0);
  }
  static void DoesNothing(const Client& client) {
    {
      Guard guard(client, Ask(1));
      EXPECT_TRUE(guard.allowed());
      EXPECT_TRUE(guard.Settle(TokenUsage{.visible_output_tokens = 2}).ok());
    }
    { Guard unsettled(client, Ask(1)); }
    EXPECT_TRUE(client.RecordAsync({.cost_nanousd = 1}).ok());
    EXPECT_TRUE(client.RecordBatch({{}, {}}).ok());
    EXPECT_TRUE(client.Flush(0ms).ok());
    EXPECT_EQ(client.Recorded().accepted, 0u);
  }
};

TEST_F(DisabledTest, AClientThatIsSwitchedOffAllowsAndAsksNobody) {
  ClientOptions options;
  options.disabled = true;
  options.api_key_file = "/no/such/file";
  options.recorder.journal_folder = "/no/such/folder";
  DoesNothing(Client(connection_, options));
  const auto connected = Client::Connect(options);
  ASSERT_TRUE(connected.ok()) << connected.status().ToString();
  DoesNothing(*connected);
}

TEST_F(DisabledTest, TheEnvironmentSwitchesOffWhateverTheOptionsSay) {
  ::setenv("BURSAR_DISABLED", "1", 1);
  const Client client(connection_);
  ::unsetenv("BURSAR_DISABLED");
  DoesNothing(client);
}

TEST(JournalLabel, NamesEndpointAndTenantAndNeverTheSecret) {
  using internal::JournalLabel;
  EXPECT_EQ(JournalLabel("purse", ""), "purse");
  EXPECT_EQ(JournalLabel("purse", "bursar_acme_k1_s3cret"), "purse-acme");
  EXPECT_EQ(JournalLabel("purse", "bursar_acme_k2_other"), "purse-acme");  // a key was replaced
  EXPECT_EQ(JournalLabel("purse", "foreign-key"), "purse");
  const std::string label = JournalLabel("127.0.0.1:50051", "");
  EXPECT_EQ(label.rfind("127.0.0.1_50051-", 0), 0u) << label;
  EXPECT_NE(label, JournalLabel("127.0.0.1_50051", ""));
  const std::string longest =
      JournalLabel(std::string(300, 'x'), "bursar_" + std::string(300, 'y') + "_k_s");
  EXPECT_LE(longest.size(), 64u);
}

TEST(JournalLabel, AKeyFileThatCannotBeReadIsAnErrorAndNoOtherLabel) {
  const testing::TemporaryFolder folder;
  ClientOptions options;
  options.api_key_file = folder.path() + "/key";
  options.recorder.journal_folder = folder.path() + "/journal";
  options.recorder.close_timeout = 1ms;  // it is left there
  const Client client(std::make_shared<NiceMock<MockConnection>>(), options);
  EXPECT_EQ(client.RecordAsync({.cost_nanousd = 1}).code(), StatusCode::kFailedPrecondition);
  testing::WriteFile(options.api_key_file, "bursar_acme_k1_s3cret\n");
  EXPECT_TRUE(client.RecordAsync({.cost_nanousd = 1}).ok());
  bool labelled = false;
  for (const auto& entry : std::filesystem::directory_iterator(options.recorder.journal_folder)) {
    labelled |= entry.path().filename().string().find("-acme@") != std::string::npos;
  }
  EXPECT_TRUE(labelled);
}

}  // namespace
}  // namespace bursar
