#include <bursar/client.h>
#include <bursar/mocks/mock_connection.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace bursar {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using ::testing::_;
using ::testing::NiceMock;

const Status kUnavailable(StatusCode::kUnavailable, "the database is away");

ClientOptions QuickRetries() {
  ClientOptions options;
  options.retry_initial_backoff = 1ms;
  options.retry_max_backoff = 2ms;
  return options;
}

TEST(Client, RepeatsAnUnavailableCheckUnderTheSameId) {
  auto connection = std::make_shared<NiceMock<MockConnection>>();
  std::vector<std::string> ids;
  EXPECT_CALL(*connection, Check(_, _))
      .WillRepeatedly(
          [&](const CheckRequest& request, const CallOptions&) -> StatusOr<CheckResponse> {
            ids.push_back(request.request_id);
            if (ids.size() < 3) return kUnavailable;
            return CheckResponse{.decision = Decision::kAllow};
          });
  const auto response = Client(connection, QuickRetries()).Check({.cost_nanousd = 1});
  ASSERT_TRUE(response.ok());
  EXPECT_TRUE(response->allowed());
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids[0].size(), 36u);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
}

TEST(Client, EndsByItsTimeoutWhileTheServerIsAway) {
  auto connection = std::make_shared<NiceMock<MockConnection>>();
  int attempts = 0;
  EXPECT_CALL(*connection, Check(_, _))
      .WillRepeatedly([&](const CheckRequest&, const CallOptions&) {
        ++attempts;
        return StatusOr<CheckResponse>(kUnavailable);
      });
  const auto start = steady_clock::now();
  const auto response = Client(connection).Check({.cost_nanousd = 1}, 100ms);
  const auto took = steady_clock::now() - start;
  EXPECT_EQ(response.status().code(), StatusCode::kUnavailable);
  EXPECT_GE(attempts, 3);  // 10 + 20 + 40 ms of waits fit at any jitter
  EXPECT_LE(attempts, 8);
  EXPECT_LT(took, 100ms);  // it gives up rather than wait past the deadline
}

TEST(Client, GivesEveryAttemptTheSameDeadline) {
  auto connection = std::make_shared<NiceMock<MockConnection>>();
  std::set<steady_clock::time_point> deadlines;
  EXPECT_CALL(*connection, Record(_, _))
      .WillRepeatedly([&](const RecordRequest&, const CallOptions& call) {
        deadlines.insert(call.deadline);
        return StatusOr<RecordResponse>(kUnavailable);
      });
  const auto before = steady_clock::now();
  (void)Client(connection, QuickRetries()).Record({}, 50ms);
  ASSERT_EQ(deadlines.size(), 1u);
  EXPECT_GE(*deadlines.begin(), before + 50ms);
  EXPECT_LT(*deadlines.begin(), before + 1s);
}

TEST(Client, RepeatsNoOtherError) {
  for (const StatusCode code : {StatusCode::kInvalidArgument, StatusCode::kDeadlineExceeded,
                                StatusCode::kResourceExhausted, StatusCode::kAlreadyExists}) {
    auto connection = std::make_shared<NiceMock<MockConnection>>();
    EXPECT_CALL(*connection, Record(_, _))
        .Times(1)
        .WillOnce([code](const RecordRequest&, const CallOptions&) {
          return StatusOr<RecordResponse>(Status(code, "no"));
        });
    EXPECT_EQ(Client(connection).Record({}).status().code(), code);
  }
}

TEST(Client, KeepsAnIdThatWasGiven) {
  auto connection = std::make_shared<NiceMock<MockConnection>>();
  EXPECT_CALL(*connection, Record(_, _))
      .WillOnce([](const RecordRequest& request, const CallOptions&) {
        EXPECT_EQ(request.usage_id, "run-1/step-2/1");
        return RecordResponse{};
      });
  EXPECT_TRUE(Client(connection).Record({.usage_id = "run-1/step-2/1"}).ok());
}

TEST(Client, ADryRunNeedsNoId) {
  auto connection = std::make_shared<NiceMock<MockConnection>>();
  EXPECT_CALL(*connection, Check(_, _))
      .WillOnce([](const CheckRequest& request, const CallOptions&) {
        EXPECT_EQ(request.request_id, "");
        return CheckResponse{};
      });
  EXPECT_TRUE(Client(connection).Check({.cost_nanousd = 1, .dry_run = true}).ok());
}

TEST(Client, ABatchHasAtMostAThousandRecordsAndAnEmptyOneAsksNobody) {
  auto connection = std::make_shared<NiceMock<MockConnection>>();
  EXPECT_CALL(*connection, RecordBatch(_, _)).Times(0);
  const Client client(connection);
  EXPECT_EQ(client.RecordBatch(std::vector<RecordRequest>(1001)).status().code(),
            StatusCode::kInvalidArgument);
  const auto none = client.RecordBatch({});
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
}

TEST(Client, NamesEveryRecordOfABatchDifferently) {
  auto connection = std::make_shared<NiceMock<MockConnection>>();
  EXPECT_CALL(*connection, RecordBatch(_, _))
      .WillOnce([](const std::vector<RecordRequest>& requests, const CallOptions&) {
        std::set<std::string> ids;
        for (const RecordRequest& request : requests) ids.insert(request.usage_id);
        EXPECT_EQ(ids.size(), 100u);
        return MockConnection::RecordResponses();
      });
  EXPECT_TRUE(Client(connection).RecordBatch(std::vector<RecordRequest>(100)).ok());
}

TEST(Connection, WithoutACallAnswersUnimplemented) {
  const Client client(std::make_shared<Connection>());
  EXPECT_EQ(client.QueryCosts({}).status().code(), StatusCode::kUnimplemented);
}

TEST(Client, ConnectRefusesOptionsWithWhichNoRecorderStarts) {
  ClientOptions options;
  options.recorder.batch_records_max = 0;
  EXPECT_EQ(Client::Connect(options).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace bursar
