#include "rpc/telemetry_service.h"

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rpc/convert.h"
#include "usage/field_error.h"
#include "usage/limits.h"

namespace bursar::rpc {
namespace {

using ledger::Answer;

// An operation whose answer is of one kind: fills the response and ends the call.
template <typename Kind, typename Response>
ledger::Lanes::Done Respond(std::shared_ptr<Call> call, Response* response) {
  return [call = std::move(call), response](absl::StatusOr<Answer> answer) {
    if (answer.ok()) ToProto(std::get<Kind>(*answer), *response);
    call->Finish(answer.status());
  };
}

void Count(metrics::Metrics& metrics, const ledger::CheckAnswer& answer) {
  static constexpr const char* kDecisions[] = {"", "allow", "allow_with_caps", "deny"};
  metrics.Decided(kDecisions[static_cast<int>(answer.decision)], answer.reason);
}

// The answers of a batch, which come one by one and in any order.
struct Gathering {
  std::shared_ptr<Call> call;
  v1::BatchRecordUsageResponse* response;
  std::atomic<int> missing;

  void Set(int index, const absl::StatusOr<ledger::RecordAnswer>& answer) {
    ToProto(answer, *response->mutable_results(index));
    if (missing.fetch_sub(1, std::memory_order_acq_rel) == 1) call->Finish(absl::OkStatus());
  }
};

}  // namespace

TelemetryService::Reactor* TelemetryService::CheckBudget(Context* context,
                                                         const v1::CheckBudgetRequest* request,
                                                         v1::CheckBudgetResponse* response) {
  auto call = Call::Begin(edge_, context, "CheckBudget", Need::kSpend);
  if (call->finished()) return call->reactor();
  auto read = ToCheck(*request, call->tenant(), *prices_.Of(call->tenant())->newest);
  if (!read.ok()) return call->Finish(read.status());
  lanes_.Submit(call->tenant(), std::move(read->check), call->deadline(),
                [this, call, response,
                 unsettled = std::move(read->unsettled)](absl::StatusOr<Answer> answer) {
                  if (answer.ok()) {
                    const auto& decided = std::get<ledger::CheckAnswer>(*answer);
                    Count(*edge_.metrics, decided);
                    ToProto(decided, unsettled, *response);
                  }
                  call->Finish(answer.status());
                });
  return call->reactor();
}

TelemetryService::Reactor* TelemetryService::RecordUsage(Context* context,
                                                         const v1::RecordUsageRequest* request,
                                                         v1::RecordUsageResponse* response) {
  auto call = Call::Begin(edge_, context, "RecordUsage", Need::kSpend);
  if (call->finished()) return call->reactor();
  auto record = ToRecord(*request, call->tenant(), *prices_.Of(call->tenant())->newest);
  if (!record.ok()) return call->Finish(record.status());
  lanes_.Submit(call->tenant(), *std::move(record), call->deadline(),
                [this, call, response](absl::StatusOr<Answer> answer) {
                  if (answer.ok()) {
                    const auto& recorded = std::get<ledger::RecordAnswer>(*answer);
                    ToProto(recorded, *response);
                  }
                  call->Finish(answer.status());
                });
  return call->reactor();
}

TelemetryService::Reactor* TelemetryService::BatchRecordUsage(
    Context* context, const v1::BatchRecordUsageRequest* request,
    v1::BatchRecordUsageResponse* response) {
  auto call = Call::Begin(edge_, context, "BatchRecordUsage", Need::kSpend);
  if (call->finished()) return call->reactor();
  const int count = request->records_size();
  if (count < 1 || count > usage::kBatchRecordsMax) {
    return call->Finish(usage::FieldError(
        "records", absl::StrCat("has ", count, " entries; allowed are 1 to 1000")));
  }
  for (int i = 0; i < count; ++i) response->add_results();
  const std::shared_ptr<Gathering> gathering(new Gathering{call, response, count});
  const auto prices = prices_.Of(call->tenant());
  for (int i = 0; i < count; ++i) {
    auto record = ToRecord(request->records(i), call->tenant(), *prices->newest);
    if (!record.ok()) {
      gathering->Set(i, usage::Within(absl::StrCat("records[", i, "]"), record.status()));
      continue;
    }
    lanes_.Submit(call->tenant(), *std::move(record), call->deadline(),
                  [this, gathering, i](absl::StatusOr<Answer> answer) {
                    if (!answer.ok()) return gathering->Set(i, answer.status());
                    const auto& recorded = std::get<ledger::RecordAnswer>(*answer);
                    gathering->Set(i, recorded);
                  });
  }
  return call->reactor();
}

TelemetryService::Reactor* TelemetryService::ReleaseReservation(
    Context* context, const v1::ReleaseReservationRequest* request,
    v1::ReleaseReservationResponse* response) {
  auto call = Call::Begin(edge_, context, "ReleaseReservation", Need::kSpend);
  if (call->finished()) return call->reactor();
  auto release = ToRelease(*request, call->tenant());
  if (!release.ok()) return call->Finish(release.status());
  lanes_.Submit(call->tenant(), *std::move(release), call->deadline(),
                Respond<ledger::ReservationAnswer>(call, response));
  return call->reactor();
}

TelemetryService::Reactor* TelemetryService::ExtendReservation(
    Context* context, const v1::ExtendReservationRequest* request,
    v1::ExtendReservationResponse* response) {
  auto call = Call::Begin(edge_, context, "ExtendReservation", Need::kSpend);
  if (call->finished()) return call->reactor();
  auto extend = ToExtend(*request, call->tenant());
  if (!extend.ok()) return call->Finish(extend.status());
  lanes_.Submit(call->tenant(), *std::move(extend), call->deadline(),
                Respond<ledger::ReservationAnswer>(call, response));
  return call->reactor();
}

TelemetryService::Reactor* TelemetryService::GetBudgetStatus(
    Context* context, const v1::GetBudgetStatusRequest* request,
    v1::GetBudgetStatusResponse* response) {
  auto call = Call::Begin(edge_, context, "GetBudgetStatus", Need::kStatus);
  if (call->finished()) return call->reactor();
  auto inspect = ToInspect(*request);
  if (!inspect.ok()) return call->Finish(inspect.status());
  lanes_.Submit(call->tenant(), *std::move(inspect), call->deadline(),
                [call, response](absl::StatusOr<Answer> answer) {
                  if (answer.ok()) {
                    for (const auto& status : std::get<ledger::InspectAnswer>(*answer).budgets) {
                      ToProto(status, *response->add_budgets());
                    }
                  }
                  call->Finish(answer.status());
                });
  return call->reactor();
}

TelemetryService::Reactor* TelemetryService::QueryCosts(Context* context,
                                                        const v1::QueryCostsRequest* request,
                                                        v1::QueryCostsResponse* response) {
  auto call = Call::Begin(edge_, context, "QueryCosts", Need::kRead);
  if (call->finished()) return call->reactor();
  auto query = ToCostQuery(*request);
  if (!query.ok()) return call->Finish(query.status());
  return work_.Answer(call, [this, call, response, query = *std::move(query)] {
    auto answer = costs_.Query(call->tenant(), query);
    if (answer.ok()) ToProto(query, *answer, *response);
    return answer.status();
  });
}

TelemetryService::Reactor* TelemetryService::ListUsage(Context* context,
                                                       const v1::ListUsageRequest* request,
                                                       v1::ListUsageResponse* response) {
  auto call = Call::Begin(edge_, context, "ListUsage", Need::kRead);
  if (call->finished()) return call->reactor();
  auto query = ToUsageQuery(*request, call->tenant(), absl::Now());
  if (!query.ok()) return call->Finish(query.status());
  return work_.Answer(call, [this, call, response, query = *std::move(query)] {
    auto page = usage_.ListUsage(call->tenant(), query);
    if (page.ok()) ToProto(call->tenant(), query, *page, *response);
    return page.status();
  });
}

TelemetryService::Reactor* TelemetryService::ListRuns(Context* context,
                                                      const v1::ListRunsRequest* request,
                                                      v1::ListRunsResponse* response) {
  auto call = Call::Begin(edge_, context, "ListRuns", Need::kRead);
  if (call->finished()) return call->reactor();
  auto query = ToRunQuery(*request, call->tenant(), absl::Now());
  if (!query.ok()) return call->Finish(query.status());
  return work_.Answer(call, [this, call, response, query = *std::move(query)] {
    auto page = usage_.ListRuns(call->tenant(), query);
    if (page.ok()) ToProto(call->tenant(), query, *page, *response);
    return page.status();
  });
}

TelemetryService::Reactor* TelemetryService::ExportUsage(Context* context,
                                                         const v1::ExportUsageRequest* request,
                                                         v1::ExportUsageResponse* response) {
  auto call = Call::Begin(edge_, context, "ExportUsage", Need::kRead);
  if (call->finished()) return call->reactor();
  auto query = ToExportQuery(*request, call->tenant());
  if (!query.ok()) return call->Finish(query.status());
  return work_.Answer(call, [this, call, request, response, query = *std::move(query)] {
    auto page = exports_.Export(call->tenant(), query);
    if (page.ok()) ToProto(*request, call->tenant(), *std::move(page), *response);
    return page.status();
  });
}

}  // namespace bursar::rpc
