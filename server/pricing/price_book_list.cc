#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "pricing/price_book.h"
#include "pricing/price_key.h"

namespace bursar::pricing {
namespace {

using Rows = std::vector<const ListedPrice*>;

void Append(const Rows& more, Rows& rows) { rows.insert(rows.end(), more.begin(), more.end()); }

// The providers of both lists, or the one that a filter names.
std::vector<std::string> ProviderIdsOf(const PriceList* own, const PriceList& base) {
  std::vector<std::string> ids;
  for (const PriceList* list : {own, &base}) {
    if (list == nullptr) continue;
    for (const ListedPrice& row : list->rows()) {
      std::string id = absl::AsciiStrToLower(row.price->provider);
      if (ids.empty() || ids.back() != id) ids.push_back(std::move(id));
    }
  }
  return ids;
}

}  // namespace

void PriceBook::ListAll(const PriceFilter& filter, Rows& rows) const {
  const std::string provider = absl::AsciiStrToLower(filter.provider);
  const ProviderIds ids = IdsOf(provider);
  const auto wanted = [&provider](const ListedPrice& row, absl::string_view id) {
    return provider.empty() || absl::AsciiStrToLower(row.price->provider) == id;
  };
  absl::flat_hash_set<std::string> covered;
  if (own_ != nullptr) {
    for (const ListedPrice* row : own_->RowsAsOf(filter.as_of)) {
      if (Covers(*row->price, filter.as_of)) covered.insert(ModelKey(*row->price));
      if (wanted(*row, ids.own)) rows.push_back(row);
    }
  }
  for (const ListedPrice* row : base_->RowsAsOf(filter.as_of)) {
    if (wanted(*row, ids.base) && !covered.contains(ModelKey(*row->price))) rows.push_back(row);
  }
}

// A row that is the same as others which have no price is none itself: the book does not price it.
bool PriceBook::ListModel(const PricedCall& call, std::optional<absl::Time> as_of, int steps,
                          Rows& rows) const {
  const ProviderIds ids = IdsOf(call.provider);
  PriceList::Rows found;
  if (own_ != nullptr) found = own_->RowsOf(ids.own, call.name, as_of);
  if (!found.covered) Append(base_->RowsOf(ids.base, call.name, as_of).rows, found.rows);
  const size_t before = rows.size();
  for (const ListedPrice* row : found.rows) {
    bool priced = row->same_as.empty();
    for (size_t i = 0; i < row->same_as.size() && !priced && steps > 0; ++i) {
      priced = ListModel(TargetOf(row->same_as[i], call), as_of, steps - 1, rows);
    }
    if (priced) rows.push_back(row);
  }
  return rows.size() > before;
}

std::vector<const ListedPrice*> PriceBook::List(const PriceFilter& filter) const {
  Rows rows;
  if (filter.model.empty()) {
    ListAll(filter, rows);
  } else {
    std::vector<std::string> providers = {absl::AsciiStrToLower(filter.provider)};
    if (filter.provider.empty()) providers = ProviderIdsOf(own_.get(), *base_);
    const std::string name = absl::AsciiStrToLower(filter.model);
    for (const std::string& provider : providers) {
      ListModel({.provider = provider, .name = name}, filter.as_of, kSameAsSteps, rows);
    }
  }
  // Own rows before the operator's where they are for the same: they were found first.
  std::stable_sort(rows.begin(), rows.end(), [](const ListedPrice* a, const ListedPrice* b) {
    return ListedBefore(*a->price, *b->price);
  });
  Rows unique;
  absl::flat_hash_set<const ListedPrice*> seen;
  for (const ListedPrice* row : rows) {
    if (seen.insert(row).second) unique.push_back(row);
  }
  return unique;
}

}  // namespace bursar::pricing
