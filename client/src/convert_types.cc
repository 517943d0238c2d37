#include "src/convert_types.h"

namespace bursar::internal {

using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// Whole seconds towards minus infinity, so that the rest is never negative, as protobuf wants it.
template <typename Message>
void SetSecondsAndNanos(nanoseconds value, Message* out) {
  const int64_t rest = value.count() % kNanosPerSecond;
  out->set_seconds(value.count() / kNanosPerSecond - (rest < 0 ? 1 : 0));
  out->set_nanos(static_cast<int32_t>(rest < 0 ? rest + kNanosPerSecond : rest));
}

// Of a message, which can say more than nanoseconds hold (292 years): then the most they do.
template <typename Message>
nanoseconds SecondsAndNanos(const Message& message) {
  int64_t count = 0;
  if (!__builtin_mul_overflow(message.seconds(), kNanosPerSecond, &count) &&
      !__builtin_add_overflow(count, message.nanos(), &count)) {
    return nanoseconds(count);
  }
  return message.seconds() < 0 ? nanoseconds::min() : nanoseconds::max();
}

}  // namespace

void ToProto(Timestamp time, google::protobuf::Timestamp* out) {
  SetSecondsAndNanos(time.time_since_epoch(), out);
}

void ToProto(nanoseconds duration, google::protobuf::Duration* out) {
  // A Duration's parts have the same sign, unlike a Timestamp's.
  const seconds whole = std::chrono::duration_cast<seconds>(duration);
  out->set_seconds(whole.count());
  out->set_nanos(static_cast<int32_t>((duration - whole).count()));
}

void ToProto(const Subject& subject, v1::Subject* out) {
  out->set_project(subject.project);
  out->set_team(subject.team);
  out->set_user(subject.user);
  out->set_agent(subject.agent);
  out->set_workflow(subject.workflow);
  out->set_tool(subject.tool);
  out->set_run(subject.run);
  out->set_parent_run(subject.parent_run);
  out->set_root_run(subject.root_run);
  out->mutable_labels()->insert(subject.labels.begin(), subject.labels.end());
}

void ToProto(const Model& model, v1::Model* out) {
  out->set_provider(model.provider);
  out->set_name(model.name);
  out->set_service_tier(model.service_tier);
  out->set_region(model.region);
  out->set_requested_name(model.requested_name);
  out->set_account(model.account);
}

void ToProto(const TokenUsage& tokens, v1::TokenUsage* out) {
  out->set_uncached_input_tokens(tokens.uncached_input_tokens);
  out->set_cache_read_tokens(tokens.cache_read_tokens);
  out->set_cache_write_5m_tokens(tokens.cache_write_5m_tokens);
  out->set_cache_write_1h_tokens(tokens.cache_write_1h_tokens);
  out->set_visible_output_tokens(tokens.visible_output_tokens);
  out->set_reasoning_tokens(tokens.reasoning_tokens);
  out->set_input_audio_tokens(tokens.input_audio_tokens);
  out->set_output_audio_tokens(tokens.output_audio_tokens);
  out->set_input_image_tokens(tokens.input_image_tokens);
  out->set_output_image_tokens(tokens.output_image_tokens);
  out->mutable_other_tokens()->insert(tokens.other_tokens.begin(), tokens.other_tokens.end());
  out->mutable_billed_units()->insert(tokens.billed_units.begin(), tokens.billed_units.end());
}

void ToProto(const CallError& error, v1::CallError* out) {
  out->set_type(error.type);
  out->set_category(static_cast<v1::CallError::Category>(error.category));
  out->set_severity(static_cast<v1::CallError::Severity>(error.severity));
  out->set_message(error.message);
}

void ToProto(const TraceIds& trace, v1::TraceContext* out) {
  out->set_trace_id(trace.trace_id);
  out->set_span_id(trace.span_id);
  out->set_parent_span_id(trace.parent_span_id);
}

void ToProto(const Filter& filter, v1::Filter* out) {
  out->set_dimension(filter.dimension);
  out->mutable_values()->Add(filter.values.begin(), filter.values.end());
  out->set_exclude(filter.exclude);
}

