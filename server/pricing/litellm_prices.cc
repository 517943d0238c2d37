#include <algorithm>
#include <set>
#include <tuple>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pricing/feed_price.h"
#include "pricing/feeds.h"
#include "pricing/litellm_keys.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::pricing {
namespace {

using Json = nlohmann::json;
using usage::FieldError;
using usage::NamePattern;
using usage::Within;

constexpr char kSample[] = "sample_spec";  // explains the format
constexpr char kFineTuned[] = "ft:";       // real names go on: "ft:gpt-4o:acme::AbC1"

// What the keys of one model say, for each service tier and size.
using Amounts = std::map<std::string, int64_t>;
struct Priced {
  std::map<std::pair<std::string, int64_t>, Amounts> tokens;  // by tier and min_input_tokens
  Amounts units;
};

// Whether they say the same but for where it is from and how long answers may be.
bool SamePrices(std::vector<Price> a, const std::vector<Price>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    a[i].model = b[i].model;
    a[i].source = b[i].source;
    a[i].max_output_tokens = b[i].max_output_tokens;
  }
  return a == b;
}

bool IsFree(const Priced& priced) {
  const auto all_zero = [](const Amounts& amounts) {
    return absl::c_all_of(amounts, [](const auto& amount) { return amount.second == 0; });
  };
  return all_zero(priced.units) &&
         absl::c_all_of(priced.tokens, [&](const auto& each) { return all_zero(each.second); });
}

bool IsZero(const Json& value) {
  bool rounded = false;
  const auto amount = ReadNanoUsd(value, 6, &rounded);
  return amount.ok() && *amount == 0 && !rounded;
}

class LitellmReader {
 public:
  absl::StatusOr<ReadDocument> Read(const Json& feed);

 private:
  absl::Status ReadModel(const std::string& key, const Json& model);
  absl::StatusOr<Priced> ReadPriced(const Json& model);
  absl::Status ReadSearch(const Json& search, Amounts& units);
  absl::StatusOr<int64_t> ReadAmount(const std::string& key, const Json& value, int shift);
  absl::StatusOr<Price> RowOf(const std::string& key, const Json& model) const;
  void AddRows(const Priced& priced, const Price& row);

  PriceDocument document_;
  FeedWarnings warnings_;
  std::string row_;
  // Of provider, name and region in lower case: the rows that were read first.
  std::map<std::tuple<std::string, std::string, std::string>, std::vector<Price>> rows_;
};

absl::StatusOr<int64_t> LitellmReader::ReadAmount(const std::string& key, const Json& value,
                                                  int shift) {
  bool rounded = false;
  auto amount = ReadNanoUsd(value, shift, &rounded);
  if (!amount.ok()) return Within(key, amount.status());
  if (rounded) warnings_.Add(absl::StrCat(key, " was rounded to nano-USD"), row_);
  return amount;
}

// The price of a search depends on how much text it brings in; usage says only how many there were.
absl::Status LitellmReader::ReadSearch(const Json& search, Amounts& units) {
  constexpr char kSearch[] = "search_context_cost_per_query";
  if (!search.is_object()) return FieldError(kSearch, "must be an object");
  std::map<std::string, int64_t> sizes;
  for (const auto& [size, value] : search.items()) {
    if (value.is_null()) continue;
    ASSIGN_OR_RETURN(sizes[size], ReadAmount(absl::StrCat(kSearch, ".", size), value, 3));
  }
  if (sizes.empty()) return absl::OkStatus();
  const auto by_price = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end(), by_price);
  const auto medium = sizes.find("search_context_size_medium");
  units["web_search"] = medium == sizes.end() ? most->second : medium->second;
  if (least->second != most->second) {
    warnings_.Add("web searches are priced as of medium size", row_);
  }
  return absl::OkStatus();
}

absl::StatusOr<Priced> LitellmReader::ReadPriced(const Json& model) {
  Priced priced;
  const std::string mode = PrintableText(model.value("mode", Json()));
  for (const auto& [key, value] : model.items()) {
    if (value.is_null()) continue;
    if (key == "search_context_cost_per_query") {
      RETURN_IF_ERROR(ReadSearch(value, priced.units));
    } else if (auto known = ReadLitellmKey(key, mode)) {
      ASSIGN_OR_RETURN(const int64_t amount, ReadAmount(key, value, known->shift));
      Amounts& amounts = known->is_unit
                             ? priced.units
                             : priced.tokens[{known->service_tier, known->min_input_tokens}];
      amounts[known->name] = amount;
    } else if ((absl::StrContains(key, "cost") && !IsZero(value)) || key == "tiered_pricing") {
      warnings_.Add(absl::StrCat(usage::Shortened(key, 60), " is no price of ours and left out"),
                    row_);
    }
  }
  return priced;
}

