#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "pricing/feed_price.h"
#include "pricing/feeds.h"
#include "pricing/genai_rules.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/quantities.h"
#include "usage/validate.h"

namespace bursar::pricing {
namespace {

using Json = nlohmann::json;
using usage::FieldError;
using usage::NamePattern;
using usage::Within;

constexpr char kFree[] = ":free";  // OpenRouter's own name for models that cost nothing
constexpr size_t kTiersMax = 32;
constexpr size_t kSameAsMax = 4;
constexpr size_t kIdBytesMax = 64;

// When a set of prices counts.
struct Validity {
  absl::Time effective_time = absl::InfinitePast();
  std::optional<DailyHours> daily;
};

using Tiers = std::map<int64_t, int64_t>;  // min_input_tokens -> price

// Prices that count at one time.
struct PriceSet {
  Validity validity;
  std::map<std::string, Tiers> classes, units;
};

// Of a provider: the marks of model names and of lists do not stand in it.
absl::Status CheckId(absl::string_view field, absl::string_view id) {
  if (id.empty() || id.find_first_of("/,*") != absl::string_view::npos) {
    return FieldError(field, "must be a name without / , and *");
  }
  return usage::ValidateText(field, id, 1, kIdBytesMax);
}

absl::StatusOr<absl::Time> ReadDate(const Json& constraint) {
  ASSIGN_OR_RETURN(const std::string text, ReadFeedText(constraint, "start_date"));
  absl::Time time;
  std::string error;
  const bool read = text.size() == 10 && absl::ParseTime("%Y-%m-%d", text, &time, &error);
  const int64_t year = absl::ToCivilYear(time, absl::UTCTimeZone()).year();
  if (read && year >= 1970 && year <= 9999) return time;
  return FieldError("start_date", "must be like 2026-01-31");
}

absl::StatusOr<absl::Duration> ReadTimeOfDay(const Json& constraint, const char* field) {
  ASSIGN_OR_RETURN(const std::string text, ReadFeedText(constraint, field));
  absl::string_view utc = text;
  if (!absl::ConsumeSuffix(&utc, "Z")) absl::ConsumeSuffix(&utc, "+00:00");
  absl::Time time;
  std::string error;
  const bool read = utc.size() == 8 && absl::ParseTime("%H:%M:%S", utc, &time, &error);
  const absl::Duration since_midnight = time - absl::UnixEpoch();
  if (read && since_midnight >= absl::ZeroDuration() && since_midnight < absl::Hours(24)) {
    return since_midnight;
  }
  return FieldError(field, "must be a time in UTC like 16:30:00Z");
}

absl::StatusOr<Validity> ReadConstraint(const Json& constraint) {
  Validity validity;
  if (constraint.is_null()) return validity;
  if (!constraint.is_object()) return FieldError("", "must be an object");
  for (const auto& [key, value] : constraint.items()) {
    if (key == "start_date" || key == "start_time" || key == "end_time") continue;
    return FieldError(usage::Shortened(key, 40),
                      "is no constraint; known are start_date, start_time and end_time");
  }
  if (constraint.contains("start_date")) {
    ASSIGN_OR_RETURN(validity.effective_time, ReadDate(constraint));
  }
  if (constraint.contains("start_time") || constraint.contains("end_time")) {
    ASSIGN_OR_RETURN(const absl::Duration start, ReadTimeOfDay(constraint, "start_time"));
    ASSIGN_OR_RETURN(const absl::Duration end, ReadTimeOfDay(constraint, "end_time"));
    if (start == end) return FieldError("end_time", "must differ from start_time");
    validity.daily = DailyHours{start, end};
  }
  return validity;
}

// A number; or {"base": number, "tiers": [{"start": tokens, "price": number}]}, where a tier is for
// calls with more input than its start.
absl::StatusOr<Tiers> ReadTiers(const Json& value, bool* rounded) {
  Tiers tiers;
  if (!value.is_object()) {
    ASSIGN_OR_RETURN(tiers[0], ReadNanoUsd(value, 0, rounded));
    return tiers;
  }
  auto base = ReadNanoUsd(value.value("base", Json()), 0, rounded);
  if (!base.ok()) return Within("base", base.status());
  tiers[0] = *base;
  const Json steps = value.value("tiers", Json());
  if (!steps.is_array() || steps.size() > kTiersMax) {
    return FieldError("tiers", "must be an array of at most 32 tiers");
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string field = absl::StrCat("tiers[", i, "]");
    if (!steps[i].is_object()) return FieldError(field, "must be an object");
    const Json start = steps[i].value("start", Json());
    const uint64_t tokens = start.is_number_unsigned() ? start.get<uint64_t>() : 0;
    if (tokens == 0 || tokens > uint64_t{1'000'000'000'000}) {
      return FieldError(field + ".start", "must be a whole number of tokens from 1 to 10^12");
    }
    auto price = ReadNanoUsd(steps[i].value("price", Json()), 0, rounded);
    if (!price.ok()) return Within(field + ".price", price.status());
    if (!tiers.emplace(static_cast<int64_t>(tokens) + 1, *price).second) {
      return FieldError(field + ".start", "is there twice");
    }
  }
  return tiers;
}

int64_t PriceAt(const Tiers& tiers, int64_t min_input_tokens) {
  return std::prev(tiers.upper_bound(min_input_tokens))->second;
}

class GenaiReader {
 public:
  absl::StatusOr<ReadDocument> Read(const Json& feed);

