#include "pricing/price_rates.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace bursar::pricing {

using usage::TokenClass;

namespace {

constexpr size_t At(TokenClass token_class) { return static_cast<size_t>(token_class); }

// Of one kind of input, "audio": its own price, else that of input.
int64_t InputRate(const Price& price, const Rates& rates, absl::string_view kind) {
  if (kind == "audio") return rates[At(TokenClass::kInputAudio)];
  if (kind == "image") return rates[At(TokenClass::kInputImage)];
  for (const auto& [name, rate] : price.other) {
    absl::string_view rest = name;
    if (absl::ConsumePrefix(&rest, "input_") && rest == kind) return rate;
  }
  return rates[At(TokenClass::kUncachedInput)];
}

}  // namespace

Rates RatesOf(const Price& price) {
  Rates rates;
  for (size_t i = 0; i < rates.size(); ++i) rates[i] = price.per_million[i].value_or(kNoPrice);
  const auto fall_back = [&rates](TokenClass from, TokenClass to) {
    if (rates[At(from)] == kNoPrice) rates[At(from)] = rates[At(to)];
  };
  fall_back(TokenClass::kCacheWrite5m, TokenClass::kUncachedInput);
  fall_back(TokenClass::kCacheWrite1h, TokenClass::kCacheWrite5m);
  for (auto from : {TokenClass::kCacheRead, TokenClass::kInputAudio, TokenClass::kInputImage}) {
    fall_back(from, TokenClass::kUncachedInput);
  }
  for (auto from : {TokenClass::kReasoning, TokenClass::kOutputAudio, TokenClass::kOutputImage}) {
    fall_back(from, TokenClass::kVisibleOutput);
  }
  return rates;
}

int64_t OtherRate(const Price& price, const Rates& rates, const std::string& name) {
  if (const auto own = price.other.find(name); own != price.other.end()) return own->second;
  if (absl::StartsWith(name, "output")) return rates[At(TokenClass::kVisibleOutput)];
  absl::string_view kind = name;
  if (absl::ConsumePrefix(&kind, "cache_read_")) {
    const auto& cached = price.per_million[At(TokenClass::kCacheRead)];
    return cached ? *cached : InputRate(price, rates, kind);
  }
  if (absl::ConsumePrefix(&kind, "cache_write_")) {
    const auto& written = price.per_million[At(TokenClass::kCacheWrite5m)];
    return written ? *written : InputRate(price, rates, kind);
  }
  return rates[At(TokenClass::kUncachedInput)];
}

}  // namespace bursar::pricing
