#include "pricing/price_book.h"

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "embedded/DefaultPrices.h"
#include "pricing/money.h"
#include "status_macros.h"
#include "usage/limits.h"

namespace bursar::pricing {

namespace {

using Json = nlohmann::json;
using usage::TokenClass;

constexpr int64_t kTokensPerPrice = 1'000'000;
constexpr int64_t kUnitsPerPrice = 1'000;

struct PriceField {
  absl::string_view name;
  TokenClass token_class;
};
constexpr PriceField kPriceFields[] = {
    {"input", TokenClass::kUncachedInput},         {"cache_read", TokenClass::kCacheRead},
    {"cache_write_5m", TokenClass::kCacheWrite5m}, {"cache_write_1h", TokenClass::kCacheWrite1h},
    {"output", TokenClass::kVisibleOutput},        {"reasoning", TokenClass::kReasoning},
    {"input_audio", TokenClass::kInputAudio},      {"output_audio", TokenClass::kOutputAudio},
    {"input_image", TokenClass::kInputImage},      {"output_image", TokenClass::kOutputImage},
};

bool IsOutputClass(TokenClass c) {
  return c == TokenClass::kVisibleOutput || c == TokenClass::kReasoning ||
         c == TokenClass::kOutputAudio || c == TokenClass::kOutputImage;
}

// The price of a class, or of input or output where the class has none of its own.
std::optional<int64_t> PriceOf(const Price& price, TokenClass c) {
  const auto& own = price.per_million[static_cast<int>(c)];
  if (own) return own;
  const TokenClass basic =
      IsOutputClass(c) ? TokenClass::kVisibleOutput : TokenClass::kUncachedInput;
  return price.per_million[static_cast<int>(basic)];
}

std::optional<int64_t> PriceOfOther(const Price& price, const std::string& name) {
  auto own = price.other.find(name);
  if (own != price.other.end()) return own->second;
  return PriceOf(price, absl::StartsWith(name, "output") ? TokenClass::kVisibleOutput
                                                         : TokenClass::kUncachedInput);
}

absl::Status RowError(size_t row, absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("prices[", row, "].", field, ": ", what));
}

absl::StatusOr<int64_t> ParsePrice(const Json& value) {
  if (!value.is_string()) return absl::InvalidArgumentError("must be decimal text like \"2.50\"");
  return ParseUsd(value.get<std::string>());
}

absl::Status ParseNamedPrices(const Json& row, size_t index, const char* field,
                              std::map<std::string, int64_t>& prices) {
  if (!row.contains(field)) return absl::OkStatus();
  for (const auto& [name, value] : row.at(field).items()) {
    auto parsed = ParsePrice(value);
    if (!parsed.ok())
      return RowError(index, absl::StrCat(field, ".", name), parsed.status().message());
    prices[name] = *parsed;
  }
  return absl::OkStatus();
}

absl::StatusOr<Price> ParseRow(const Json& row, size_t index) {
  Price price;
  for (auto [field, target] : {std::pair{"provider", &price.provider}, {"model", &price.model}}) {
    if (!row.contains(field) || !row[field].is_string() || row[field].get<std::string>().empty()) {
      return RowError(index, field, "is missing; it must be text");
    }
    *target = row[field].get<std::string>();
  }
  price.service_tier = row.value("service_tier", "");
  price.source = row.value("source", "");
  price.min_input_tokens = row.value("min_input_tokens", int64_t{0});
  price.max_output_tokens = row.value("max_output_tokens", int64_t{0});
  if (row.contains("effective_time")) {
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, row["effective_time"].get<std::string>(),
                         &price.effective_time, &error)) {
      return RowError(index, "effective_time", "must be like 2026-01-31T00:00:00Z");
    }
  }
  for (const auto& field : kPriceFields) {
    if (!row.contains(field.name)) continue;
    auto parsed = ParsePrice(row[std::string(field.name)]);
    if (!parsed.ok()) return RowError(index, field.name, parsed.status().message());
    price.per_million[static_cast<int>(field.token_class)] = *parsed;
  }
  RETURN_IF_ERROR(ParseNamedPrices(row, index, "other", price.other));
  RETURN_IF_ERROR(ParseNamedPrices(row, index, "billed_units", price.billed_units));
  return price;
}

}  // namespace

