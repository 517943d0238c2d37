#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rpc/convert.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/validate.h"

namespace bursar::rpc {
namespace {

using usage::TokenClass;

struct TokenField {
  TokenClass token_class;
  int64_t (v1::TokenUsage::*get)() const;
  void (v1::TokenUsage::*set)(int64_t);
};
#define BURSAR_TOKENS(token_class, name) \
  { TokenClass::token_class, &v1::TokenUsage::name, &v1::TokenUsage::set_##name }
constexpr TokenField kTokenFields[] = {
    BURSAR_TOKENS(kUncachedInput, uncached_input_tokens),
    BURSAR_TOKENS(kCacheRead, cache_read_tokens),
    BURSAR_TOKENS(kCacheWrite5m, cache_write_5m_tokens),
    BURSAR_TOKENS(kCacheWrite1h, cache_write_1h_tokens),
    BURSAR_TOKENS(kVisibleOutput, visible_output_tokens),
    BURSAR_TOKENS(kReasoning, reasoning_tokens),
    BURSAR_TOKENS(kInputAudio, input_audio_tokens),
    BURSAR_TOKENS(kOutputAudio, output_audio_tokens),
    BURSAR_TOKENS(kInputImage, input_image_tokens),
    BURSAR_TOKENS(kOutputImage, output_image_tokens),
};
#undef BURSAR_TOKENS
static_assert(std::size(kTokenFields) == usage::kTokenClasses);

// The range of google.protobuf.Timestamp: years 1 to 9999.
constexpr int64_t kSecondsMin = -62135596800, kSecondsMax = 253402300799;
constexpr int64_t kDurationSecondsMax = 315576000000;
constexpr int32_t kNanosMax = 999'999'999;
constexpr size_t kZoneBytesMax = 64;

}  // namespace

usage::Subject FromProto(const v1::Subject& s) {
  usage::Subject subject{.project = s.project(),
                         .team = s.team(),
                         .user = s.user(),
                         .agent = s.agent(),
                         .workflow = s.workflow(),
                         .tool = s.tool(),
                         .run = s.run(),
                         .parent_run = s.parent_run(),
                         .root_run = s.root_run().empty() ? s.run() : s.root_run()};
  for (const auto& [name, value] : s.labels()) subject.labels.emplace(name, value);
  return subject;
}

// A text that is empty is left alone: to set it would allocate it. Answers go out by the ten
// thousand.
void ToProto(const usage::Subject& s, v1::Subject& out) {
  if (!s.project.empty()) out.set_project(s.project);
  if (!s.team.empty()) out.set_team(s.team);
  if (!s.user.empty()) out.set_user(s.user);
  if (!s.agent.empty()) out.set_agent(s.agent);
  if (!s.workflow.empty()) out.set_workflow(s.workflow);
  if (!s.tool.empty()) out.set_tool(s.tool);
  if (!s.run.empty()) out.set_run(s.run);
  if (!s.parent_run.empty()) out.set_parent_run(s.parent_run);
  if (!s.root_run.empty()) out.set_root_run(s.root_run);
  if (!s.labels.empty()) out.mutable_labels()->insert(s.labels.begin(), s.labels.end());
}

usage::Model FromProto(const v1::Model& m) {
  return {.provider = m.provider(),
          .name = m.name(),
          .service_tier = m.service_tier(),
          .region = m.region(),
          .requested_name = m.requested_name(),
          .account = m.account()};
}

void ToProto(const usage::Model& m, v1::Model& out) {
  if (!m.provider.empty()) out.set_provider(m.provider);
  if (!m.name.empty()) out.set_name(m.name);
  if (!m.service_tier.empty()) out.set_service_tier(m.service_tier);
  if (!m.region.empty()) out.set_region(m.region);
  if (!m.requested_name.empty()) out.set_requested_name(m.requested_name);
  if (!m.account.empty()) out.set_account(m.account);
}

usage::TokenUsage FromProto(const v1::TokenUsage& t) {
  usage::TokenUsage tokens;
  for (const auto& field : kTokenFields) tokens[field.token_class] = (t.*field.get)();
  for (const auto& [name, count] : t.other_tokens()) tokens.other_tokens[name] = count;
  for (const auto& [name, count] : t.billed_units()) tokens.billed_units[name] = count;
  return tokens;
}

void ToProto(const usage::TokenUsage& t, v1::TokenUsage& out) {
  for (const auto& field : kTokenFields) (out.*field.set)(t[field.token_class]);
  if (!t.other_tokens.empty()) {
    out.mutable_other_tokens()->insert(t.other_tokens.begin(), t.other_tokens.end());
  }
  if (!t.billed_units.empty()) {
    out.mutable_billed_units()->insert(t.billed_units.begin(), t.billed_units.end());
  }
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp out;
  const int64_t seconds = absl::ToUnixSeconds(time);
  out.set_seconds(std::clamp(seconds, kSecondsMin, kSecondsMax));
  if (seconds >= kSecondsMin && seconds <= kSecondsMax) {
    out.set_nanos(
        static_cast<int32_t>((time - absl::FromUnixSeconds(seconds)) / absl::Nanoseconds(1)));
  }
  return out;
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration out;
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return out;
}

absl::StatusOr<absl::Time> FromProto(absl::string_view field,
                                     const google::protobuf::Timestamp& time) {
  if (time.seconds() < kSecondsMin || time.seconds() > kSecondsMax || time.nanos() < 0 ||
      time.nanos() > kNanosMax) {
    return usage::FieldError(field, absl::StrCat("is ", time.seconds(), " s and ", time.nanos(),
                                                 " ns; allowed are the years 1 to 9999"));
  }
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::StatusOr<absl::Duration> FromProto(absl::string_view field,
                                         const google::protobuf::Duration& duration) {
  const int64_t seconds = duration.seconds();
  const bool two_signs =
      (seconds > 0 && duration.nanos() < 0) || (seconds < 0 && duration.nanos() > 0);
  if (seconds > kDurationSecondsMax || seconds < -kDurationSecondsMax || two_signs ||
      duration.nanos() < -kNanosMax || duration.nanos() > kNanosMax) {
    return usage::FieldError(field, absl::StrCat("is ", duration.seconds(), " s and ",
                                                 duration.nanos(), " ns, which is no duration"));
  }
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Status ValidateTimeZone(absl::string_view field, absl::string_view name) {
  RETURN_IF_ERROR(usage::ValidateText(field, name, 0, kZoneBytesMax));
  bool plain = name.empty() || absl::ascii_isalpha(name[0]);
  for (char c : name) plain = plain && (absl::ascii_isalnum(c) || absl::StrContains("/_+-", c));
  // What the zone database of one machine has besides IANA's names.
  for (absl::string_view other : {"localtime", "posixrules", "posix/", "right/", "Fixed/"}) {
    plain = plain && !absl::StartsWith(name, other);
  }
  if (plain && ledger::LoadZone(name).ok()) return absl::OkStatus();
  return usage::FieldError(field, absl::StrCat("is \"", name,
                                               "\", which is not a time zone; IANA names like "
                                               "Europe/Berlin are"));
}

absl::StatusOr<std::vector<ledger::Filter>> FromProto(
    const google::protobuf::RepeatedPtrField<v1::Filter>& filters) {
  std::vector<ledger::Filter> out;
  for (const auto& filter : filters) {
    out.push_back(
        {filter.dimension(), {filter.values().begin(), filter.values().end()}, filter.exclude()});
  }
  return out;
}

void ToProto(const ledger::BudgetStatus& s, v1::BudgetStatus& status) {
  status.set_budget(absl::StrCat("budgets/", s.budget_id));
  if (!s.display_name.empty()) status.set_display_name(s.display_name);
  if (!s.group.empty()) status.mutable_group()->insert(s.group.begin(), s.group.end());
  status.set_unit(static_cast<v1::Unit>(s.unit));
  status.set_mode(static_cast<v1::EnforcementMode>(s.mode));
  status.set_limit(s.limit);
  status.set_spent(s.spent);
  status.set_reserved(s.reserved);
  status.set_remaining(s.remaining());
  status.set_used_fraction(s.used_fraction());
  status.set_crossed_threshold_percent(s.crossed_threshold_percent);
  if (s.window_end != absl::InfiniteFuture()) {
    *status.mutable_window_start_time() = ToProto(s.window_start);
    *status.mutable_window_end_time() = ToProto(s.window_end);
  }
  status.set_would_deny(s.would_deny);
  *status.mutable_counted_since_time() = ToProto(s.counted_since);
}

}  // namespace bursar::rpc
