#include <algorithm>
#include <map>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pricing/bursar_format.h"
#include "pricing/money.h"
#include "pricing/price_document.h"
#include "pricing/price_key.h"
#include "pricing/price_rates.h"

namespace bursar::pricing {
namespace {

constexpr int kJump = 10;

// Rows of one model, by ModelKey.
using Rows = absl::flat_hash_map<std::string, std::vector<const Price*>>;

bool SamePrices(const Price& a, Price b) {
  b.source = a.source;
  // The same names, however their letters are written.
  b.provider = a.provider;
  b.model = a.model;
  b.service_tier = a.service_tier;
  b.region = a.region;
  return a == b;
}

// The row of an earlier document that counted for the calls of `price` when it begins. nullptr: its
// calls had no price.
const Price* ReplacedBy(const Price& price, const std::vector<const Price*>& rows) {
  const auto rank = [&price](const Price& row) {
    return std::make_tuple(!row.service_tier.empty(), !row.region.empty(), row.effective_time,
                           row.daily == price.daily, row.min_input_tokens);
  };
  const Price* best = nullptr;
  for (const Price* row : rows) {
    const bool its_calls =
        (row->service_tier.empty() ||
         absl::EqualsIgnoreCase(row->service_tier, price.service_tier)) &&
        (row->region.empty() || absl::EqualsIgnoreCase(row->region, price.region)) &&
        (!row->daily || row->daily == price.daily) &&
        row->min_input_tokens <= price.min_input_tokens &&
        row->effective_time <= price.effective_time;
    if (its_calls && (best == nullptr || rank(*best) < rank(*row))) best = row;
  }
  return best;
}

bool IsJump(int64_t before, int64_t now) {
  if (before == kNoPrice || before == now) return false;  // what had no price can't have moved
  if (before == 0 || now == 0 || now == kNoPrice) return true;
  const Int128 small = std::min(before, now), large = std::max(before, now);
  return large > small * kJump;
}

std::string Jump(const Price& price, absl::string_view name, int64_t before, int64_t now) {
  return absl::StrCat(RowName(price), ": ", name, " moves from ", FormatUsd(before), " to ",
                      now == kNoPrice ? "no price" : FormatUsd(now));
}

// Of names that either row prices: what a call pays for them by each.
void AppendJumps(const Price& before, const Price& now, std::vector<std::string>& jumps) {
  if (!before.same_as.empty() || !now.same_as.empty()) return;
  const Rates old_rates = RatesOf(before), new_rates = RatesOf(now);
  for (const ClassName& each : kClassNames) {
    const auto at = static_cast<size_t>(each.token_class);
    if (!before.per_million[at] && !now.per_million[at]) continue;
    if (IsJump(old_rates[at], new_rates[at])) {
      jumps.push_back(Jump(now, each.name, old_rates[at], new_rates[at]));
    }
  }
  std::map<std::string, int64_t> others = before.other;
  others.insert(now.other.begin(), now.other.end());
  for (const auto& [name, any] : others) {
    const int64_t old_rate = OtherRate(before, old_rates, name);
    const int64_t new_rate = OtherRate(now, new_rates, name);
    if (IsJump(old_rate, new_rate)) jumps.push_back(Jump(now, name, old_rate, new_rate));
  }
  for (const auto& [name, old_price] : before.billed_units) {
    const auto found = now.billed_units.find(name);
    const int64_t new_price = found == now.billed_units.end() ? kNoPrice : found->second;
    if (IsJump(old_price, new_price)) jumps.push_back(Jump(now, name, old_price, new_price));
  }
}

std::vector<Provider> MergeProviders(const std::vector<Provider>& base, std::vector<Provider> news,
                                     bool replace) {
  if (news.empty()) return base;
  if (replace) return news;
  absl::flat_hash_map<std::string, Provider*> named;
  for (Provider& provider : news) named.emplace(absl::AsciiStrToLower(provider.id), &provider);
  std::vector<Provider> merged;
  absl::flat_hash_set<std::string> known;
  for (const Provider& provider : base) {
    const std::string id = absl::AsciiStrToLower(provider.id);
    known.insert(id);
    const auto found = named.find(id);
    merged.push_back(found == named.end() ? provider : *found->second);
  }
  for (Provider& provider : news) {
    if (!known.contains(absl::AsciiStrToLower(provider.id))) merged.push_back(std::move(provider));
  }
  return merged;
}

}  // namespace

MergedPrices Merge(const PriceDocument& base, PriceDocument news, bool replace) {
  MergedPrices merged;
  merged.document.version = news.version.empty() ? base.version : news.version;
  merged.document.providers = MergeProviders(base.providers, std::move(news.providers), replace);

  absl::flat_hash_map<std::string, Price*> named;
  for (Price& price : news.prices) named.emplace(RowKey(price), &price);
  Rows base_rows;
  absl::flat_hash_set<std::string> known;
  for (const Price& price : base.prices) {
    base_rows[ModelKey(price)].push_back(&price);
    const std::string key = RowKey(price);
    known.insert(key);
    const auto found = named.find(key);
    if (found == named.end()) {
      if (!replace) merged.document.prices.push_back(price);
      if (replace) ++merged.removed;
      continue;
    }
    ++(SamePrices(price, *found->second) ? merged.unchanged : merged.changed);
    merged.document.prices.push_back(*found->second);
  }
  for (const Price& price : news.prices) {
    const auto rows = base_rows.find(ModelKey(price));
    if (rows != base_rows.end()) {
      const Price* before = ReplacedBy(price, rows->second);
      if (before != nullptr) AppendJumps(*before, price, merged.jumps);
    }
    if (known.contains(RowKey(price))) continue;
    ++merged.added;
    merged.document.prices.push_back(price);
  }
  return merged;
}

}  // namespace bursar::pricing
