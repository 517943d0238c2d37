#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "pricing/bursar_format.h"
#include "pricing/money.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::pricing {
namespace {

using Json = nlohmann::json;
using Kind = usage::NamePattern::Kind;
using usage::FieldError;

constexpr size_t kSourceBytesMax = 1024;
constexpr size_t kSameAsBytesMax = 1024;
constexpr size_t kClassNameBytesMax = 64;  // as of other_tokens
constexpr char kNotAPrice[] = "must be decimal text like \"2.50\"";

const std::vector<std::string>& RowKeys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all = {"provider",       "model",           "match",
                                    "service_tier",   "region",          "min_input_tokens",
                                    "effective_time", "daily_start_utc", "daily_end_utc",
                                    "other",          "billed_units",    "max_output_tokens",
                                    "same_as",        "source"};
    for (const ClassName& each : kClassNames) all.emplace_back(each.name);
    return all;
  }();
  return keys;
}

absl::StatusOr<usage::NamePattern> ReadModel(const Json& row) {
  ASSIGN_OR_RETURN(const std::string model, ReadText(row, "model", 1, usage::kDimensionBytesMax));
  ASSIGN_OR_RETURN(const std::string match, ReadText(row, "match", 0, 16));
  if (match.empty()) {
    absl::string_view text = model;
    const Kind kind = absl::ConsumeSuffix(&text, "*") ? Kind::kPrefix : Kind::kExact;
    return usage::NamePattern::Make(kind, text);
  }
  for (const KindName& each : kKindNames) {
    if (match != each.name) continue;
    auto pattern = usage::NamePattern::Make(each.kind, model);
    if (!pattern.ok()) return FieldError("model", pattern.status().message());
    return pattern;
  }
  return FieldError("match", absl::StrCat("is \"", match,
                                          "\"; allowed are contains, suffix, regex, exact and "
                                          "prefix, or none: exact, or a prefix ending in *"));
}

absl::Status ReadCount(const Json& row, const char* key, int64_t& count) {
  const auto value = row.find(key);
  if (value == row.end()) return absl::OkStatus();
  const bool whole = value->is_number_unsigned();
  if (!whole || value->get<uint64_t>() > static_cast<uint64_t>(usage::kTokensMax)) {
    return FieldError(key, "must be a whole number from 0 to 10^12");
  }
  count = value->get<int64_t>();
  return absl::OkStatus();
}

absl::Status ReadTime(const Json& row, const char* key, absl::Time& time) {
  if (!row.contains(key)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string text, ReadText(row, key, 1, 64));
  std::string error;
  const bool read = absl::ParseTime(absl::RFC3339_full, text, &time, &error);
  const bool finite = time != absl::InfinitePast() && time != absl::InfiniteFuture();
  if (read && finite) return absl::OkStatus();
  return FieldError(key, absl::StrCat("is \"", text, "\"; must be like 2026-01-31T00:00:00Z"));
}

absl::StatusOr<absl::Duration> ReadHour(const Json& row, const char* key) {
  ASSIGN_OR_RETURN(const std::string text, ReadText(row, key, 1, 16));
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  int hours = 0, minutes = 0, seconds = 0;
  bool read = parts.size() == 2 || parts.size() == 3;
  for (const std::string& part : parts) {
    read = read && part.size() == 2 && absl::ascii_isdigit(part[0]) && absl::ascii_isdigit(part[1]);
  }
  read = read && absl::SimpleAtoi(parts[0], &hours) && absl::SimpleAtoi(parts[1], &minutes) &&
         (parts.size() < 3 || absl::SimpleAtoi(parts[2], &seconds)) && minutes < 60 && seconds < 60;
  const absl::Duration hour = absl::Hours(hours) + absl::Minutes(minutes) + absl::Seconds(seconds);
  if (read && hour <= absl::Hours(24)) return hour;
  return FieldError(key, absl::StrCat("is \"", text, "\"; must be a time of the day like 00:30"));
}

