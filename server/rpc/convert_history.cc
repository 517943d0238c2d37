#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rpc/convert.h"
#include "rpc/page_token.h"
#include "status_macros.h"

namespace bursar::rpc {
namespace {

using history::FirstLook;
using ledger::Id;
using ledger::IdHash;

constexpr int kUsagePageDefault = 100, kRunsPageDefault = 50, kPageSizeMax = 1000;
constexpr int64_t kMicrosMax = 253'402'300'799'000'000;  // the year 9999

Id QueryOf(absl::string_view tenant, const history::UsageQuery& query) {
  IdHash hash("list_usage");
  hash.Add(tenant).Add(absl::ToUnixMicros(query.start)).Add(absl::ToUnixMicros(query.end));
  hash.Add(query.trace_id);
  AddFilters(query.filters, hash);
  return hash.Finish();
}

Id QueryOf(absl::string_view tenant, const history::RunQuery& query) {
  IdHash hash("list_runs");
  hash.Add(tenant).Add(absl::ToUnixMicros(query.start.value_or(absl::InfinitePast())));
  hash.Add(absl::ToUnixMicros(query.end)).Add(int64_t{query.top_only});
  AddFilters(query.filters, hash);
  return hash.Finish();
}

bool ReadMicros(absl::string_view text, absl::Time& time) {
  int64_t micros = 0;
  if (!absl::SimpleAtoi(text, &micros) || micros < 0 || micros > kMicrosMax) return false;
  time = absl::FromUnixMicros(micros);
  return true;
}

// A place as a token has it: the first look, the last row's time, and which row it was. That is the
// last word, for a run's name may have blanks.
struct PlaceParts {
  FirstLook look;
  absl::Time time;
  std::string last;
};

std::string TextOf(const PlaceParts& place) {
  return absl::StrCat(absl::ToUnixMicros(place.look.as_of), " ", place.look.snapshot, " ",
                      absl::ToUnixMicros(place.time), " ", place.last);
}

absl::StatusOr<std::optional<PlaceParts>> PartsOf(absl::string_view token, const Id& query) {
  ASSIGN_OR_RETURN(const std::string text, PlaceOf(token, query));
  if (text.empty()) return std::nullopt;
  const std::vector<std::string> words = absl::StrSplit(text, absl::MaxSplits(' ', 3));
  PlaceParts place;
  if (words.size() != 4 || !ReadMicros(words[0], place.look.as_of) || words[1].empty() ||
      !ReadMicros(words[2], place.time)) {
    return history::NoPageToken();
  }
  place.look.snapshot = words[1];
  place.last = words[3];
  return place;
}

void FillCharged(const ledger::BudgetStatus& charged, v1::BudgetStatus& out) {
  out.set_budget(absl::StrCat("budgets/", charged.budget_id));
  if (!charged.display_name.empty()) out.set_display_name(charged.display_name);
  out.mutable_group()->insert(charged.group.begin(), charged.group.end());
  out.set_unit(static_cast<v1::Unit>(charged.unit));
  out.set_mode(static_cast<v1::EnforcementMode>(charged.mode));
  out.set_spent(charged.spent);
  if (charged.window_end != absl::InfiniteFuture()) {
    *out.mutable_window_start_time() = ToProto(charged.window_start);
    *out.mutable_window_end_time() = ToProto(charged.window_end);
  }
}

// Those of a call that are not always there.
void FillDetails(const usage::UsageRecord& used, v1::RecordUsageRequest& out) {
  if (used.latency) *out.mutable_latency() = ToProto(*used.latency);
  if (used.time_to_first_token) {
    *out.mutable_time_to_first_token() = ToProto(*used.time_to_first_token);
  }
  if (!used.error.type.empty() || used.error.category != 0 || used.error.severity != 0) {
    out.mutable_error()->set_type(used.error.type);
    out.mutable_error()->set_category(static_cast<v1::CallError::Category>(used.error.category));
    out.mutable_error()->set_severity(static_cast<v1::CallError::Severity>(used.error.severity));
  }
  for (const auto& hit : used.guardrail_hits) {
    v1::GuardrailHit* guardrail = out.add_guardrail_hits();
    guardrail->set_name(hit.name);
    guardrail->set_action(hit.action);
    guardrail->set_stage(hit.stage);
  }
  const usage::TraceContext& trace = used.trace;
  if (!trace.trace_id.empty() || !trace.span_id.empty() || !trace.parent_span_id.empty()) {
    out.mutable_trace()->set_trace_id(trace.trace_id);
    out.mutable_trace()->set_span_id(trace.span_id);
    out.mutable_trace()->set_parent_span_id(trace.parent_span_id);
  }
}

void FillRecord(const history::KeptRecord& kept, v1::UsageRecord& out) {
  const usage::UsageRecord& used = kept.usage;
  v1::RecordUsageRequest& said = *out.mutable_usage();
  said.set_usage_id(used.usage_id);
  said.set_reservation_id(used.reservation_id);
  ToProto(used.subject, *said.mutable_subject());
  ToProto(used.model, *said.mutable_model());
  if (kept.answer.tokens != usage::TokenUsage{})
    ToProto(kept.answer.tokens, *said.mutable_tokens());
  if (kept.answer.cost_basis == usage::CostBasis::kDeclared) {
    said.set_cost_nanousd(kept.answer.cost_nanousd);
  }
  said.set_estimated(kept.answer.cost_basis == usage::CostBasis::kEstimated);
  said.set_outcome(static_cast<v1::Outcome>(used.outcome));
  if (used.occur_time) *said.mutable_occur_time() = ToProto(*used.occur_time);
  said.set_event_type(used.event_type);
  said.set_step(used.step);
  said.set_attempt(used.attempt);
  said.set_provider_request_id(used.provider_request_id);
  FillDetails(used, said);
  out.set_cost_nanousd(kept.answer.cost_nanousd);
  out.set_cost_basis(static_cast<v1::CostBasis>(kept.answer.cost_basis));
  out.set_price_version(kept.answer.price_version);
  *out.mutable_receive_time() = ToProto(kept.receive_time);
  *out.mutable_charge_time() = ToProto(kept.charge_time);
  for (const auto& charged : kept.answer.budgets) FillCharged(charged, *out.add_charged());
  out.set_adjusts(kept.adjusts);
  out.set_adjust_reason(kept.adjust_reason);
}

void FillRun(const history::RunSummary& run, v1::Run& out) {
  out.set_run(run.run);
  out.set_root_run(run.subject.root_run);
  out.set_parent_run(run.subject.parent_run);
  out.set_user(run.subject.user);
  out.set_agent(run.subject.agent);
  out.set_project(run.subject.project);
  out.set_workflow(run.subject.workflow);
  *out.mutable_first_time() = ToProto(run.first_time);
  *out.mutable_last_time() = ToProto(run.last_time);
  out.set_calls(run.calls);
  out.set_failed_calls(run.failed_calls);
  out.set_cost_nanousd(run.cost_nanousd);
  out.set_tree_cost_nanousd(run.tree_cost_nanousd);
  out.set_sub_runs(run.sub_runs);
  for (const auto& cap : run.caps) ToProto(cap, *out.add_caps());
}

}  // namespace

absl::StatusOr<history::UsageQuery> ToUsageQuery(const v1::ListUsageRequest& request,
                                                 absl::string_view tenant, absl::Time now) {
  history::UsageQuery query{.trace_id = request.trace_id()};
  if (request.has_start_time()) {
    ASSIGN_OR_RETURN(query.start, FromProto("start_time", request.start_time()));
  }
  if (request.has_end_time()) {
    ASSIGN_OR_RETURN(query.end, FromProto("end_time", request.end_time()));
  }
  ASSIGN_OR_RETURN(query.filters, FromProto(request.filters()));
  ASSIGN_OR_RETURN(query.page_size,
                   PageSizeFrom(request.page_size(), kUsagePageDefault, kPageSizeMax));
  RETURN_IF_ERROR(history::Validate(query, now));
  ASSIGN_OR_RETURN(const auto place, PartsOf(request.page_token(), QueryOf(tenant, query)));
  if (!place) return query;
  query.after = {place->look, {place->time, {}}};
  if (!ReadId(place->last, query.after->last.id)) return history::NoPageToken();
  return query;
}

void ToProto(absl::string_view tenant, const history::UsageQuery& query,
             const history::UsagePage& page, v1::ListUsageResponse& response) {
  for (const auto& record : page.records) FillRecord(record, *response.add_records());
  if (!page.next) return;
  const ledger::TimePlace& last = page.next->last;
  response.set_next_page_token(PageToken(
      QueryOf(tenant, query), TextOf({page.next->look, last.time, ledger::ToUuid(last.id)})));
}

absl::StatusOr<history::RunQuery> ToRunQuery(const v1::ListRunsRequest& request,
                                             absl::string_view tenant, absl::Time now) {
  history::RunQuery query{.top_only = request.top_only()};
  if (request.has_start_time()) {
    ASSIGN_OR_RETURN(query.start, FromProto("start_time", request.start_time()));
  }
  if (request.has_end_time()) {
    ASSIGN_OR_RETURN(query.end, FromProto("end_time", request.end_time()));
  }
  ASSIGN_OR_RETURN(query.filters, FromProto(request.filters()));
  ASSIGN_OR_RETURN(query.page_size,
                   PageSizeFrom(request.page_size(), kRunsPageDefault, kPageSizeMax));
  RETURN_IF_ERROR(history::Validate(query, now));
  ASSIGN_OR_RETURN(const auto place, PartsOf(request.page_token(), QueryOf(tenant, query)));
  if (!place) return query;
  query.after = {place->look, place->time, place->last};
  return query;
}

void ToProto(absl::string_view tenant, const history::RunQuery& query, const history::RunPage& page,
             v1::ListRunsResponse& response) {
  for (const auto& run : page.runs) FillRun(run, *response.add_runs());
  if (!page.next) return;
  response.set_next_page_token(PageToken(
      QueryOf(tenant, query), TextOf({page.next->look, page.next->last_time, page.next->run})));
}

}  // namespace bursar::rpc
