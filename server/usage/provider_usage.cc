#include "usage/provider_usage.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/quantities.h"

namespace bursar::usage {
namespace {

using Json = nlohmann::json;
using Path = absl::Span<const JsonStep>;

// "usage.promptTokensDetails[modality=AUDIO].tokenCount"
std::string PathText(Path path) {
  std::string text;
  for (const JsonStep& step : path) {
    if (!step.where) {
      absl::StrAppend(&text, text.empty() ? "" : ".", step.field);
      continue;
    }
    absl::StrAppend(&text, "[", step.field, "=");
    if (!step.where->empty() && !step.where->front().empty()) {
      absl::StrAppend(&text, step.where->front().front().text());
    }
    absl::StrAppend(&text, "]");
  }
  return text;
}

std::string PathText(Path root, Path path) {
  const char* dot = root.empty() || path.empty() ? "" : ".";
  return absl::StrCat(PathText(root), dot, PathText(path));
}

// What a value is, for an error. Texts and what may be long or deep are not written out.
std::string Shown(const Json& value) {
  if (value.is_number() || value.is_boolean()) return value.dump();
  if (value.is_string()) return "text";
  return absl::StrCat("an ", value.type_name());
}

// PHP writes an empty object as [].
bool IsNothing(const Json& value) { return value.is_null() || (value.is_array() && value.empty()); }

const Json* FirstMatch(const Json& array, const JsonStep& step) {
  for (const Json& element : array) {
    if (!element.is_object()) continue;
    const auto name = element.find(step.field);
    if (name == element.end() || !name->is_string()) continue;
    if (Matches(*step.where, absl::AsciiStrToLower(name->get_ref<const std::string&>()))) {
      return &element;
    }
  }
  return nullptr;
}

// The value at the path; nullptr where there is none. `bad_step`, where it is given, becomes the
// number of steps that lead to a value of another type than the next step needs.
const Json* Find(const Json& from, Path path, size_t* bad_step = nullptr) {
  const Json* at = &from;
  for (size_t i = 0; i < path.size(); ++i) {
    if (IsNothing(*at)) return nullptr;
    if (!(path[i].where ? at->is_array() : at->is_object())) {
      if (bad_step != nullptr) *bad_step = i;
      return nullptr;
    }
    if (path[i].where) {
      at = FirstMatch(*at, path[i]);
    } else {
      const auto field = at->find(path[i].field);
      at = field == at->end() ? nullptr : &*field;
    }
    if (at == nullptr) return nullptr;
  }
  return at->is_null() ? nullptr : at;
}

// Whether the object has what the extractor needs, and anything at all that it reads.
bool HasUsage(const Extractor& extractor, const Json& object) {
  bool any = false;
  for (const UsageMapping& mapping : extractor.mappings) {
    const bool found = Find(object, mapping.path) != nullptr;
    if (mapping.required && !found) return false;
    any |= found;
  }
  return any;
}

struct Root {
  const Json* usage;
  Path path;  // that led to it
};

// The document may be the provider's whole answer or an inner part of it, down to the usage object
// alone: the root path is tried from its start, then without its first steps.
absl::StatusOr<Root> FindRoot(const Extractor& extractor, const Json& document) {
  const Path whole = extractor.root;
  for (size_t skipped = 0; skipped <= whole.size(); ++skipped) {
    const Path path = whole.subspan(skipped);
    const Json* usage = Find(document, path);
    if (usage == nullptr || !usage->is_object()) continue;
    if (skipped == 0 || HasUsage(extractor, *usage)) return Root{usage, path};
  }
  return FieldError(PathText(whole), "is missing; it must be an object with the tokens used");
}

// Counts are whole numbers; some libraries write every number with a decimal point, so 12.0 is 12.
absl::StatusOr<int64_t> ReadCount(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto count = value.get<uint64_t>();
    if (count <= static_cast<uint64_t>(kTokensMax)) return static_cast<int64_t>(count);
  } else if (value.is_number_integer()) {
    if (value.get<int64_t>() == 0) return 0;  // -0
  } else if (value.is_number_float()) {
    const auto number = value.get<double>();
    const bool in_range = number >= 0 && number <= static_cast<double>(kTokensMax);
    if (in_range && number == std::floor(number)) return static_cast<int64_t>(number);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("is ", Shown(value), "; must be a whole number from 0 to 10^12"));
}

absl::Status AddMapping(const UsageMapping& mapping, const Root& root, Quantities& quantities) {
  size_t bad_step = mapping.path.size();
  const Json* value = Find(*root.usage, mapping.path, &bad_step);
  if (bad_step < mapping.path.size()) {
    const Path before = Path(mapping.path).first(bad_step);
    const char* wanted = mapping.path[bad_step].where ? "an array" : "an object";
    return FieldError(PathText(root.path, before),
                      absl::StrCat("is ", Shown(*Find(*root.usage, before)), "; must be ", wanted));
  }
  const std::string field = PathText(root.path, mapping.path);
  if (value == nullptr) {
    if (!mapping.required) return absl::OkStatus();
    return FieldError(field, "is missing; it must be a whole number from 0 to 10^12");
  }
  auto count = ReadCount(*value);
  if (!count.ok()) return FieldError(field, count.status().message());
  return quantities.Add(mapping.quantity, field, *count);
}

std::string ReadModel(const Extractor& extractor, const Json& document) {
  const Path whole = extractor.model_path;
  for (size_t skipped = 0; skipped < whole.size(); ++skipped) {
    const Json* model = Find(document, whole.subspan(skipped));
    if (model != nullptr && model->is_string()) return model->get<std::string>();
  }
  return "";
}

}  // namespace

absl::StatusOr<ProviderReading> ReadProviderUsage(const Extractor& extractor,
                                                  absl::string_view json) {
  if (json.size() > kProviderUsageBytesMax) {
    return FieldError("json", absl::StrCat("has ", json.size(), " bytes; at most ",
                                           kProviderUsageBytesMax, " are allowed"));
  }
  const Json document = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) {
    return FieldError("json",
                      "must be a JSON object: the provider's answer, or its model and usage");
  }
  ASSIGN_OR_RETURN(const Root root, FindRoot(extractor, document));
  Quantities quantities;
  for (const UsageMapping& mapping : extractor.mappings) {
    RETURN_IF_ERROR(AddMapping(mapping, root, quantities));
  }
  ProviderReading reading;
  reading.model = ReadModel(extractor, document);
  ASSIGN_OR_RETURN(reading.tokens, quantities.Disjoint());
  return reading;
}

}  // namespace bursar::usage
