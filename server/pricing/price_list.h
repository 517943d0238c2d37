#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pricing/name_index.h"
#include "pricing/price.h"
#include "pricing/price_rates.h"

namespace bursar::pricing {

// What decides which of a model's rows counts. Provider and name are in lower case.
struct PricedCall {
  absl::string_view provider, name, service_tier, region;
  int64_t input_tokens = 0;
  absl::Time time;
};

// A row of a list, made ready.
struct ListedPrice {
  const Price* price = nullptr;  // of the list's document
  Rates rates;
  std::string name;                  // "openai/gpt-4o*"
  std::vector<std::string> same_as;  // in lower case; the first that has a price
};

// The prices and providers of one document, indexed: immutable, shared by the books that use it.
//
// A model is found by its provider and exact name, else by the longest of the patterns that match,
// of whatever kind (of the same length: prefix, suffix, contains, regex, then by text). The case of
// letters makes no difference. Of its rows those count that have begun, whose size the call's input
// reaches and in whose hours it falls. Of these, the call's own service tier comes before "", its
// own region before "", then the latest effective_time, then hours of the day before all day, then
// the largest size: so rows that begin later end the sizes and hours of earlier ones. A pattern of
// which no row counts leaves the call to the next. Thread-safe (const).
class PriceList {
 public:
  // INVALID_ARGUMENT: two rows, or two providers, are for the same.
  static absl::StatusOr<std::shared_ptr<const PriceList>> Make(PriceDocument document);
  // The list that is built into the binary.
  static absl::StatusOr<std::shared_ptr<const PriceList>> Default();

  PriceList(const PriceList&) = delete;
  PriceList& operator=(const PriceList&) = delete;

  const PriceDocument& document() const { return document_; }
  size_t size() const { return rows_.size(); }
  // All rows, in the order of ListedBefore.
  const std::vector<ListedPrice>& rows() const { return rows_; }

  // Whether rows or a provider have this id; in lower case, as all that follow.
  bool HasProvider(absl::string_view id) const;
  // The id of the first provider that has `name` for an alias; if none has, of the first that has
  // an alias which matches it ("vertex_ai-anthropic_models" is google's, not what "contains
  // anthropic"). Empty: there is none.
  absl::string_view ProviderOfAlias(absl::string_view name) const;
  // What `name` is an id of, else an alias; empty: the list has no such provider.
  absl::string_view ProviderId(absl::string_view name) const;
  const Provider* FindProvider(absl::string_view id) const;

  // nullptr: the list has no price for it.
  const ListedPrice* Find(const PricedCall& call) const;

  // The rows that calls of a model may go by, all or those that count at a time; with `covered`,
  // whether some row among them counts whatever the call's tier, region, size and hour.
  struct Rows {
    std::vector<const ListedPrice*> rows;
    bool covered = false;
  };
  Rows RowsOf(absl::string_view provider, absl::string_view name,
              std::optional<absl::Time> as_of) const;
  // All rows, or those that count at a time.
  std::vector<const ListedPrice*> RowsAsOf(std::optional<absl::Time> as_of) const;

 private:
  struct Range {  // of rows_: those of one pattern
    uint32_t begin, end;
  };
  struct Models {  // of one provider
    NameIndex names;
    std::vector<Range> rows;  // of each name
  };

  explicit PriceList(PriceDocument document);
  absl::Status IndexProviders();
  absl::Status CheckRows() const;
  void IndexModels();
  const ListedPrice* Best(Range range, const PricedCall& call) const;
  bool CountsAt(const ListedPrice& row, Range range, absl::Time time) const;
  void AppendRows(Range range, std::optional<absl::Time> as_of, Rows& out) const;

  PriceDocument document_;
  std::vector<ListedPrice> rows_;
  absl::flat_hash_map<std::string, Models> models_;              // by provider, in lower case
  absl::flat_hash_map<std::string, const Provider*> providers_;  // by id, in lower case
};

// Whether the row is the price of all calls from that time on, or at all times.
bool Covers(const Price& price, std::optional<absl::Time> as_of);

}  // namespace bursar::pricing