bool HasPrices(const Price& row) {
  return !row.other.empty() || !row.billed_units.empty() ||
         absl::c_any_of(row.per_million, [](const auto& price) { return price.has_value(); });
}

// A row for each tier and size that has prices. What it does not say itself, it has from its tier,
// then from its size, then from the standard price.
std::vector<Price> Rows(const Priced& priced, const Price& model) {
  using Key = std::pair<std::string, int64_t>;
  std::set<Key> keys = {{"", 0}};
  for (const auto& [key, amounts] : priced.tokens) {
    keys.insert(key);
    keys.insert({key.first, 0});
  }
  std::vector<Price> rows;
  for (const auto& [tier, size] : keys) {
    Price row = model;
    row.service_tier = tier;
    row.min_input_tokens = size;
    row.billed_units = priced.units;
    for (const Key& from : {Key("", 0), Key("", size), Key(tier, 0), Key(tier, size)}) {
      const auto amounts = priced.tokens.find(from);
      if (amounts == priced.tokens.end()) continue;
      for (const auto& [name, price] : amounts->second) SetPrice(name, price, row);
    }
    if (HasPrices(row)) rows.push_back(std::move(row));
  }
  return rows;
}

// What a model's rows have in common.
absl::StatusOr<Price> LitellmReader::RowOf(const std::string& key, const Json& model) const {
  ASSIGN_OR_RETURN(const std::string provider, ReadFeedText(model, "litellm_provider"));
  const LitellmModel named = ReadLitellmName(key, provider);
  if (named.name.empty()) return FieldError("", "must name a model");
  if (named.provider.find_first_of("/,*") != std::string::npos) {
    return FieldError("litellm_provider", "must be a name without / , and *");
  }
  Price row;
  row.provider = named.provider;
  row.region = named.region;
  const bool fine_tuned = absl::StartsWith(named.name, kFineTuned);
  ASSIGN_OR_RETURN(row.model, NamePattern::Make(fine_tuned ? NamePattern::Kind::kPrefix
                                                           : NamePattern::Kind::kExact,
                                                named.name));
  const Json max_output = model.value("max_output_tokens", Json());
  if (max_output.is_number_unsigned()) {
    row.max_output_tokens = static_cast<int64_t>(
        std::min(max_output.get<uint64_t>(), static_cast<uint64_t>(usage::kTokensMax)));
  }
  row.source = PrintableText(model.value("source", Json()));
  return row;
}

void LitellmReader::AddRows(const Priced& priced, const Price& row) {
  std::vector<Price> rows = Rows(priced, row);
  const auto [first, is_new] =
      rows_.try_emplace(std::tuple(absl::AsciiStrToLower(row.provider),
                                   absl::AsciiStrToLower(row.model.text()), row.region),
                        rows);
  if (is_new) {
    if (IsFree(priced)) warnings_.Add("is free by this feed", row_);
    std::move(rows.begin(), rows.end(), std::back_inserter(document_.prices));
  } else if (!SamePrices(std::move(rows), first->second)) {
    warnings_.Add("other prices for a name that an earlier model has are left out", row_);
  }
}

absl::Status LitellmReader::ReadModel(const std::string& key, const Json& model) {
  if (!model.is_object()) return FieldError("", "must be an object");
  ASSIGN_OR_RETURN(const Price row, RowOf(key, model));
  ASSIGN_OR_RETURN(const Priced priced, ReadPriced(model));
  if (priced.tokens.empty() && priced.units.empty()) {
    warnings_.Add("has no prices and is left out", row_);
  } else {
    AddRows(priced, row);
  }
  return absl::OkStatus();
}

absl::StatusOr<ReadDocument> LitellmReader::Read(const Json& feed) {
  if (!feed.is_object()) {
    return absl::InvalidArgumentError("a litellm feed is an object of models");
  }
  std::vector<std::string> keys;
  for (const auto& [key, model] : feed.items()) {
    if (key != kSample) keys.push_back(key);
  }
  // Of several keys for one model, the one with the fewest prefixes counts.
  std::stable_sort(keys.begin(), keys.end(), [](const std::string& a, const std::string& b) {
    return std::count(a.begin(), a.end(), '/') < std::count(b.begin(), b.end(), '/');
  });
  for (const std::string& key : keys) {
    RETURN_IF_ERROR(usage::ValidateText("model", key, 1, usage::kDimensionBytesMax));
    row_ = key;
    RETURN_IF_ERROR(Within(key, ReadModel(key, feed[key])));
    RETURN_IF_ERROR(CheckFeedRows(document_.prices.size()));
  }
  return ReadDocument{std::move(document_), warnings_.Texts()};
}

}  // namespace

absl::StatusOr<ReadDocument> ReadLitellmPrices(absl::string_view text) {
  ASSIGN_OR_RETURN(const Json feed, ParseFeed(text));
  return LitellmReader().Read(feed);
}

}  // namespace bursar::pricing
