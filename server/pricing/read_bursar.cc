#include <algorithm>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "pricing/bursar_format.h"
#include "pricing/feed_price.h"
#include "pricing/feeds.h"
#include "pricing/price_key.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::pricing {
namespace {

using Json = nlohmann::json;
using usage::FieldError;

// How many letters must be inserted, left out or changed.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row.back();
}

// JSON in which no object has a key twice: which of them was meant, nobody can say.
absl::StatusOr<Json> ParseJson(absl::string_view text) {
  std::vector<std::set<std::string>> keys;
  std::string twice;
  const auto look = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && twice.empty()) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(key).second) twice = key;
    }
    return true;
  };
  try {
    Json json = Json::parse(text.begin(), text.end(), look);
    if (twice.empty()) return json;
    return absl::InvalidArgumentError(
        absl::StrCat("an object has the key \"", twice.substr(0, 80), "\" twice"));
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("must be a JSON object with \"prices\": ",
                                                   absl::string_view(error.what()).substr(0, 200)));
  }
}

absl::Status CheckUnit(const Json& document) {
  for (const auto& [key, right] : {std::pair{"currency", kCurrency}, {"unit", kUnit}}) {
    if (document.contains(key) && document[key] != right) {
      return FieldError(key, absl::StrCat("must be \"", right, "\", or left out"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Price>> ReadRows(const Json& rows, std::vector<std::string>& warnings) {
  std::vector<Price> prices;
  RETURN_IF_ERROR(CheckFeedRows(rows.size()));
  absl::flat_hash_map<std::string, size_t> seen;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string path = absl::StrCat("prices[", i, "]");
    std::vector<std::string> of_row;
    auto price = ReadPriceRow(rows[i], of_row);
    if (!price.ok()) return usage::Within(path, price.status());
    const auto [first, is_new] = seen.emplace(RowKey(*price), i);
    if (!is_new) {
      return FieldError(
          path, absl::StrCat("is for the same as prices[", first->second, "]: ", RowName(*price)));
    }
    for (const std::string& warning : of_row) warnings.push_back(absl::StrCat(path, ".", warning));
    prices.push_back(*std::move(price));
  }
  return prices;
}

absl::StatusOr<std::vector<Provider>> ReadProviders(const Json& objects) {
  std::vector<Provider> providers;
  std::set<std::string> ids;
  for (size_t i = 0; i < objects.size(); ++i) {
    const std::string path = absl::StrCat("providers[", i, "]");
    auto provider = ReadProvider(objects[i]);
    if (!provider.ok()) return usage::Within(path, provider.status());
    if (!ids.insert(absl::AsciiStrToLower(provider->id)).second) {
      return FieldError(absl::StrCat(path, ".id"),
                        absl::StrCat("\"", provider->id, "\" is there twice"));
    }
    providers.push_back(*std::move(provider));
  }
  return providers;
}

}  // namespace

absl::Status CheckKeys(const Json& object, const std::vector<std::string>& keys) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const absl::string_view shown = absl::string_view(key).substr(0, 64);
    const auto nearest = std::min_element(
        keys.begin(), keys.end(),
        [shown](const auto& a, const auto& b) { return Distance(shown, a) < Distance(shown, b); });
    return FieldError(shown, absl::StrCat("is not known; did you mean \"", *nearest, "\"?"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadText(const Json& object, const char* key, size_t bytes_min,
                                     size_t bytes_max) {
  const auto value = object.find(key);
  if (value == object.end()) {
    if (bytes_min == 0) return std::string();
    return FieldError(key, "is missing; it must be text");
  }
  if (!value->is_string()) return FieldError(key, "must be text");
  RETURN_IF_ERROR(
      usage::ValidateText(key, value->get_ref<const std::string&>(), bytes_min, bytes_max));
  return value->get<std::string>();
}

absl::StatusOr<ReadDocument> ReadBursarPrices(absl::string_view text) {
  if (text.size() > kFeedBytesMax) {
    return absl::InvalidArgumentError("the document is longer than 16 MiB");
  }
  ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  if (!json.is_object()) {
    return absl::InvalidArgumentError("must be a JSON object with \"prices\"");
  }
  RETURN_IF_ERROR(CheckKeys(json, {"version", "currency", "unit", "prices", "providers"}));
  RETURN_IF_ERROR(CheckUnit(json));
  ReadDocument read;
  ASSIGN_OR_RETURN(read.document.version, ReadText(json, "version", 0, usage::kDimensionBytesMax));
  for (const char* key : {"prices", "providers"}) {
    if (json.contains(key) && !json[key].is_array()) return FieldError(key, "must be a list");
  }
  if (json.contains("prices")) {
    ASSIGN_OR_RETURN(read.document.prices, ReadRows(json["prices"], read.warnings));
  }
  if (json.contains("providers")) {
    ASSIGN_OR_RETURN(read.document.providers, ReadProviders(json["providers"]));
  }
  return read;
}

}  // namespace bursar::pricing
