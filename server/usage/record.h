#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

// What was used, by whom, and how it went: the domain's own forms of the messages in
// protos/bursar/v1/types.proto, whose comments say what each field means.
namespace bursar::usage {

struct Subject {
  std::string project, team, user, agent, workflow, tool;
  std::string run, parent_run, root_run;  // root_run is never empty where run is given
  std::map<std::string, std::string> labels;

  bool operator==(const Subject&) const = default;
};

struct Model {
  std::string provider, name, service_tier, region, requested_name, account;

  bool operator==(const Model&) const = default;
};

// Disjoint token classes, in the order of TokenUsage's fields; each a column and a price of its
// own.
enum class TokenClass {
  kUncachedInput,
  kCacheRead,
  kCacheWrite5m,
  kCacheWrite1h,
  kVisibleOutput,
  kReasoning,
  kInputAudio,
  kOutputAudio,
  kInputImage,
  kOutputImage,
};
inline constexpr int kTokenClasses = 10;
absl::string_view TokenClassName(TokenClass token_class);  // "uncached_input_tokens"

struct TokenUsage {
  std::array<int64_t, kTokenClasses> tokens{};
  std::map<std::string, int64_t> other_tokens;  // further classes by name; "output..." is output
  std::map<std::string, int64_t> billed_units;

  int64_t& operator[](TokenClass c) { return tokens[static_cast<int>(c)]; }
  int64_t operator[](TokenClass c) const { return tokens[static_cast<int>(c)]; }
  int64_t InputTokens() const;   // all input classes: what a price's input-size tier looks at
  int64_t OutputTokens() const;  // visible, reasoning, audio, image and other output
  int64_t AllTokens() const;     // what a budget in tokens counts
  // Class by class; a class that comes to 0 is as one that is not there.
  TokenUsage& operator+=(const TokenUsage& other);
  TokenUsage& operator-=(const TokenUsage& other);
  bool operator==(const TokenUsage&) const = default;
};

enum class Outcome { kSucceeded = 1, kFailed, kCancelled, kNotExecuted, kUnknown };
enum class CostBasis { kPriced = 1, kEstimated, kDeclared, kUnpriced, kAdjusted };
absl::string_view OutcomeName(Outcome outcome);         // "SUCCEEDED"
absl::string_view CostBasisName(CostBasis cost_basis);  // "PRICED"

struct CallError {
  std::string type;
  int category = 0;  // CallError.Category
  int severity = 0;  // CallError.Severity
};

struct GuardrailHit {
  std::string name, action, stage;
};

struct TraceContext {
  std::string trace_id, span_id, parent_span_id;
};

// One real call, as RecordUsage says it: RecordUsageRequest. Its error message, metadata and
// content are checked at the door and not kept: nothing unredacted is ever stored.
struct UsageRecord {
  std::string usage_id;
  std::string reservation_id;  // empty: usage without a reservation
  Subject subject;
  Model model;
  std::optional<TokenUsage> tokens;  // absent: none was given
  std::optional<int64_t> cost_nanousd;
  Outcome outcome = Outcome::kSucceeded;
  std::optional<absl::Time> occur_time;
  std::string event_type = "model_call";
  std::string step;
  std::optional<absl::Duration> latency;
  std::optional<absl::Duration> time_to_first_token;
  int32_t attempt = 1;
  CallError error;
  std::vector<GuardrailHit> guardrail_hits;
  TraceContext trace;
  std::string provider_request_id;
  bool keep_reservation = false;
  bool estimated = false;
};

// The value that a call has for a dimension which budgets can select and group by: the fields of
// Subject, "label:<name>", "provider", "model", "service_tier", "event_type". Empty where it has
// none.
absl::string_view DimensionValue(const Subject& subject, const Model& model,
                                 absl::string_view event_type, absl::string_view dimension);

// Whether budgets know the dimension; kDimensionsText lists them for error messages.
bool IsDimension(absl::string_view dimension);
inline constexpr absl::string_view kDimensionsText =
    "project, team, user, agent, workflow, tool, run, parent_run, root_run, provider, model, "
    "service_tier, event_type or label:<name>";

}  // namespace bursar::usage