 private:
  absl::Status ReadProvider(const Json& provider);
  absl::Status ReadAliases(const Json& provider, Provider& read);
  absl::Status ReadExtractors(const Json& provider, Provider& read);
  absl::Status ReadFallbacks(const Json& provider);
  absl::Status ReadModel(const Json& model);
  absl::Status ReadMatch(const Json& model);
  absl::StatusOr<PriceSet> ReadPriceSet(const Json& prices);
  absl::StatusOr<std::vector<PriceSet>> ReadPriceSets(const Json& model);
  void AddRows(const PriceSet& set);

  PriceDocument document_;
  FeedWarnings warnings_;
  std::set<std::string> provider_ids_;
  std::string provider_id_, source_, row_;  // of the provider and the model under way
  std::vector<NamePattern> patterns_;       // of the model under way
  std::map<std::pair<NamePattern::Kind, std::string>, Json> prices_of_pattern_;  // of the provider
};

absl::Status GenaiReader::ReadAliases(const Json& provider, Provider& read) {
  const Json match = provider.value("provider_match", Json());
  if (!match.is_null()) {
    auto rule = ReadGenaiMatch(match);
    if (!rule.ok()) return Within("provider_match", rule.status());
    read.aliases = *std::move(rule);
  }
  const auto names = ProviderNames().find(read.id);
  if (names == ProviderNames().end()) return absl::OkStatus();
  for (const std::string& name : names->second) {
    ASSIGN_OR_RETURN(NamePattern pattern, NamePattern::Make(NamePattern::Kind::kExact, name));
    read.aliases.push_back({std::move(pattern)});
  }
  return absl::OkStatus();
}

absl::Status GenaiReader::ReadExtractors(const Json& provider, Provider& read) {
  const Json extractors = provider.value("extractors", Json::array());
  if (!extractors.is_array()) return FieldError("extractors", "must be an array");
  std::set<std::string> flavors;
  for (size_t i = 0; i < extractors.size(); ++i) {
    const std::string field = absl::StrCat("extractors[", i, "]");
    std::vector<std::string> unknown;
    auto extractor = ReadGenaiExtractor(extractors[i], unknown);
    if (!extractor.ok()) return Within(field, extractor.status());
    if (!flavors.insert(extractor->api_flavor).second) {
      return FieldError(field + ".api_flavor", "is there twice");
    }
    for (const std::string& quantity : unknown) {
      warnings_.Add(absl::StrCat("quantity ", quantity, " is not known and left out"),
                    absl::StrCat(read.id, "/", extractor->api_flavor));
    }
    read.extractors.push_back(*std::move(extractor));
  }
  return absl::OkStatus();
}

// A model that the provider does not name is priced as at another.
absl::Status GenaiReader::ReadFallbacks(const Json& provider) {
  const Json others = provider.value("fallback_model_providers", Json());
  if (others.is_null()) return absl::OkStatus();
  if (!others.is_array() || others.empty() || others.size() > kSameAsMax) {
    return FieldError("fallback_model_providers", "must be an array of 1 to 4 providers");
  }
  std::vector<std::string> same_as;
  for (const Json& other : others) {
    const std::string id = other.is_string() ? other.get<std::string>() : "";
    RETURN_IF_ERROR(CheckId("fallback_model_providers", id));
    same_as.push_back(absl::StrCat(id, "/*"));
  }
  Price row;
  row.provider = provider_id_;
  ASSIGN_OR_RETURN(row.model, NamePattern::Make(NamePattern::Kind::kPrefix, ""));
  row.same_as = absl::StrJoin(same_as, ", ");
  row.source = source_;
  document_.prices.push_back(std::move(row));
  return absl::OkStatus();
}

absl::StatusOr<PriceSet> GenaiReader::ReadPriceSet(const Json& prices) {
  if (!prices.is_object()) return FieldError("", "must be an object");
  PriceSet set;
  for (const auto& [key, value] : prices.items()) {
    if (value.is_null()) continue;
    bool rounded = false;
    auto tiers = ReadTiers(value, &rounded);
    if (!tiers.ok()) return Within(key, tiers.status());
    if (rounded) warnings_.Add(absl::StrCat(key, " was rounded to nano-USD"), row_);
    absl::string_view stem = key;
    const bool of_tokens = absl::ConsumeSuffix(&stem, "_mtok");
    const bool of_units = !of_tokens && absl::ConsumeSuffix(&stem, "_kcount");
    const std::string quantity = absl::StrCat(stem, of_tokens ? "_tokens" : "");
    std::string name;
    if ((of_tokens || of_units) && usage::IsQuantity(quantity)) name = usage::ClassOf(quantity);
    if (name.empty()) {
      warnings_.Add(absl::StrCat("price ", usage::Shortened(key, 40), " is not known and left out"),
                    row_);
      continue;
    }
    (of_tokens ? set.classes : set.units).emplace(std::move(name), *std::move(tiers));
  }
  return set;
}

// One set of prices, or an array of sets with constraints; of those without, the first counts.
absl::StatusOr<std::vector<PriceSet>> GenaiReader::ReadPriceSets(const Json& model) {
  const Json prices = model.value("prices", Json());
  std::vector<PriceSet> sets;
  if (!prices.is_array()) {
    auto set = ReadPriceSet(prices);
    if (!set.ok()) return Within("prices", set.status());
    return std::vector<PriceSet>{*std::move(set)};
  }
  for (size_t i = 0; i < prices.size(); ++i) {
    const std::string field = absl::StrCat("prices[", i, "]");
    if (!prices[i].is_object()) return FieldError(field, "must be an object");
    auto validity = ReadConstraint(prices[i].value("constraint", Json()));
    if (!validity.ok()) return Within(field + ".constraint", validity.status());
    auto set = ReadPriceSet(prices[i].value("prices", Json()));
    if (!set.ok()) return Within(field + ".prices", set.status());
    set->validity = *validity;
    const bool known = std::any_of(sets.begin(), sets.end(), [&](const PriceSet& other) {
      return other.validity.effective_time == validity->effective_time &&
             other.validity.daily == validity->daily;
    });
    if (known) {
      warnings_.Add("prices for the same time again are left out", row_);
    } else {
      sets.push_back(*std::move(set));
    }
  }
  return sets;
}

// The names that the model goes by, without those that a model before it has.
absl::Status GenaiReader::ReadMatch(const Json& model) {
  auto rule = ReadGenaiMatch(model.value("match", Json()));
  if (!rule.ok()) return Within("match", rule.status());
  patterns_.clear();
  const Json prices = model.value("prices", Json());
  for (const std::vector<NamePattern>& all : *rule) {
    if (all.size() > 1) {
      warnings_.Add("names that must match several patterns at once are left out", row_);
      continue;
    }
    const auto [first, is_new] = prices_of_pattern_.try_emplace(
        {all[0].kind(), absl::AsciiStrToLower(all[0].text())}, prices);
    if (is_new) patterns_.push_back(all[0]);
    if (!is_new && first->second != prices) {
      warnings_.Add("other prices for a name that an earlier model has are left out", row_);
    }
  }
  return absl::OkStatus();
}

void GenaiReader::AddRows(const PriceSet& set) {
  std::set<int64_t> sizes = {0};
  for (const auto* priced : {&set.classes, &set.units}) {
    for (const auto& [name, tiers] : *priced) {
      for (const auto& [size, price] : tiers) sizes.insert(size);
    }
  }
  for (const NamePattern& pattern : patterns_) {
    for (int64_t size : sizes) {
      Price row;
      row.provider = provider_id_;
      row.model = pattern;
      row.min_input_tokens = size;
      row.effective_time = set.validity.effective_time;
      row.daily = set.validity.daily;
      row.source = source_;
      for (const auto& [name, tiers] : set.classes) SetPrice(name, PriceAt(tiers, size), row);
      for (const auto& [name, tiers] : set.units) row.billed_units[name] = PriceAt(tiers, size);
      document_.prices.push_back(std::move(row));
    }
  }
}

absl::Status GenaiReader::ReadModel(const Json& model) {
  if (!model.is_object()) return FieldError("", "must be an object");
  ASSIGN_OR_RETURN(const std::string id, ReadFeedText(model, "id"));
  row_ = absl::StrCat(provider_id_, "/", id);
  RETURN_IF_ERROR(ReadMatch(model));
  ASSIGN_OR_RETURN(std::vector<PriceSet> sets, ReadPriceSets(model));
  for (PriceSet& set : sets) {
    if (set.classes.empty() && set.units.empty()) {
      if (!absl::EndsWith(id, kFree)) {
        warnings_.Add("has no prices and is left out", row_);
        continue;
      }
      set.classes = {{"uncached_input", {{0, 0}}}, {"visible_output", {{0, 0}}}};
    }
    AddRows(set);
  }
  return absl::OkStatus();
}

absl::Status GenaiReader::ReadProvider(const Json& provider) {
  if (!provider.is_object()) return FieldError("", "must be an object");
  Provider read;
  ASSIGN_OR_RETURN(read.id, ReadFeedText(provider, "id"));
  RETURN_IF_ERROR(CheckId("id", read.id));
  if (!provider_ids_.insert(absl::AsciiStrToLower(read.id)).second) {
    return FieldError("id", absl::StrCat("\"", read.id, "\" is there twice"));
  }
  provider_id_ = read.id;
  prices_of_pattern_.clear();
  const Json urls = provider.value("pricing_urls", Json());
  source_ = PrintableText(urls.is_array() && !urls.empty() ? urls[0] : Json());
  RETURN_IF_ERROR(ReadAliases(provider, read));
  RETURN_IF_ERROR(ReadExtractors(provider, read));
  RETURN_IF_ERROR(ReadFallbacks(provider));
  document_.providers.push_back(std::move(read));
  return absl::OkStatus();
}

absl::StatusOr<ReadDocument> GenaiReader::Read(const Json& feed) {
  if (!feed.is_array()) {
    return absl::InvalidArgumentError("a genai-prices feed is an array of providers");
  }
  for (size_t i = 0; i < feed.size(); ++i) {
    const std::string place = absl::StrCat("providers[", i, "]");
    RETURN_IF_ERROR(Within(place, ReadProvider(feed[i])));
    const auto models = feed[i].find("models");
    if (models == feed[i].end() || !models->is_array()) {
      return FieldError(provider_id_ + ".models", "must be an array");
    }
    for (size_t m = 0; m < models->size(); ++m) {
      row_ = absl::StrCat(provider_id_, ".models[", m, "]");  // until it says its id
      const absl::Status status = ReadModel((*models)[m]);
      RETURN_IF_ERROR(Within(row_, status));
      RETURN_IF_ERROR(CheckFeedRows(document_.prices.size()));
    }
  }
  return ReadDocument{std::move(document_), warnings_.Texts()};
}

}  // namespace

absl::StatusOr<ReadDocument> ReadGenaiPrices(absl::string_view text) {
  ASSIGN_OR_RETURN(const Json feed, ParseFeed(text));
  return GenaiReader().Read(feed);
}

}  // namespace bursar::pricing
