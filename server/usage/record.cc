#include "usage/record.h"

#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace bursar::usage {
namespace {

constexpr absl::string_view kLabelPrefix = "label:";

struct SubjectDimension {
  absl::string_view name;
  std::string Subject::*field;
};
constexpr SubjectDimension kSubjectDimensions[] = {
    {"project", &Subject::project},   {"team", &Subject::team},
    {"user", &Subject::user},         {"agent", &Subject::agent},
    {"workflow", &Subject::workflow}, {"tool", &Subject::tool},
    {"run", &Subject::run},           {"parent_run", &Subject::parent_run},
    {"root_run", &Subject::root_run},
};

void AddTimes(int64_t times, const std::map<std::string, int64_t>& counts,
              std::map<std::string, int64_t>& sums) {
  for (const auto& [name, count] : counts) {
    if ((sums[name] += times * count) == 0) sums.erase(name);
  }
}

void AddTimes(int64_t times, const TokenUsage& usage, TokenUsage& sum) {
  for (int i = 0; i < kTokenClasses; ++i) sum.tokens[i] += times * usage.tokens[i];
  AddTimes(times, usage.other_tokens, sum.other_tokens);
  AddTimes(times, usage.billed_units, sum.billed_units);
}

bool IsOutput(absl::string_view token_class) { return absl::StartsWith(token_class, "output"); }

}  // namespace

absl::string_view TokenClassName(TokenClass token_class) {
  static constexpr absl::string_view kNames[kTokenClasses] = {
      "uncached_input_tokens", "cache_read_tokens",     "cache_write_5m_tokens",
      "cache_write_1h_tokens", "visible_output_tokens", "reasoning_tokens",
      "input_audio_tokens",    "output_audio_tokens",   "input_image_tokens",
      "output_image_tokens"};
  return kNames[static_cast<int>(token_class)];
}

int64_t TokenUsage::AllTokens() const {
  int64_t sum = std::accumulate(tokens.begin(), tokens.end(), int64_t{0});
  for (const auto& [name, count] : other_tokens) sum += count;
  return sum;
}

TokenUsage& TokenUsage::operator+=(const TokenUsage& other) {
  AddTimes(1, other, *this);
  return *this;
}

TokenUsage& TokenUsage::operator-=(const TokenUsage& other) {
  AddTimes(-1, other, *this);
  return *this;
}

int64_t TokenUsage::OutputTokens() const {
  int64_t sum = (*this)[TokenClass::kVisibleOutput] + (*this)[TokenClass::kReasoning] +
                (*this)[TokenClass::kOutputAudio] + (*this)[TokenClass::kOutputImage];
  for (const auto& [name, count] : other_tokens) sum += IsOutput(name) ? count : 0;
  return sum;
}

int64_t TokenUsage::InputTokens() const { return AllTokens() - OutputTokens(); }

absl::string_view OutcomeName(Outcome outcome) {
  static constexpr absl::string_view kNames[] = {"",          "SUCCEEDED",    "FAILED",
                                                 "CANCELLED", "NOT_EXECUTED", "UNKNOWN"};
  return kNames[static_cast<int>(outcome)];
}

absl::string_view CostBasisName(CostBasis cost_basis) {
  static constexpr absl::string_view kNames[] = {"",         "PRICED",   "ESTIMATED",
                                                 "DECLARED", "UNPRICED", "ADJUSTED"};
  return kNames[static_cast<int>(cost_basis)];
}

absl::string_view DimensionValue(const Subject& subject, const Model& model,
                                 absl::string_view event_type, absl::string_view dimension) {
  for (const auto& known : kSubjectDimensions) {
    if (known.name == dimension) return subject.*known.field;
  }
  if (dimension == "provider") return model.provider;
  if (dimension == "model") return model.name;
  if (dimension == "service_tier") return model.service_tier;
  if (dimension == "event_type") return event_type;
  if (absl::ConsumePrefix(&dimension, kLabelPrefix)) {
    auto label = subject.labels.find(std::string(dimension));
    if (label != subject.labels.end()) return label->second;
  }
  return {};
}

bool IsDimension(absl::string_view dimension) {
  for (const auto& known : kSubjectDimensions) {
    if (known.name == dimension) return true;
  }
  if (dimension.size() > kLabelPrefix.size() && absl::StartsWith(dimension, kLabelPrefix)) {
    return true;
  }
  return dimension == "provider" || dimension == "model" || dimension == "service_tier" ||
         dimension == "event_type";
}

}  // namespace bursar::usage
