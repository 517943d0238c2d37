#include <google/protobuf/stubs/logging.h>

#include "bursar/v1/admin_service.pb.h"
#include "bursar/v1/telemetry_service.pb.h"
#include "fuzz/targets.h"
#include "rpc/convert.h"

namespace bursar::fuzz {
namespace {

namespace v1 = bursar::v1;

constexpr char kTenant[] = "acme";

const pricing::PriceBook& Prices() {
  static const auto* const prices = new pricing::PriceBook(pricing::PriceBook::Default().value());
  return *prices;
}

// An error is about the request, not about us.
void Expected(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnimplemented:
      return;
    default:
      Expect(false, "a bad request is the caller's: " + status.ToString());
  }
}

template <typename Request, typename Convert>
bool Read(std::string_view bytes, Convert convert) {
  Request request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  Expected(convert(request));
  return true;
}

absl::Status ReadUpdate(const v1::UpdateBudgetRequest& request) {
  ledger::Budget budget;
  return rpc::UpdateFrom(request, budget);
}

// The first byte says which message follows. What is accepted has passed the domain's own checks.
void Run(std::string_view bytes) {
  if (bytes.empty()) return;
  const google::protobuf::LogSilencer silencer;  // it logs each text that is no UTF-8
  const std::string_view message = bytes.substr(1);
  switch (static_cast<unsigned char>(bytes[0]) % 13) {
    case 0:
      Read<v1::RecordUsageRequest>(message, [](const auto& request) {
        return rpc::ToRecord(request, kTenant, Prices()).status();
      });
      return;
    case 1:
      Read<v1::CheckBudgetRequest>(message, [](const auto& request) {
        return rpc::ToCheck(request, kTenant, Prices()).status();
      });
      return;
    case 2:
      Read<v1::ExtendReservationRequest>(
          message, [](const auto& request) { return rpc::ToExtend(request, kTenant).status(); });
      return;
    case 3:
      Read<v1::ReleaseReservationRequest>(
          message, [](const auto& request) { return rpc::ToRelease(request, kTenant).status(); });
      return;
    case 4:
      Read<v1::GetBudgetStatusRequest>(
          message, [](const auto& request) { return rpc::ToInspect(request).status(); });
      return;
    case 5:
      Read<v1::AdjustUsageRequest>(
          message, [](const auto& request) { return rpc::ToAdjust(request, kTenant).status(); });
      return;
    case 6:
      Read<v1::CreateBudgetRequest>(
          message, [](const auto& request) { return rpc::ToBudget(request).status(); });
      return;
    case 7:
      Read<v1::UpdateBudgetRequest>(message, ReadUpdate);
      return;
    case 8:
      Read<v1::QueryCostsRequest>(
          message, [](const auto& request) { return rpc::ToCostQuery(request).status(); });
      return;
    case 10:
      Read<v1::ExportUsageRequest>(message, [](const auto& request) {
        return rpc::ToExportQuery(request, kTenant).status();
      });
      return;
    case 11:
      Read<v1::ListUsageRequest>(message, [](const auto& request) {
        return rpc::ToUsageQuery(request, kTenant, absl::UnixEpoch()).status();
      });
      return;
    case 12:
      Read<v1::ListRunsRequest>(message, [](const auto& request) {
        return rpc::ToRunQuery(request, kTenant, absl::UnixEpoch()).status();
      });
      return;
    default:
      Read<v1::ListReservationsRequest>(message, [](const auto& request) {
        return rpc::ToReservationQuery(request, kTenant).status();
      });
  }
}

template <typename Request>
std::string Seed(char kind, const Request& request) {
  return kind + request.SerializeAsString();
}

v1::RecordUsageRequest SampleRecord() {
  v1::RecordUsageRequest record;
  record.set_usage_id("usage-1");
  record.set_reservation_id("reservation-1");
  record.mutable_subject()->set_project("search");
  (*record.mutable_subject()->mutable_labels())["env"] = "prod";
  record.mutable_model()->set_provider("openai");
  record.mutable_model()->set_name("gpt-4o");
  record.mutable_tokens()->set_uncached_input_tokens(1000);
  (*record.mutable_tokens()->mutable_other_tokens())["input_video"] = 7;
  record.set_cost_nanousd(1'000'000);
  record.mutable_occur_time()->set_seconds(1'780'000'000);
  record.mutable_latency()->set_nanos(250'000'000);
  record.mutable_error()->set_type("timeout");
  record.add_guardrail_hits()->set_name("pii");
  return record;
}

v1::CheckBudgetRequest SampleCheck() {
  v1::CheckBudgetRequest check;
  check.set_request_id("request-1");
  check.mutable_subject()->set_user("alice");
  check.mutable_model()->set_name("gpt-4o");
  *check.add_settle() = SampleRecord();
  return check;
}

std::vector<std::string> Seeds() {
  v1::CreateBudgetRequest create;
  create.mutable_budget()->set_display_name("monthly");
  create.set_budget_id("monthly");
  v1::UpdateBudgetRequest update;
  *update.mutable_budget() = create.budget();
  update.mutable_update_mask()->add_paths("display_name");
  v1::ExtendReservationRequest extend;
  extend.set_reservation_id("reservation-1");
  v1::ReleaseReservationRequest release;
  release.set_reservation_id("reservation-1");
  v1::AdjustUsageRequest adjust;
  adjust.set_adjustment_id("adjustment-1");
  adjust.set_usage_id("usage-1");
  v1::QueryCostsRequest costs;
  costs.add_group_by("model");
  v1::ExportUsageRequest exported;
  exported.mutable_start_time()->set_seconds(1'795'356'000);
  exported.add_columns("user");
  v1::ListUsageRequest usage;
  usage.set_trace_id("0af7");
  v1::ListRunsRequest runs;
  runs.add_filters()->set_dimension("user");
  v1::RecordUsageRequest said;
  said.set_usage_id("usage-2");
  said.mutable_provider_usage()->set_json(R"({"usage":{"prompt_tokens":1}})");
  return {Seed(0, SampleRecord()), Seed(0, said),      Seed(1, SampleCheck()), Seed(2, extend),
          Seed(3, release),        Seed(5, adjust),    Seed(6, create),        Seed(7, update),
          Seed(8, costs),          Seed(10, exported), Seed(11, usage),        Seed(12, runs),
          std::string(1, 4),       std::string(1, 9)};
}

}  // namespace

Target Requests() { return {"requests", Run, Seeds()}; }

}  // namespace bursar::fuzz