Timestamp FromProto(const google::protobuf::Timestamp& time) {
  return Timestamp(std::chrono::duration_cast<Timestamp::duration>(SecondsAndNanos(time)));
}

nanoseconds FromProto(const google::protobuf::Duration& duration) {
  return SecondsAndNanos(duration);
}

Subject FromProto(const v1::Subject& subject) {
  return {.project = subject.project(),
          .team = subject.team(),
          .user = subject.user(),
          .agent = subject.agent(),
          .workflow = subject.workflow(),
          .tool = subject.tool(),
          .run = subject.run(),
          .parent_run = subject.parent_run(),
          .root_run = subject.root_run(),
          .labels = {subject.labels().begin(), subject.labels().end()}};
}

Model FromProto(const v1::Model& model) {
  return {.provider = model.provider(),
          .name = model.name(),
          .service_tier = model.service_tier(),
          .region = model.region(),
          .requested_name = model.requested_name(),
          .account = model.account()};
}

TokenUsage FromProto(const v1::TokenUsage& tokens) {
  return {.uncached_input_tokens = tokens.uncached_input_tokens(),
          .cache_read_tokens = tokens.cache_read_tokens(),
          .cache_write_5m_tokens = tokens.cache_write_5m_tokens(),
          .cache_write_1h_tokens = tokens.cache_write_1h_tokens(),
          .visible_output_tokens = tokens.visible_output_tokens(),
          .reasoning_tokens = tokens.reasoning_tokens(),
          .input_audio_tokens = tokens.input_audio_tokens(),
          .output_audio_tokens = tokens.output_audio_tokens(),
          .input_image_tokens = tokens.input_image_tokens(),
          .output_image_tokens = tokens.output_image_tokens(),
          .other_tokens = {tokens.other_tokens().begin(), tokens.other_tokens().end()},
          .billed_units = {tokens.billed_units().begin(), tokens.billed_units().end()}};
}

BudgetStatus FromProto(const v1::BudgetStatus& status) {
  BudgetStatus out{.budget = status.budget(),
                   .display_name = status.display_name(),
                   .group = {status.group().begin(), status.group().end()},
                   .unit = static_cast<Unit>(status.unit()),
                   .mode = static_cast<EnforcementMode>(status.mode()),
                   .limit = status.limit(),
                   .spent = status.spent(),
                   .reserved = status.reserved(),
                   .remaining = status.remaining(),
                   .used_fraction = status.used_fraction(),
                   .crossed_threshold_percent = status.crossed_threshold_percent(),
                   .would_deny = status.would_deny()};
  if (status.has_window_start_time()) out.window_start_time = FromProto(status.window_start_time());
  if (status.has_window_end_time()) out.window_end_time = FromProto(status.window_end_time());
  if (status.has_counted_since_time()) {
    out.counted_since_time = FromProto(status.counted_since_time());
  }
  return out;
}

Reservation FromProto(const v1::Reservation& reservation) {
  Reservation out{.id = reservation.id(),
                  .state = static_cast<Reservation::State>(reservation.state()),
                  .subject = FromProto(reservation.subject()),
                  .model = FromProto(reservation.model()),
                  .reserved_nanousd = reservation.reserved_nanousd(),
                  .reserved_tokens = reservation.reserved_tokens(),
                  .observed_nanousd = reservation.observed_nanousd(),
                  .remaining_ttl = FromProto(reservation.remaining_ttl()),
                  .price_version = reservation.price_version(),
                  .max_output_tokens = reservation.max_output_tokens()};
  if (reservation.has_create_time()) out.create_time = FromProto(reservation.create_time());
  if (reservation.has_expire_time()) out.expire_time = FromProto(reservation.expire_time());
  return out;
}

std::vector<BudgetStatus> FromProto(
    const google::protobuf::RepeatedPtrField<v1::BudgetStatus>& statuses) {
  std::vector<BudgetStatus> out;
  out.reserve(static_cast<size_t>(statuses.size()));
  for (const v1::BudgetStatus& status : statuses) out.push_back(FromProto(status));
  return out;
}

}  // namespace bursar::internal
