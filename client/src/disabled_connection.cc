#include "src/disabled_connection.h"

namespace bursar::internal {
namespace {

constexpr char kReason[] = "DISABLED";

class DisabledConnection final : public Connection {
 public:
  StatusOr<CheckResponse> Check(const CheckRequest& request, const CallOptions&) override {
    CheckResponse response;
    response.decision = Decision::kAllow;
    response.reason = kReason;
    for (const RecordRequest& record : request.settle)
      response.settled.emplace_back(Answer(record));
    return response;
  }
  StatusOr<RecordResponse> Record(const RecordRequest& request, const CallOptions&) override {
    return Answer(request);
  }
  StatusOr<std::vector<StatusOr<RecordResponse>>> RecordBatch(
      const std::vector<RecordRequest>& requests, const CallOptions&) override {
    std::vector<StatusOr<RecordResponse>> answers;
    for (const RecordRequest& request : requests) answers.emplace_back(Answer(request));
    return answers;
  }
  StatusOr<ReleaseResponse> Release(const ReleaseRequest&, const CallOptions&) override {
    return ReleaseResponse{};
  }
  StatusOr<ExtendResponse> Extend(const ExtendRequest&, const CallOptions&) override {
    ExtendResponse response;
    response.decision = Decision::kAllow;
    response.reason = kReason;
    return response;
  }
  StatusOr<std::vector<BudgetStatus>> BudgetStatuses(const BudgetStatusesRequest&,
                                                     const CallOptions&) override {
    return std::vector<BudgetStatus>();
  }
  StatusOr<CostReport> QueryCosts(const CostQuery&, const CallOptions&) override {
    return CostReport{};
  }

 private:
  // Costs nothing, and says what was asked, so that a summary line still reads well.
  static RecordResponse Answer(const RecordRequest& request) {
    RecordResponse response;
    response.usage_id = request.usage_id;
    response.model = request.model;
    response.outcome = request.outcome;
    response.latency = request.latency;
    response.attempt = request.attempt;
    response.guardrail_hits = request.guardrail_hits;
    if (request.tokens) response.tokens = *request.tokens;
    return response;
  }
};

}  // namespace

std::shared_ptr<Connection> MakeDisabledConnection() {
  return std::make_shared<DisabledConnection>();
}

}  // namespace bursar::internal
