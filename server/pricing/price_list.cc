#include "pricing/price_list.h"

#include <algorithm>
#include <tuple>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "embedded/DefaultPrices.h"
#include "pricing/price_document.h"
#include "pricing/price_key.h"
#include "status_macros.h"

namespace bursar::pricing {
namespace {

bool InHours(const DailyHours& daily, absl::Time time) {
  constexpr int64_t kDaySeconds = 24 * 60 * 60;
  const int64_t second = absl::ToUnixSeconds(time) % kDaySeconds;
  const absl::Duration now = absl::Seconds(second < 0 ? second + kDaySeconds : second);
  const bool begun = now >= daily.start, over = now >= daily.end;
  return daily.start < daily.end ? begun && !over : begun || !over;
}

bool HasBegun(const Price& price, absl::Time time) {
  return price.effective_time <= time && (!price.daily || InHours(*price.daily, time));
}

// Of rows that all count for a call: which is meant more precisely.
auto Precision(const Price& price) {
  return std::make_tuple(!price.service_tier.empty(), !price.region.empty(), price.effective_time,
                         price.daily.has_value(), price.min_input_tokens);
}

ListedPrice Listed(const Price& price) {
  ListedPrice listed{.price = &price, .rates = RatesOf(price), .name = NameOf(price)};
  for (absl::string_view target : absl::StrSplit(price.same_as, ',', absl::SkipWhitespace())) {
    listed.same_as.push_back(absl::AsciiStrToLower(absl::StripAsciiWhitespace(target)));
  }
  return listed;
}

// Whether one of the aliases is exactly this name.
bool IsNamed(const usage::NameRule& aliases, absl::string_view name) {
  return std::any_of(aliases.begin(), aliases.end(), [&](const auto& all) {
    return all.size() == 1 && all[0].kind() == usage::NamePattern::Kind::kExact &&
           all[0].Matches(name);
  });
}

}  // namespace

bool Covers(const Price& price, std::optional<absl::Time> as_of) {
  return price.service_tier.empty() && price.region.empty() && !price.daily &&
         price.min_input_tokens == 0 &&
         price.effective_time <= as_of.value_or(absl::InfinitePast());
}

absl::StatusOr<std::shared_ptr<const PriceList>> PriceList::Make(PriceDocument document) {
  std::shared_ptr<PriceList> list(new PriceList(std::move(document)));
  RETURN_IF_ERROR(list->CheckRows());
  RETURN_IF_ERROR(list->IndexProviders());
  list->IndexModels();
  return list;
}

absl::StatusOr<std::shared_ptr<const PriceList>> PriceList::Default() {
  const auto text = DefaultPrices().front().text;
  ASSIGN_OR_RETURN(auto read, ReadPrices("bursar", absl::string_view(text.data(), text.size())));
  return Make(std::move(read.document));
}

PriceList::PriceList(PriceDocument document) : document_(std::move(document)) {}

absl::Status PriceList::CheckRows() const {
  absl::flat_hash_set<std::string> seen;
  for (const Price& price : document_.prices) {
    if (seen.insert(RowKey(price)).second) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("two prices are for the same: ", RowName(price)));
  }
  return absl::OkStatus();
}

absl::Status PriceList::IndexProviders() {
  for (const Provider& provider : document_.providers) {
    if (providers_.emplace(absl::AsciiStrToLower(provider.id), &provider).second) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("two providers have the id \"", provider.id, "\""));
  }
  return absl::OkStatus();
}

void PriceList::IndexModels() {
  std::vector<const Price*> sorted;
  for (const Price& price : document_.prices) sorted.push_back(&price);
  std::sort(sorted.begin(), sorted.end(),
            [](const Price* a, const Price* b) { return ListedBefore(*a, *b); });
  for (const Price* price : sorted) rows_.push_back(Listed(*price));
  const auto rows = static_cast<uint32_t>(rows_.size());
  for (uint32_t row = 0; row < rows;) {
    const std::string provider = absl::AsciiStrToLower(sorted[row]->provider);
    std::vector<usage::NamePattern> patterns;
    Models models;
    while (row < rows && absl::EqualsIgnoreCase(sorted[row]->provider, provider)) {
      const uint32_t begin = row;
      const usage::NamePattern& pattern = patterns.emplace_back(sorted[begin]->model);
      while (row < rows && absl::EqualsIgnoreCase(sorted[row]->provider, provider) &&
             !NameIndex::Before(pattern, sorted[row]->model)) {
        ++row;
      }
      models.rows.push_back({begin, row});
    }
    models.names = NameIndex(std::move(patterns));
    models_.emplace(provider, std::move(models));
  }
}

