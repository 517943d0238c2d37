#pragma once

#include <bursar/connection.h>
#include <gmock/gmock.h>

#include <vector>

namespace bursar {

// A Connection that does what a test says, with GoogleMock. Give it to Client's constructor.
class MockConnection : public Connection {
 public:
  using RecordResponses = std::vector<StatusOr<RecordResponse>>;

  MOCK_METHOD(StatusOr<CheckResponse>, Check, (const CheckRequest&, const CallOptions&),
              (override));
  MOCK_METHOD(StatusOr<RecordResponse>, Record, (const RecordRequest&, const CallOptions&),
              (override));
  MOCK_METHOD(StatusOr<RecordResponses>, RecordBatch,
              (const std::vector<RecordRequest>&, const CallOptions&), (override));
  MOCK_METHOD(StatusOr<ReleaseResponse>, Release, (const ReleaseRequest&, const CallOptions&),
              (override));
  MOCK_METHOD(StatusOr<ExtendResponse>, Extend, (const ExtendRequest&, const CallOptions&),
              (override));
  MOCK_METHOD(StatusOr<std::vector<BudgetStatus>>, BudgetStatuses,
              (const BudgetStatusesRequest&, const CallOptions&), (override));
  MOCK_METHOD(StatusOr<CostReport>, QueryCosts, (const CostQuery&, const CallOptions&), (override));
};

}  // namespace bursar