absl::Status ReadDaily(const Json& row, Price& price) {
  const bool start = row.contains("daily_start_utc"), end = row.contains("daily_end_utc");
  if (!start && !end) return absl::OkStatus();
  if (!start || !end) {
    return FieldError(start ? "daily_end_utc" : "daily_start_utc",
                      "is missing; hours of the day have a start and an end");
  }
  DailyHours daily;
  ASSIGN_OR_RETURN(daily.start, ReadHour(row, "daily_start_utc"));
  ASSIGN_OR_RETURN(daily.end, ReadHour(row, "daily_end_utc"));
  if (daily.start == daily.end) {
    return FieldError("daily_end_utc", "is the start as well; leave out both for all day");
  }
  price.daily = daily;
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ReadPrice(const Json& value, const std::string& field,
                                  std::vector<std::string>& warnings) {
  if (!value.is_string()) return FieldError(field, kNotAPrice);
  const auto& text = value.get_ref<const std::string&>();
  bool rounded = false;
  const auto nanousd = ParseUsd(text, &rounded);
  if (!nanousd.ok()) {
    return FieldError(field, absl::StrCat(kNotAPrice, ", but is \"", text.substr(0, 40), "\""));
  }
  if (rounded) {
    warnings.push_back(absl::StrCat(field, ": \"", text.substr(0, 40),
                                    "\" is finer than a nano-dollar; taken as ",
                                    FormatUsd(*nanousd)));
  }
  return *nanousd;
}

absl::Status ReadNamedPrices(const Json& row, const std::string& key,
                             std::vector<std::string>& warnings,
                             std::map<std::string, int64_t>& prices) {
  const auto object = row.find(key);
  if (object == row.end()) return absl::OkStatus();
  if (!object->is_object()) {
    return FieldError(key, "must be an object of names and prices, like {\"name\": \"2.50\"}");
  }
  for (const auto& [name, value] : object->items()) {
    const std::string field = absl::StrCat(key, ".", name);
    RETURN_IF_ERROR(usage::ValidateText(absl::StrCat(key, " key"), name, 1, kClassNameBytesMax));
    ASSIGN_OR_RETURN(prices[name], ReadPrice(value, field, warnings));
  }
  return absl::OkStatus();
}

absl::Status ReadClasses(const Json& row, std::vector<std::string>& warnings, Price& price) {
  for (const ClassName& each : kClassNames) {
    const auto value = row.find(each.name);
    if (value == row.end()) continue;
    auto& target = price.per_million[static_cast<size_t>(each.token_class)];
    ASSIGN_OR_RETURN(target, ReadPrice(*value, each.name, warnings));
  }
  RETURN_IF_ERROR(ReadNamedPrices(row, "other", warnings, price.other));
  for (const ClassName& each : kClassNames) {
    if (price.other.count(each.name) == 0) continue;
    return FieldError(
        absl::StrCat("other.", each.name),
        absl::StrCat("is no other class: write \"", each.name, "\" beside \"other\", not in it"));
  }
  return ReadNamedPrices(row, "billed_units", warnings, price.billed_units);
}

absl::Status CheckSameAs(const Price& price) {
  const bool priced =
      !price.other.empty() || !price.billed_units.empty() ||
      std::any_of(price.per_million.begin(), price.per_million.end(),
                  [](const std::optional<int64_t>& each) { return each.has_value(); });
  if (price.same_as.empty()) {
    if (priced) return absl::OkStatus();
    return FieldError("input", "is missing, and so is every other price; give one, or same_as");
  }
  if (priced) {
    return FieldError(
        "same_as", "is given beside prices; what is priced as another model has none of its own");
  }
  const std::vector<std::string> models = absl::StrSplit(price.same_as, ',');
  for (absl::string_view model : models) {
    model = absl::StripAsciiWhitespace(model);
    if (model.empty() || model.front() == '/' || model.back() == '/') {
      return FieldError("same_as", "must be like \"provider/model\", \"model\" or \"provider/*\"");
    }
  }
  if (models.size() <= kSameAsMax) return absl::OkStatus();
  return FieldError("same_as", absl::StrCat("names ", models.size(), " models; at most ",
                                            kSameAsMax, " are allowed"));
}

}  // namespace

absl::StatusOr<Price> ReadPriceRow(const Json& row, std::vector<std::string>& warnings) {
  if (!row.is_object()) return FieldError("", "must be an object");
  RETURN_IF_ERROR(CheckKeys(row, RowKeys()));
  Price price;
  constexpr size_t kMax = usage::kDimensionBytesMax;
  ASSIGN_OR_RETURN(price.provider, ReadText(row, "provider", 1, kMax));
  ASSIGN_OR_RETURN(price.model, ReadModel(row));
  ASSIGN_OR_RETURN(price.service_tier, ReadText(row, "service_tier", 0, kMax));
  ASSIGN_OR_RETURN(price.region, ReadText(row, "region", 0, kMax));
  RETURN_IF_ERROR(ReadCount(row, "min_input_tokens", price.min_input_tokens));
  RETURN_IF_ERROR(ReadTime(row, "effective_time", price.effective_time));
  RETURN_IF_ERROR(ReadDaily(row, price));
  RETURN_IF_ERROR(ReadClasses(row, warnings, price));
  RETURN_IF_ERROR(ReadCount(row, "max_output_tokens", price.max_output_tokens));
  ASSIGN_OR_RETURN(price.same_as, ReadText(row, "same_as", 0, kSameAsBytesMax));
  ASSIGN_OR_RETURN(price.source, ReadText(row, "source", 0, kSourceBytesMax));
  RETURN_IF_ERROR(CheckSameAs(price));
  return price;
}

}  // namespace bursar::pricing
