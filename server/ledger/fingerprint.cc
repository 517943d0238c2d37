#include "ledger/fingerprint.h"

namespace bursar::ledger {
namespace {

int64_t Micros(std::optional<absl::Duration> duration) {
  return duration ? absl::ToInt64Microseconds(*duration) : -1;
}

void Add(IdHash& hash, const std::map<std::string, int64_t>& counts) {
  hash.Add(static_cast<int64_t>(counts.size()));
  for (const auto& [name, count] : counts) hash.Add(name).Add(count);
}

void Add(IdHash& hash, const usage::Subject& s) {
  hash.Add(s.project).Add(s.team).Add(s.user).Add(s.agent).Add(s.workflow).Add(s.tool);
  hash.Add(s.run).Add(s.parent_run).Add(s.root_run);
  hash.Add(static_cast<int64_t>(s.labels.size()));
  for (const auto& [name, value] : s.labels) hash.Add(name).Add(value);
}

void Add(IdHash& hash, const usage::Model& m) {
  hash.Add(m.provider).Add(m.name).Add(m.service_tier).Add(m.region);
  hash.Add(m.requested_name).Add(m.account);
}

void Add(IdHash& hash, const usage::TokenUsage& tokens) {
  for (int64_t count : tokens.tokens) hash.Add(count);
  Add(hash, tokens.other_tokens);
  Add(hash, tokens.billed_units);
}

}  // namespace

Id FingerprintOf(const Check& check) {
  IdHash hash("check/1");
  Add(hash, check.subject);
  Add(hash, check.model);
  hash.Add(int64_t{check.tokens.has_value()});
  if (check.tokens) Add(hash, *check.tokens);
  hash.Add(check.cost_nanousd.value_or(-1)).Add(check.max_output_tokens.value_or(-1));
  hash.Add(check.event_type).Add(Micros(check.ttl));
  return hash.Finish();
}

Id FingerprintOf(const usage::UsageRecord& r) {
  IdHash hash("record/1");
  hash.Add(r.reservation_id);
  Add(hash, r.subject);
  Add(hash, r.model);
  hash.Add(int64_t{r.tokens.has_value()});
  if (r.tokens) Add(hash, *r.tokens);
  hash.Add(r.cost_nanousd.value_or(-1)).Add(static_cast<int64_t>(r.outcome));
  hash.Add(r.occur_time ? absl::ToUnixMicros(*r.occur_time) : -1);
  hash.Add(r.event_type).Add(r.step).Add(Micros(r.latency)).Add(Micros(r.time_to_first_token));
  hash.Add(int64_t{r.attempt}).Add(r.error.type).Add(int64_t{r.error.category});
  hash.Add(int64_t{r.error.severity}).Add(static_cast<int64_t>(r.guardrail_hits.size()));
  for (const auto& hit : r.guardrail_hits) hash.Add(hit.name).Add(hit.action).Add(hit.stage);
  hash.Add(r.trace.trace_id).Add(r.trace.span_id).Add(r.trace.parent_span_id);
  hash.Add(r.provider_request_id);
  hash.Add(int64_t{r.keep_reservation} * 2 + int64_t{r.estimated});
  return hash.Finish();
}

Id FingerprintOf(const Adjust& adjust) {
  IdHash hash("adjust/1");
  hash.Add(adjust.usage_id).Add(int64_t{adjust.tokens.has_value()});
  if (adjust.tokens) Add(hash, *adjust.tokens);
  hash.Add(adjust.cost_nanousd.value_or(-1)).Add(adjust.reason);
  return hash.Finish();
}

}  // namespace bursar::ledger
