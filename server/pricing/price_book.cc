#include "pricing/price_book.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pricing/money.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"

namespace bursar::pricing {
namespace {

constexpr int64_t kTokensPerPrice = 1'000'000;
constexpr int64_t kUnitsPerPrice = 1'000;
// A name in lower case, without a block of memory for those that validation lets pass.
class Lowered {
 public:
  explicit Lowered(absl::string_view name) : letters_(name.begin(), name.end()) {
    for (char& letter : letters_) letter = absl::ascii_tolower(letter);
  }
  absl::string_view view() const { return {letters_.data(), letters_.size()}; }

 private:
  absl::InlinedVector<char, usage::kDimensionBytesMax> letters_;
};

// Sums amounts times prices; nothing once a price is missing.
class Bill {
 public:
  void Add(int64_t count, int64_t price, int64_t per) {
    if (count == 0) return;
    missing_ |= price == kNoPrice;
    sum_ += Int128{count} * price * (kTokensPerPrice / per);
  }
  std::optional<int64_t> Total() const {
    if (missing_) return std::nullopt;
    const auto nanousd = DivideHalfUp(sum_, kTokensPerPrice);
    if (!nanousd || *nanousd > usage::kCostNanoUsdMax) return std::nullopt;
    return nanousd;
  }

 private:
  Int128 sum_ = 0;  // nano-USD x 10^6
  bool missing_ = false;
};

// A request is charged though nobody counts it.
void AddBilledUnits(const Price& price, const usage::TokenUsage& tokens, Bill& bill) {
  for (const auto& [name, count] : tokens.billed_units) {
    const auto unit_price = price.billed_units.find(name);
    const bool known = unit_price != price.billed_units.end();
    bill.Add(count, known ? unit_price->second : kNoPrice, kUnitsPerPrice);
  }
  const auto request = price.billed_units.find("request");
  if (request == price.billed_units.end()) return;
  const auto counted = tokens.billed_units.find("request");
  const bool is_counted = counted != tokens.billed_units.end() && counted->second != 0;
  if (!is_counted) bill.Add(1, request->second, kUnitsPerPrice);
}

}  // namespace

PriceBook::PriceBook(std::string version, std::shared_ptr<const PriceList> base,
                     std::shared_ptr<const PriceList> own)
    : version_(std::move(version)), base_(std::move(base)), own_(std::move(own)) {}

absl::StatusOr<PriceBook> PriceBook::Default() {
  ASSIGN_OR_RETURN(auto list, PriceList::Default());
  std::string version = list->document().version;
  return PriceBook(std::move(version), std::move(list));
}

PriceBook::ProviderIds PriceBook::IdsOf(absl::string_view provider) const {
  if (own_ == nullptr) return {"", base_->ProviderId(provider)};
  const bool in_own = own_->HasProvider(provider);
  // An id of the one list comes before an alias of the other.
  if (base_->HasProvider(provider)) return {in_own ? provider : "", provider};
  absl::string_view id = own_->ProviderOfAlias(provider);
  if (id.empty()) id = base_->ProviderOfAlias(provider);
  return {in_own ? provider : id, id};
}

const ListedPrice* PriceBook::FindRow(PricedCall call) const {
  const ProviderIds ids = IdsOf(call.provider);
  if (own_ != nullptr && !ids.own.empty()) {
    call.provider = ids.own;
    if (const ListedPrice* listed = own_->Find(call)) return listed;
  }
  call.provider = ids.base;
  return call.provider.empty() ? nullptr : base_->Find(call);
}

// "provider/name", "provider/*", or the name of another model of the same provider, which may have
// a "/" in it as well: then what stands before it is no provider's name.
PricedCall PriceBook::TargetOf(const std::string& same_as, const PricedCall& call) const {
  PricedCall target = call;
  target.name = same_as;
  const size_t slash = same_as.find('/');
  if (slash == std::string::npos) return target;
  const absl::string_view provider = absl::string_view(same_as).substr(0, slash);
  const ProviderIds ids = IdsOf(provider);
  if (ids.own.empty() && ids.base.empty()) return target;
  target.provider = provider;
  target.name.remove_prefix(slash + 1);
  if (target.name == "*") target.name = call.name;
  return target;
}

// The first row on the way that knows how long an answer can be says it.
bool PriceBook::Follow(const PricedCall& call, int steps, PriceInForce& found) const {
  const ListedPrice* listed = FindRow(call);
  if (listed == nullptr) return false;
  const int64_t max_before = found.max_output_tokens;
  if (max_before == 0) found.max_output_tokens = listed->price->max_output_tokens;
  if (listed->same_as.empty()) {
    found.listed = listed;
    return true;
  }
  for (const std::string& same_as : listed->same_as) {
    if (steps > 0 && Follow(TargetOf(same_as, call), steps - 1, found)) return true;
  }
  found.max_output_tokens = max_before;
  return false;
}

std::optional<PriceInForce> PriceBook::Find(const usage::Model& model, int64_t input_tokens,
                                            absl::Time time) const {
  const Lowered provider(model.provider), name(model.name);
  PriceInForce found;
  const PricedCall call{.provider = provider.view(),
                        .name = name.view(),
                        .service_tier = model.service_tier,
                        .region = model.region,
                        .input_tokens = input_tokens,
                        .time = time};
  if (!Follow(call, kSameAsSteps, found)) return std::nullopt;
  return found;
}

std::optional<Cost> PriceBook::CostOf(const usage::Model& model, const usage::TokenUsage& tokens,
                                      absl::Time time) const {
  const auto found = Find(model, tokens.InputTokens(), time);
  if (!found) return std::nullopt;
  const ListedPrice& listed = *found->listed;
  Bill bill;
  for (int i = 0; i < usage::kTokenClasses; ++i) {
    bill.Add(tokens.tokens[i], listed.rates[i], kTokensPerPrice);
  }
  for (const auto& [other, count] : tokens.other_tokens) {
    if (count != 0) bill.Add(count, OtherRate(*listed.price, listed.rates, other), kTokensPerPrice);
  }
  AddBilledUnits(*listed.price, tokens, bill);
  const auto nanousd = bill.Total();
  if (!nanousd) return std::nullopt;
  return Cost{*nanousd, listed.name};
}

const Provider* PriceBook::ProviderWithExtractors(const ProviderIds& ids) const {
  const Provider* own = own_ == nullptr ? nullptr : own_->FindProvider(ids.own);
  if (own != nullptr && !own->extractors.empty()) return own;
  const Provider* base = base_->FindProvider(ids.base);
  return base != nullptr && !base->extractors.empty() ? base : nullptr;
}

int64_t PriceBook::CacheSavingsOf(const usage::Model& model, const usage::TokenUsage& tokens,
                                  absl::Time time) const {
  using usage::TokenClass;
  if (tokens[TokenClass::kCacheRead] == 0) return 0;
  usage::TokenUsage uncached = tokens;
  uncached[TokenClass::kUncachedInput] += tokens[TokenClass::kCacheRead];
  uncached[TokenClass::kCacheRead] = 0;
  const auto without = CostOf(model, uncached, time), with = CostOf(model, tokens, time);
  return without && with ? without->nanousd - with->nanousd : 0;
}

absl::StatusOr<const usage::Extractor*> PriceBook::FindExtractor(
    absl::string_view provider, absl::string_view api_flavor) const {
  const Lowered lowered(provider);
  const Provider* known = ProviderWithExtractors(IdsOf(lowered.view()));
  if (known == nullptr) {
    return usage::FieldError("provider",
                             absl::StrCat("\"", provider.substr(0, 80),
                                          "\" has no form of usage that the price book knows; "
                                          "give the tokens instead, or import one"));
  }
  const auto& extractors = known->extractors;
  const auto find = [&extractors](absl::string_view flavor) -> const usage::Extractor* {
    for (const auto& extractor : extractors) {
      if (absl::EqualsIgnoreCase(extractor.api_flavor, flavor)) return &extractor;
    }
    return nullptr;
  };
  if (!api_flavor.empty()) {
    if (const auto* extractor = find(api_flavor)) return extractor;
  } else if (const auto* extractor = find("default")) {
    return extractor;
  } else if (extractors.size() == 1) {
    return &extractors.front();
  } else if (const auto* chat = find("chat")) {
    return chat;
  }
  const std::string flavors = absl::StrJoin(
      extractors, ", ",
      [](std::string* out, const usage::Extractor& each) { out->append(each.api_flavor); });
  const std::string given =
      api_flavor.empty() ? "must be given" : absl::StrCat("is \"", api_flavor.substr(0, 80), "\"");
  return usage::FieldError(
      "api_flavor", absl::StrCat(given, "; of ", known->id, " the price book knows: ", flavors));
}

}  // namespace bursar::pricing
