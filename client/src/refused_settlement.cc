#include "src/refused_settlement.h"

namespace bursar::internal {
namespace {

bool Describes(const RecordRequest& record) {
  return !record.step.empty() || record.latency || record.time_to_first_token ||
         record.attempt != 0 || record.error || !record.guardrail_hits.empty() || record.trace ||
         !record.provider_request_id.empty() || !record.metadata_json.empty() || record.content;
}

bool HasUsage(const RecordRequest& record) {
  const bool says_nothing =
      record.outcome == Outcome::kUnknown || record.outcome == Outcome::kNotExecuted;
  return record.tokens || record.provider_usage || record.cost_nanousd || !says_nothing;
}

bool HasPlace(const RecordRequest& record) {
  const Model& model = record.model;
  return record.subject != Subject{} || record.occur_time || !record.event_type.empty() ||
         !(model.provider + model.name + model.service_tier + model.region + model.requested_name +
           model.account)
              .empty();
}

}  // namespace

std::optional<RecordRequest> WithLess(const RecordRequest& refused) {
  if (refused.reservation_id.empty() || refused.keep_reservation) return std::nullopt;
  RecordRequest less{.usage_id = refused.usage_id, .reservation_id = refused.reservation_id};
  less.outcome = refused.outcome == Outcome::kNotExecuted ? refused.outcome : Outcome::kUnknown;
  const bool describes = Describes(refused);
  if (!describes && !HasUsage(refused)) {
    return HasPlace(refused) ? std::optional(less) : std::nullopt;
  }
  less.subject = refused.subject;
  less.model = refused.model;
  less.occur_time = refused.occur_time;
  less.event_type = refused.event_type;
  if (describes) {
    less.tokens = refused.tokens;
    less.provider_usage = refused.provider_usage;
    less.cost_nanousd = refused.cost_nanousd;
    less.outcome = refused.outcome;
    less.estimated = refused.estimated;
  }
  return less;
}

}  // namespace bursar::internal