absl::StatusOr<PriceBook> PriceBook::Parse(absl::string_view text) {
  const Json document = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("prices") || !document["prices"].is_array()) {
    return absl::InvalidArgumentError(
        "a price book is a JSON object with \"version\" and \"prices\"");
  }
  PriceBook book;
  try {
    book.version_ = document.value("version", "");
    for (size_t i = 0; i < document["prices"].size(); ++i) {
      ASSIGN_OR_RETURN(Price price, ParseRow(document["prices"][i], i));
      std::string key = absl::StrCat(price.provider, "/", price.model);
      const bool is_prefix = absl::EndsWith(key, "*");
      if (is_prefix) key.pop_back();
      (is_prefix ? book.prefix_ : book.exact_)[key].push_back(book.prices_.size());
      book.prices_.push_back(std::move(price));
    }
  } catch (const Json::exception& error) {  // a field of another type than its default
    return absl::InvalidArgumentError(
        absl::StrCat("the price book cannot be read: ", error.what()));
  }
  if (book.version_.empty()) return absl::InvalidArgumentError("version: is missing");
  return book;
}

absl::StatusOr<PriceBook> PriceBook::Default() {
  const auto text = DefaultPrices().front().text;
  return Parse(absl::string_view(text.data(), text.size()));
}

const Price* PriceBook::Find(const usage::Model& model, int64_t input_tokens,
                             absl::Time time) const {
  const std::string key = absl::StrCat(model.provider, "/", model.name);
  const std::vector<size_t>* rows = nullptr;
  if (auto exact = exact_.find(key); exact != exact_.end()) {
    rows = &exact->second;
  } else {
    // The longest prefix is the last one not after the key that it starts with.
    for (auto it = prefix_.upper_bound(key); it != prefix_.begin() && rows == nullptr;) {
      --it;
      if (absl::StartsWith(key, it->first)) rows = &it->second;
    }
  }
  if (rows == nullptr) return nullptr;
  const Price* best = nullptr;
  for (size_t row : *rows) {
    const Price& price = prices_[row];
    const bool own_tier = price.service_tier == model.service_tier;
    if (!own_tier && !price.service_tier.empty()) continue;
    if (price.effective_time > time || price.min_input_tokens > input_tokens) continue;
    auto rank = [&](const Price& p) {
      return std::tuple(p.service_tier == model.service_tier, p.effective_time, p.min_input_tokens);
    };
    if (best == nullptr || rank(*best) < rank(price)) best = &price;
  }
  return best;
}

std::optional<Cost> PriceBook::CostOf(const usage::Model& model, const usage::TokenUsage& tokens,
                                      absl::Time time) const {
  const Price* price = Find(model, tokens.InputTokens(), time);
  if (price == nullptr) return std::nullopt;
  Int128 sum = 0;  // nano-USD x 10^6
  for (int i = 0; i < usage::kTokenClasses; ++i) {
    if (tokens.tokens[i] == 0) continue;
    auto unit_price = PriceOf(*price, static_cast<TokenClass>(i));
    if (!unit_price) return std::nullopt;
    sum += Int128{tokens.tokens[i]} * *unit_price;
  }
  for (const auto& [name, count] : tokens.other_tokens) {
    if (count == 0) continue;
    auto unit_price = PriceOfOther(*price, name);
    if (!unit_price) return std::nullopt;
    sum += Int128{count} * *unit_price;
  }
  for (const auto& [name, count] : tokens.billed_units) {
    if (count == 0) continue;
    auto unit_price = price->billed_units.find(name);
    if (unit_price == price->billed_units.end()) return std::nullopt;
    sum += Int128{count} * unit_price->second * (kTokensPerPrice / kUnitsPerPrice);
  }
  auto nanousd = DivideHalfUp(sum, kTokensPerPrice);
  if (!nanousd || *nanousd > usage::kCostNanoUsdMax) return std::nullopt;
  return Cost{*nanousd, absl::StrCat(price->provider, "/", price->model)};
}

}  // namespace bursar::pricing