bool PriceList::HasProvider(absl::string_view id) const {
  return models_.contains(id) || providers_.contains(id);
}

absl::string_view PriceList::ProviderOfAlias(absl::string_view name) const {
  const auto& providers = document_.providers;
  auto found = std::find_if(providers.begin(), providers.end(), [&](const Provider& provider) {
    return IsNamed(provider.aliases, name);
  });
  if (found == providers.end()) {
    found = std::find_if(providers.begin(), providers.end(), [&](const Provider& provider) {
      return usage::Matches(provider.aliases, name);
    });
  }
  if (found == providers.end()) return "";
  return providers_.find(absl::AsciiStrToLower(found->id))->first;
}

absl::string_view PriceList::ProviderId(absl::string_view name) const {
  return HasProvider(name) ? name : ProviderOfAlias(name);
}

const Provider* PriceList::FindProvider(absl::string_view id) const {
  const auto found = providers_.find(id);
  return found == providers_.end() ? nullptr : found->second;
}

const ListedPrice* PriceList::Find(const PricedCall& call) const {
  const auto models = models_.find(call.provider);
  if (models == models_.end()) return nullptr;
  const auto& [names, rows] = models->second;
  for (auto place = names.Find(call.name); place; place = names.Find(call.name, *place + 1)) {
    if (const ListedPrice* best = Best(rows[*place], call)) return best;
  }
  return nullptr;
}

const ListedPrice* PriceList::Best(Range range, const PricedCall& call) const {
  const auto of_call = [](const std::string& own, absl::string_view of_the_call) {
    return own.empty() || absl::EqualsIgnoreCase(own, of_the_call);
  };
  const ListedPrice* best = nullptr;
  for (uint32_t row = range.begin; row < range.end; ++row) {
    const Price& price = *rows_[row].price;
    if (!of_call(price.service_tier, call.service_tier)) continue;
    if (!of_call(price.region, call.region)) continue;
    if (price.min_input_tokens > call.input_tokens || !HasBegun(price, call.time)) continue;
    if (best == nullptr || Precision(*best->price) < Precision(price)) best = &rows_[row];
  }
  return best;
}

bool PriceList::CountsAt(const ListedPrice& row, Range range, absl::Time time) const {
  const Price& price = *row.price;
  if (!HasBegun(price, time)) return false;
  for (uint32_t i = range.begin; i < range.end; ++i) {
    const Price& other = *rows_[i].price;
    const bool for_its_calls = other.min_input_tokens <= price.min_input_tokens &&
                               absl::EqualsIgnoreCase(other.service_tier, price.service_tier) &&
                               absl::EqualsIgnoreCase(other.region, price.region);
    if (for_its_calls && HasBegun(other, time) && Precision(price) < Precision(other)) {
      return false;
    }
  }
  return true;
}

void PriceList::AppendRows(Range range, std::optional<absl::Time> as_of, Rows& out) const {
  for (uint32_t i = range.begin; i < range.end; ++i) {
    if (as_of && !CountsAt(rows_[i], range, *as_of)) continue;
    out.rows.push_back(&rows_[i]);
    out.covered |= Covers(*rows_[i].price, as_of);
  }
}

PriceList::Rows PriceList::RowsOf(absl::string_view provider, absl::string_view name,
                                  std::optional<absl::Time> as_of) const {
  Rows out;
  const auto models = models_.find(provider);
  if (models == models_.end()) return out;
  const auto& [names, rows] = models->second;
  for (auto place = names.Find(name); place && !out.covered; place = names.Find(name, *place + 1)) {
    AppendRows(rows[*place], as_of, out);
  }
  return out;
}

std::vector<const ListedPrice*> PriceList::RowsAsOf(std::optional<absl::Time> as_of) const {
  std::vector<const ListedPrice*> rows;
  for (const auto& [provider, models] : models_) {
    for (const Range range : models.rows) {
      Rows of_model;
      AppendRows(range, as_of, of_model);
      rows.insert(rows.end(), of_model.rows.begin(), of_model.rows.end());
    }
  }
  return rows;  // in no order
}

}  // namespace bursar::pricing
