#include <bursar/connection.h>

#include <string>

namespace bursar {
namespace {

Status Unimplemented(const char* call) {
  return {StatusCode::kUnimplemented, "this connection has no " + std::string(call)};
}

}  // namespace

StatusOr<CheckResponse> Connection::Check(const CheckRequest&, const CallOptions&) {
  return Unimplemented("Check");
}
StatusOr<RecordResponse> Connection::Record(const RecordRequest&, const CallOptions&) {
  return Unimplemented("Record");
}
StatusOr<std::vector<StatusOr<RecordResponse>>> Connection::RecordBatch(
    const std::vector<RecordRequest>&, const CallOptions&) {
  return Unimplemented("RecordBatch");
}
StatusOr<ReleaseResponse> Connection::Release(const ReleaseRequest&, const CallOptions&) {
  return Unimplemented("Release");
}
StatusOr<ExtendResponse> Connection::Extend(const ExtendRequest&, const CallOptions&) {
  return Unimplemented("Extend");
}
StatusOr<std::vector<BudgetStatus>> Connection::BudgetStatuses(const BudgetStatusesRequest&,
                                                               const CallOptions&) {
  return Unimplemented("BudgetStatuses");
}
StatusOr<CostReport> Connection::QueryCosts(const CostQuery&, const CallOptions&) {
  return Unimplemented("QueryCosts");
}

}  // namespace bursar
