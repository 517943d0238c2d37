#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pricing/price_list.h"
#include "usage/record.h"

namespace bursar::pricing {

struct Cost {
  int64_t nanousd = 0;
  std::string priced_as;  // "openai/gpt-4o*": the row that priced it
};

// What counts for one call.
struct PriceInForce {
  const ListedPrice* listed = nullptr;  // lives as long as the book's lists
  int64_t max_output_tokens = 0;        // 0 = not known; what the row that names the model says
};

// Which rows to list; what is empty or absent selects all.
struct PriceFilter {
  std::string provider;             // its id or an alias
  std::string model;                // the name that a call would give
  std::optional<absl::Time> as_of;  // rows that count then; absent: past and to come as well
};

// The prices that one tenant goes by: its own, if it has any, over the operator's. Immutable, with
// a version that records keep. A provider is named by its id, else by an alias. Copies share their
// lists. Thread-safe (const).
class PriceBook {
 public:
  PriceBook(std::string version, std::shared_ptr<const PriceList> base,
            std::shared_ptr<const PriceList> own = nullptr);
  // Of the list that is built into the binary.
  static absl::StatusOr<PriceBook> Default();

  const std::string& version() const { return version_; }

  // The price of a call with so many input tokens at that time; nullopt if the book has none. A row
  // that is the same as another model is followed, through both lists, at most four times.
  std::optional<PriceInForce> Find(const usage::Model& model, int64_t input_tokens,
                                   absl::Time time) const;

  // What a call with these tokens costs at that time, summed in 128 bits and rounded half-up once.
  // A class without a price of its own costs what price_rates.h says; a price by the request is
  // charged once, or as often as billed_units["request"] counts. nullopt: there is no price for
  // something that was used (or the sum is beyond 10^15 nano-USD), so the usage is unpriced.
  std::optional<Cost> CostOf(const usage::Model& model, const usage::TokenUsage& tokens,
                             absl::Time time) const;

  // What the tokens that were read from a cache would have cost more as uncached input; 0 where
  // either has no price.
  int64_t CacheSavingsOf(const usage::Model& model, const usage::TokenUsage& tokens,
                         absl::Time time) const;

  // How to read the provider's usage objects. No flavor: "default", else the only one that there
  // is, else "chat". INVALID_ARGUMENT names the field and what the book knows; what it points to
  // lives as long as the book's lists.
  absl::StatusOr<const usage::Extractor*> FindExtractor(absl::string_view provider,
                                                        absl::string_view api_flavor) const;

  // Rows in the order of ListedBefore; the tenant's own hide the operator's for the same model from
  // when on they are the price of all its calls. With a model: the rows by which its calls go, at
  // each provider, and where those are the same as another model, that one's as well.
  std::vector<const ListedPrice*> List(const PriceFilter& filter) const;

 private:
  static constexpr int kSameAsSteps = 4;

  // A provider's id in each list; empty where the list has none for that name.
  struct ProviderIds {
    absl::string_view own, base;
  };
  ProviderIds IdsOf(absl::string_view provider) const;
  const Provider* ProviderWithExtractors(const ProviderIds& ids) const;
  const ListedPrice* FindRow(PricedCall call) const;
  bool Follow(const PricedCall& call, int steps, PriceInForce& found) const;
  PricedCall TargetOf(const std::string& same_as, const PricedCall& call) const;

  void ListAll(const PriceFilter& filter, std::vector<const ListedPrice*>& rows) const;
  bool ListModel(const PricedCall& call, std::optional<absl::Time> as_of, int steps,
                 std::vector<const ListedPrice*>& rows) const;

  std::string version_;
  std::shared_ptr<const PriceList> base_, own_;
};

}  // namespace bursar::pricing
