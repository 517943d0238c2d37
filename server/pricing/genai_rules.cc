#include "pricing/genai_rules.h"

#include "absl/strings/str_cat.h"
#include "pricing/feed_price.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/quantities.h"
#include "usage/validate.h"

namespace bursar::pricing {
namespace {

using Json = nlohmann::json;
using usage::FieldError;
using usage::NamePattern;
using usage::NameRule;

constexpr size_t kAlternativesMax = 1000;  // of one rule; the feed's longest has 24
constexpr size_t kStepsMax = 16;
constexpr size_t kMappingsMax = 1000;

struct MatchKind {
  const char* name;
  NamePattern::Kind kind;
};
constexpr MatchKind kMatchKinds[] = {
    {"equals", NamePattern::Kind::kExact},     {"starts_with", NamePattern::Kind::kPrefix},
    {"ends_with", NamePattern::Kind::kSuffix}, {"contains", NamePattern::Kind::kContains},
    {"regex", NamePattern::Kind::kRegex},
};

// Both hold: each alternative of one with each of the other.
absl::StatusOr<NameRule> Both(const NameRule& a, const NameRule& b) {
  if (a.size() * b.size() > kAlternativesMax) return FieldError("and", "has too many alternatives");
  NameRule both;
  for (const auto& left : a) {
    for (const auto& right : b) {
      both.push_back(left);
      both.back().insert(both.back().end(), right.begin(), right.end());
    }
  }
  return both;
}

absl::StatusOr<NameRule> ReadCombined(const Json& rules, bool all) {
  const char* field = all ? "and" : "or";
  if (!rules.is_array() || rules.empty()) return FieldError(field, "must be an array of rules");
  NameRule combined;
  for (size_t i = 0; i < rules.size(); ++i) {
    auto rule = ReadGenaiMatch(rules[i]);
    if (!rule.ok()) return usage::Within(absl::StrCat(field, "[", i, "]"), rule.status());
    if (all && i > 0) {
      ASSIGN_OR_RETURN(combined, Both(combined, *rule));
      continue;
    }
    combined.insert(combined.end(), rule->begin(), rule->end());
    if (combined.size() > kAlternativesMax) return FieldError(field, "has too many alternatives");
  }
  return combined;
}

absl::StatusOr<usage::JsonStep> ReadStep(const Json& step) {
  if (step.is_string()) {
    const auto& field = step.get_ref<const std::string&>();
    RETURN_IF_ERROR(usage::ValidateText("", field, 1, usage::kDimensionBytesMax));
    return usage::JsonStep{field, std::nullopt};
  }
  if (!step.is_object() || step.value("type", Json()) != "array-match") {
    return FieldError("", "must be a field's name, or an object of type \"array-match\"");
  }
  ASSIGN_OR_RETURN(std::string field, ReadFeedText(step, "field"));
  auto where = ReadGenaiMatch(step.value("match", Json()));
  if (!where.ok()) return usage::Within("match", where.status());
  return usage::JsonStep{std::move(field), *std::move(where)};
}

// A field's name, or an array of steps.
absl::StatusOr<std::vector<usage::JsonStep>> ReadPath(const Json& object, const char* field) {
  const Json path = object.value(field, Json());
  const Json steps = path.is_string() ? Json::array({path}) : path;
  if (!steps.is_array() || steps.empty() || steps.size() > kStepsMax) {
    return FieldError(
        field, absl::StrCat("must be a field's name, or an array of 1 to ", kStepsMax, " steps"));
  }
  std::vector<usage::JsonStep> read;
  for (size_t i = 0; i < steps.size(); ++i) {
    auto step = ReadStep(steps[i]);
    if (!step.ok()) return usage::Within(absl::StrCat(field, "[", i, "]"), step.status());
    read.push_back(*std::move(step));
  }
  return read;
}

absl::StatusOr<usage::UsageMapping> ReadMapping(const Json& mapping) {
  if (!mapping.is_object()) return FieldError("", "must be an object");
  usage::UsageMapping read;
  ASSIGN_OR_RETURN(read.path, ReadPath(mapping, "path"));
  ASSIGN_OR_RETURN(read.quantity, ReadFeedText(mapping, "dest"));
  const Json required = mapping.value("required", Json(true));
  if (!required.is_boolean()) return FieldError("required", "must be true or false");
  read.required = required.get<bool>();
  return read;
}

}  // namespace

absl::StatusOr<NameRule> ReadGenaiMatch(const Json& match) {
  if (!match.is_object() || match.size() != 1) {
    return FieldError("",
                      "must be an object like {\"equals\": \"text\"}; also with starts_with, "
                      "ends_with, contains, regex, or, and");
  }
  const std::string kind = match.begin().key();
  if (kind == "or" || kind == "and") return ReadCombined(*match.begin(), kind == "and");
  for (const MatchKind& each : kMatchKinds) {
    if (kind != each.name) continue;
    ASSIGN_OR_RETURN(const std::string text, ReadFeedText(match, each.name));
    auto pattern = NamePattern::Make(each.kind, text);
    if (!pattern.ok()) return FieldError(kind, pattern.status().message());
    return NameRule{{*std::move(pattern)}};
  }
  return FieldError(usage::Shortened(kind, 40),
                    "is no kind of match; known are equals, "
                    "starts_with, ends_with, contains, regex, or, and");
}

absl::StatusOr<usage::Extractor> ReadGenaiExtractor(const Json& extractor,
                                                    std::vector<std::string>& unknown) {
  if (!extractor.is_object()) return FieldError("", "must be an object");
  usage::Extractor read;
  ASSIGN_OR_RETURN(read.api_flavor, ReadFeedText(extractor, "api_flavor"));
  ASSIGN_OR_RETURN(read.root, ReadPath(extractor, "root"));
  ASSIGN_OR_RETURN(read.model_path, ReadPath(extractor, "model_path"));
  const Json mappings = extractor.value("mappings", Json());
  if (!mappings.is_array() || mappings.empty() || mappings.size() > kMappingsMax) {
    return FieldError("mappings", "must be an array of 1 to 1000 objects");
  }
  for (size_t i = 0; i < mappings.size(); ++i) {
    auto mapping = ReadMapping(mappings[i]);
    if (!mapping.ok()) return usage::Within(absl::StrCat("mappings[", i, "]"), mapping.status());
    if (usage::IsQuantity(mapping->quantity)) {
      read.mappings.push_back(*std::move(mapping));
    } else {
      unknown.push_back(mapping->quantity);
    }
  }
  return read;
}

}  // namespace bursar::pricing
