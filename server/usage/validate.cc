#include "usage/validate.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"

namespace bursar::usage {
namespace {

// The length of the UTF-8 sequence at the start of `s`; 0 if it is not valid (RFC 3629).
size_t Utf8SequenceBytes(absl::string_view s) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || s.size() < bytes) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate = first == 0xED && byte(1) > 0x9F;
  const bool too_large = first == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || too_large ? 0 : bytes;
}

absl::Status ValidateCounts(absl::string_view field, const std::map<std::string, int64_t>& counts) {
  if (counts.size() > kOtherClassesMax) {
    return FieldError(field, absl::StrFormat("has %d entries; at most %d are allowed",
                                             counts.size(), kOtherClassesMax));
  }
  for (const auto& [name, count] : counts) {
    RETURN_IF_ERROR(ValidateText(absl::StrCat(field, " key"), name, 1, 64));
    if (count < 0 || count > kTokensMax) {
      return FieldError(absl::StrCat(field, "[", name, "]"),
                        absl::StrFormat("is %d; allowed are 0 to 10^12", count));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateDuration(absl::string_view field, const std::optional<absl::Duration>& value) {
  if (value && (*value < absl::ZeroDuration() || *value > kLatencyMax)) {
    return FieldError(
        field, absl::StrCat("is ", absl::FormatDuration(*value), "; allowed are 0 to 7 days"));
  }
  return absl::OkStatus();
}

absl::Status ValidateTrace(const TraceContext& trace) {
  RETURN_IF_ERROR(ValidateText("trace.trace_id", trace.trace_id, 0, kTraceIdBytesMax));
  RETURN_IF_ERROR(ValidateText("trace.span_id", trace.span_id, 0, kTraceIdBytesMax));
  return ValidateText("trace.parent_span_id", trace.parent_span_id, 0, kTraceIdBytesMax);
}

absl::Status ValidateGuardrailHits(const std::vector<GuardrailHit>& hits) {
  if (hits.size() > kGuardrailHitsMax) {
    return FieldError("guardrail_hits", absl::StrFormat("has %d entries; at most %d are allowed",
                                                        hits.size(), kGuardrailHitsMax));
  }
  for (const auto& hit : hits) {
    RETURN_IF_ERROR(ValidateText("guardrail_hits.name", hit.name, 1, kDimensionBytesMax));
    RETURN_IF_ERROR(ValidateText("guardrail_hits.action", hit.action, 0, kDimensionBytesMax));
    RETURN_IF_ERROR(ValidateText("guardrail_hits.stage", hit.stage, 0, kDimensionBytesMax));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateText(absl::string_view field, absl::string_view value, size_t bytes_min,
                          size_t bytes_max) {
  if (value.size() < bytes_min || value.size() > bytes_max) {
    return FieldError(field, absl::StrFormat("has %d bytes; allowed are %d to %d", value.size(),
                                             bytes_min, bytes_max));
  }
  for (size_t i = 0; i < value.size();) {
    const auto byte = static_cast<unsigned char>(value[i]);
    if (byte < 0x20 || byte == 0x7F) {
      return FieldError(field, absl::StrFormat("has the control character 0x%02x at byte %d; "
                                               "printable UTF-8 is allowed",
                                               byte, i));
    }
    const size_t bytes = Utf8SequenceBytes(value.substr(i));
    if (bytes == 0) {
      return FieldError(field, absl::StrFormat("is not valid UTF-8 at byte %d", i));
    }
    i += bytes;
  }
  return absl::OkStatus();
}

absl::Status ValidateId(absl::string_view field, absl::string_view value) {
  return ValidateText(field, value, 1, kIdBytesMax);
}

absl::Status ValidateUsageId(absl::string_view usage_id) {
  RETURN_IF_ERROR(ValidateId("usage_id", usage_id));
  for (const char* prefix :
       {kExpiryIdPrefix, kCorrectionIdPrefix, kReleaseIdPrefix, kAdjustmentIdPrefix}) {
    if (absl::StartsWith(usage_id, prefix)) {
      return FieldError("usage_id", absl::StrCat("begins with \"", prefix,
                                                 "\", which the ledger keeps for its own records"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateSubject(const Subject& s) {
  const std::pair<absl::string_view, const std::string*> fields[] = {
      {"subject.project", &s.project},   {"subject.team", &s.team},
      {"subject.user", &s.user},         {"subject.agent", &s.agent},
      {"subject.workflow", &s.workflow}, {"subject.tool", &s.tool},
      {"subject.run", &s.run},           {"subject.parent_run", &s.parent_run},
      {"subject.root_run", &s.root_run},
  };
  for (const auto& [field, value] : fields) {
    RETURN_IF_ERROR(ValidateText(field, *value, 0, kDimensionBytesMax));
  }
  if (s.labels.size() > kLabelsMax) {
    return FieldError("subject.labels", absl::StrFormat("has %d entries; at most %d are allowed",
                                                        s.labels.size(), kLabelsMax));
  }
  for (const auto& [name, value] : s.labels) {
    RETURN_IF_ERROR(ValidateText("subject.labels key", name, 1, 64));
    RETURN_IF_ERROR(
        ValidateText(absl::StrCat("subject.labels[", name, "]"), value, 0, kDimensionBytesMax));
  }
  return absl::OkStatus();
}

absl::Status ValidateModel(const Model& m) {
  const std::pair<absl::string_view, const std::string*> fields[] = {
      {"model.provider", &m.provider},
      {"model.name", &m.name},
      {"model.service_tier", &m.service_tier},
      {"model.region", &m.region},
      {"model.requested_name", &m.requested_name},
      {"model.account", &m.account},
  };
  for (const auto& [field, value] : fields) {
    RETURN_IF_ERROR(ValidateText(field, *value, 0, kDimensionBytesMax));
  }
  return absl::OkStatus();
}

absl::Status ValidateTokens(const TokenUsage& tokens) {
  for (int i = 0; i < kTokenClasses; ++i) {
    if (tokens.tokens[i] < 0 || tokens.tokens[i] > kTokensMax) {
      return FieldError(absl::StrCat("tokens.", TokenClassName(static_cast<TokenClass>(i))),
                        absl::StrFormat("is %d; allowed are 0 to 10^12", tokens.tokens[i]));
    }
  }
  RETURN_IF_ERROR(ValidateCounts("tokens.other_tokens", tokens.other_tokens));
  return ValidateCounts("tokens.billed_units", tokens.billed_units);
}

absl::Status ValidateCost(absl::string_view field, int64_t cost_nanousd) {
  if (cost_nanousd < 0 || cost_nanousd > kCostNanoUsdMax) {
    return FieldError(field, absl::StrFormat("is %d; allowed are 0 to 10^15 nano-USD "
                                             "(one million USD)",
                                             cost_nanousd));
  }
  return absl::OkStatus();
}

absl::Status ValidateEventType(absl::string_view event_type) {
  return ValidateText("event_type", event_type, 1, 64);
}

absl::Status ValidateRecord(const UsageRecord& record) {
  RETURN_IF_ERROR(ValidateUsageId(record.usage_id));
  RETURN_IF_ERROR(ValidateText("reservation_id", record.reservation_id, 0, kIdBytesMax));
  RETURN_IF_ERROR(ValidateSubject(record.subject));
  RETURN_IF_ERROR(ValidateModel(record.model));
  if (record.tokens) RETURN_IF_ERROR(ValidateTokens(*record.tokens));
  if (record.cost_nanousd) RETURN_IF_ERROR(ValidateCost("cost_nanousd", *record.cost_nanousd));
  RETURN_IF_ERROR(ValidateEventType(record.event_type));
  RETURN_IF_ERROR(ValidateText("step", record.step, 0, kDimensionBytesMax));
  RETURN_IF_ERROR(ValidateDuration("latency", record.latency));
  RETURN_IF_ERROR(ValidateDuration("time_to_first_token", record.time_to_first_token));
  if (record.attempt < 0 || record.attempt > kAttemptMax) {
    return FieldError("attempt", absl::StrFormat("is %d; allowed are 1 to 10^6", record.attempt));
  }
  RETURN_IF_ERROR(ValidateText("error.type", record.error.type, 0, kDimensionBytesMax));
  RETURN_IF_ERROR(ValidateGuardrailHits(record.guardrail_hits));
  RETURN_IF_ERROR(ValidateTrace(record.trace));
  return ValidateText("provider_request_id", record.provider_request_id, 0, kDimensionBytesMax);
}

}  // namespace bursar::usage
