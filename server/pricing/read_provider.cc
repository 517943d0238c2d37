#include <set>

#include "absl/strings/str_cat.h"
#include "pricing/bursar_format.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/quantities.h"

namespace bursar::pricing {
namespace {

using Json = nlohmann::json;
using usage::FieldError;

constexpr size_t kTextBytesMax = usage::kDimensionBytesMax;
constexpr size_t kStepsMax = 16;

constexpr char kPatternForm[] =
    "must be text, or an object like {\"contains\": \"text\"}; also with prefix, suffix and regex";

absl::StatusOr<usage::NamePattern> ReadPattern(const Json& json) {
  if (json.is_string()) {
    return usage::NamePattern::Make(usage::NamePattern::Kind::kExact,
                                    json.get_ref<const std::string&>());
  }
  if (!json.is_object() || json.size() != 1) return FieldError("", kPatternForm);
  for (const KindName& each : kKindNames) {
    if (!json.contains(each.name)) continue;
    ASSIGN_OR_RETURN(const std::string text, ReadText(json, each.name, 1, kTextBytesMax));
    auto pattern = usage::NamePattern::Make(each.kind, text);
    if (!pattern.ok()) return FieldError(each.name, pattern.status().message());
    return pattern;
  }
  return FieldError("", kPatternForm);
}

// All elements of an array, read one by one; one that is no array counts as one element.
template <typename T, typename Read>
absl::StatusOr<std::vector<T>> ReadAll(const Json& json, const std::string& field, Read read) {
  std::vector<T> all;
  if (!json.is_array()) {
    auto one = read(json);
    if (!one.ok()) return field.empty() ? one.status() : usage::Within(field, one.status());
    all.push_back(*std::move(one));
    return all;
  }
  for (size_t i = 0; i < json.size(); ++i) {
    auto one = read(json[i]);
    if (!one.ok()) return usage::Within(absl::StrCat(field, "[", i, "]"), one.status());
    all.push_back(*std::move(one));
  }
  return all;
}

absl::StatusOr<std::vector<usage::NamePattern>> ReadAllOf(const Json& json) {
  if (json.is_array() && json.empty()) return FieldError("", "must name at least one pattern");
  return ReadAll<usage::NamePattern>(json, "", ReadPattern);
}

absl::StatusOr<usage::NameRule> ReadRule(const Json& json, const std::string& field) {
  return ReadAll<std::vector<usage::NamePattern>>(json, field, ReadAllOf);
}

absl::StatusOr<usage::JsonStep> ReadStep(const Json& json) {
  usage::JsonStep step;
  if (json.is_string()) {
    step.field = json.get<std::string>();
    if (step.field.empty()) return FieldError("", "must name a field");
    return step;
  }
  if (!json.is_object()) {
    return FieldError("", "must be a field's name or {\"where\": \"field\", \"is\": \"text\"}");
  }
  RETURN_IF_ERROR(CheckKeys(json, {"where", "is"}));
  ASSIGN_OR_RETURN(step.field, ReadText(json, "where", 1, kTextBytesMax));
  if (!json.contains("is")) return FieldError("is", "is missing");
  ASSIGN_OR_RETURN(step.where, ReadRule(json["is"], "is"));
  return step;
}

absl::StatusOr<std::vector<usage::JsonStep>> ReadPath(const Json& object, const char* key) {
  if (!object.contains(key)) return std::vector<usage::JsonStep>();
  ASSIGN_OR_RETURN(auto steps, ReadAll<usage::JsonStep>(object[key], key, ReadStep));
  if (steps.size() <= kStepsMax) return steps;
  return FieldError(
      key, absl::StrCat("has ", steps.size(), " steps; at most ", kStepsMax, " are allowed"));
}

absl::StatusOr<usage::UsageMapping> ReadMapping(const Json& json) {
  if (!json.is_object()) return FieldError("", "must be an object");
  RETURN_IF_ERROR(CheckKeys(json, {"path", "quantity", "required"}));
  usage::UsageMapping mapping;
  ASSIGN_OR_RETURN(mapping.path, ReadPath(json, "path"));
  if (mapping.path.empty()) return FieldError("path", "is missing; it must name a field");
  ASSIGN_OR_RETURN(mapping.quantity, ReadText(json, "quantity", 1, kTextBytesMax));
  if (!usage::IsQuantity(mapping.quantity)) {
    return FieldError("quantity", absl::StrCat("is \"", mapping.quantity,
                                               "\"; must be like input_tokens, cache_read_tokens, "
                                               "output_audio_tokens or web_searches"));
  }
  const auto required = json.find("required");
  if (required == json.end()) return mapping;
  if (!required->is_boolean()) return FieldError("required", "must be true or false");
  mapping.required = required->get<bool>();
  return mapping;
}

absl::StatusOr<usage::Extractor> ReadExtractor(const Json& json) {
  if (!json.is_object()) return FieldError("", "must be an object");
  RETURN_IF_ERROR(CheckKeys(json, {"api_flavor", "root", "model_path", "mappings"}));
  usage::Extractor extractor;
  ASSIGN_OR_RETURN(extractor.api_flavor, ReadText(json, "api_flavor", 1, kTextBytesMax));
  ASSIGN_OR_RETURN(extractor.root, ReadPath(json, "root"));
  ASSIGN_OR_RETURN(extractor.model_path, ReadPath(json, "model_path"));
  if (!json.contains("mappings")) return FieldError("mappings", "is missing");
  ASSIGN_OR_RETURN(extractor.mappings,
                   ReadAll<usage::UsageMapping>(json["mappings"], "mappings", ReadMapping));
  return extractor;
}

}  // namespace

absl::StatusOr<Provider> ReadProvider(const Json& object) {
  if (!object.is_object()) return FieldError("", "must be an object");
  RETURN_IF_ERROR(CheckKeys(object, {"id", "aliases", "extractors"}));
  Provider provider;
  ASSIGN_OR_RETURN(provider.id, ReadText(object, "id", 1, kTextBytesMax));
  if (object.contains("aliases")) {
    ASSIGN_OR_RETURN(provider.aliases, ReadRule(object["aliases"], "aliases"));
  }
  if (!object.contains("extractors")) return provider;
  ASSIGN_OR_RETURN(provider.extractors,
                   ReadAll<usage::Extractor>(object["extractors"], "extractors", ReadExtractor));
  std::set<std::string> flavors;
  for (size_t i = 0; i < provider.extractors.size(); ++i) {
    if (flavors.insert(provider.extractors[i].api_flavor).second) continue;
    return FieldError(absl::StrCat("extractors[", i, "].api_flavor"),
                      absl::StrCat("\"", provider.extractors[i].api_flavor, "\" is there twice"));
  }
  return provider;
}

}  // namespace bursar::pricing
