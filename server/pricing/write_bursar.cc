#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pricing/bursar_format.h"
#include "pricing/money.h"
#include "pricing/price_key.h"

namespace bursar::pricing {
namespace {

using Json = nlohmann::ordered_json;
using Kind = usage::NamePattern::Kind;

// On one line, with spaces for the eye.
std::string OneLine(const Json& json) {
  std::vector<std::string> parts;
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      parts.push_back(absl::StrCat(OneLine(Json(key)), ": ", OneLine(value)));
    }
    return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
  }
  if (json.is_array()) {
    for (const Json& value : json) parts.push_back(OneLine(value));
    return absl::StrCat("[", absl::StrJoin(parts, ", "), "]");
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string List(const std::vector<std::string>& lines, absl::string_view indent) {
  if (lines.empty()) return "[]";
  const std::string between = absl::StrCat(",\n", indent, "  ");
  return absl::StrCat("[\n", indent, "  ", absl::StrJoin(lines, between), "\n", indent, "]");
}

const char* NameOf(Kind kind) {
  for (const KindName& each : kKindNames) {
    if (each.kind == kind) return each.name;
  }
  return "";
}

void WriteModel(const usage::NamePattern& model, Json& row) {
  const bool ends_as_prefix = absl::EndsWith(model.text(), "*");
  row["model"] = model.kind() == Kind::kPrefix ? absl::StrCat(model.text(), "*") : model.text();
  const bool plain =
      model.kind() == Kind::kPrefix || (model.kind() == Kind::kExact && !ends_as_prefix);
  if (!plain) row["match"] = NameOf(model.kind());
}

void WriteNamedPrices(const std::map<std::string, int64_t>& prices, const char* key, Json& row) {
  for (const auto& [name, nanousd] : prices) row[key][name] = FormatUsd(nanousd);
}

void WriteText(const std::string& text, const char* key, Json& row) {
  if (!text.empty()) row[key] = text;
}

Json RowOf(const Price& price) {
  Json row;
  row["provider"] = price.provider;
  WriteModel(price.model, row);
  WriteText(price.service_tier, "service_tier", row);
  WriteText(price.region, "region", row);
  if (price.min_input_tokens != 0) row["min_input_tokens"] = price.min_input_tokens;
  WriteText(TimeText(price.effective_time), "effective_time", row);
  if (price.daily) {
    row["daily_start_utc"] = HourText(price.daily->start);
    row["daily_end_utc"] = HourText(price.daily->end);
  }
  for (const ClassName& each : kClassNames) {
    const auto& nanousd = price.per_million[static_cast<size_t>(each.token_class)];
    if (nanousd) row[each.name] = FormatUsd(*nanousd);
  }
  WriteNamedPrices(price.other, "other", row);
  WriteNamedPrices(price.billed_units, "billed_units", row);
  if (price.max_output_tokens != 0) row["max_output_tokens"] = price.max_output_tokens;
  WriteText(price.same_as, "same_as", row);
  WriteText(price.source, "source", row);
  return row;
}

Json PatternOf(const usage::NamePattern& pattern) {
  if (pattern.kind() == Kind::kExact) return pattern.text();
  return Json{{NameOf(pattern.kind()), pattern.text()}};
}

Json RuleOf(const usage::NameRule& rule) {
  Json any = Json::array();
  for (const auto& all_of : rule) {
    Json all = Json::array();
    for (const auto& pattern : all_of) all.push_back(PatternOf(pattern));
    any.push_back(all.size() == 1 ? Json(all[0]) : all);
  }
  return any;
}

Json PathOf(const std::vector<usage::JsonStep>& path) {
  Json steps = Json::array();
  for (const auto& step : path) {
    if (!step.where) {
      steps.push_back(step.field);
      continue;
    }
    Json rule = RuleOf(*step.where);
    const bool one = rule.size() == 1 && !rule[0].is_array();
    steps.push_back(Json{{"where", step.field}, {"is", one ? Json(rule[0]) : rule}});
  }
  return steps.size() == 1 && steps[0].is_string() ? Json(steps[0]) : steps;
}

std::string ExtractorText(const usage::Extractor& extractor) {
  Json head = {{"api_flavor", extractor.api_flavor}};
  if (!extractor.root.empty()) head["root"] = PathOf(extractor.root);
  if (!extractor.model_path.empty()) head["model_path"] = PathOf(extractor.model_path);
  std::vector<std::string> mappings;
  for (const auto& mapping : extractor.mappings) {
    Json json = {{"path", PathOf(mapping.path)}, {"quantity", mapping.quantity}};
    if (mapping.required) json["required"] = true;
    mappings.push_back(OneLine(json));
  }
  std::string text = OneLine(head);
  text.pop_back();
  return absl::StrCat(text, ", \"mappings\": ", List(mappings, "      "), "}");
}

std::string ProviderText(const Provider& provider) {
  Json head = {{"id", provider.id}};
  if (!provider.aliases.empty()) head["aliases"] = RuleOf(provider.aliases);
  std::string text = OneLine(head);
  if (provider.extractors.empty()) return text;
  std::vector<std::string> extractors;
  for (const auto& extractor : provider.extractors) extractors.push_back(ExtractorText(extractor));
  text.pop_back();
  return absl::StrCat(text, ", \"extractors\": ", List(extractors, "    "), "}");
}

}  // namespace

std::string WritePrices(const PriceDocument& document) {
  std::vector<std::string> prices, providers;
  for (const Price& price : document.prices) prices.push_back(OneLine(RowOf(price)));
  for (const Provider& each : document.providers) providers.push_back(ProviderText(each));
  Json head;
  if (!document.version.empty()) head["version"] = document.version;
  head["currency"] = kCurrency;
  head["unit"] = kUnit;
  std::string text = "{\n";
  for (const auto& [key, value] : head.items()) {
    absl::StrAppend(&text, "  ", OneLine(Json(key)), ": ", OneLine(value), ",\n");
  }
  absl::StrAppend(&text, "  \"prices\": ", List(prices, "  "));
  if (!providers.empty()) absl::StrAppend(&text, ",\n  \"providers\": ", List(providers, "  "));
  return absl::StrCat(text, "\n}\n");
}

}  // namespace bursar::pricing
