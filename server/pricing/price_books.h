#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "pricing/price_book.h"
#include "pricing/price_document.h"
#include "pricing/price_store.h"

namespace bursar::pricing {

// When each version of an owner's prices became the newest, the oldest first.
using VersionHistory = std::vector<std::pair<absl::Time, int64_t>>;

// The prices that one tenant goes by, as they are known now. Immutable.
//
// A version is written "3" (the operator's third) or "3+2" (and the tenant's own second over it).
struct TenantPrices {
  std::shared_ptr<const PriceBook> newest;
  VersionHistory operators, own;

  // The version that was the newest at that time; of times before the first, the first.
  std::string VersionAt(absl::Time time) const;
  bool IsNewestAt(absl::Time time) const;
};

struct ImportOptions {
  bool replace = false;       // what the document does not name goes
  bool accept_jumps = false;  // prices may move by more than ten times
  bool validate_only = false;
};
struct Imported {
  std::string version;  // the newest afterwards; with validate_only, the newest as it is
  int added = 0, changed = 0, unchanged = 0;
  std::vector<std::string> warnings;
};

// Every tenant's prices in memory, with the versions that reservations pin.
//
// Refresh() every half second makes what another replica imported count here within a second; what
// this one imported counts at once. While the database is away the prices known last go on
// counting. Thread-safe.
class PriceBooks {
 public:
  explicit PriceBooks(PriceStore& store) : store_(store) {}

  // At start: keeps the built-in prices as the operator's, unless the operator has prices of their
  // own or newer ones, then reads what there is.
  absl::Status Open();
  absl::Status Refresh();

  std::shared_ptr<const TenantPrices> Of(absl::string_view tenant) const;
  // One of the tenant's older books. A version that is not kept is the newest one.
  absl::StatusOr<std::shared_ptr<const PriceBook>> Version(absl::string_view tenant,
                                                           absl::string_view version);

  // Adds a version to the owner's prices. FAILED_PRECONDITION: a price moves by more than ten
  // times. INVALID_ARGUMENT: the document is not in order. Then nothing has changed.
  absl::StatusOr<Imported> Import(absl::string_view owner, ReadDocument news,
                                  const ImportOptions& options);

 private:
  using ListKey = std::pair<Owner, int64_t>;
  struct Known {  // replaced whole, never changed
    std::map<Owner, VersionHistory, std::less<>> histories;
    std::shared_ptr<const TenantPrices> operators;  // of tenants without prices of their own
    absl::flat_hash_map<std::string, std::shared_ptr<const TenantPrices>> tenants;
  };

  absl::StatusOr<std::shared_ptr<const PriceList>> List(absl::string_view owner, int64_t version);
  absl::StatusOr<std::shared_ptr<const PriceBook>> Book(absl::string_view owner, int64_t operators,
                                                        int64_t own);
  absl::StatusOr<PriceDocument> Document(absl::string_view owner, int64_t version);
  absl::StatusOr<int64_t> AddVersion(absl::string_view owner, int64_t newest,
                                     const PriceDocument& document);
  int64_t Newest(absl::string_view owner) const;

  PriceStore& store_;
  absl::Mutex importing_;  // one at a time
  absl::BitGen random_ ABSL_GUARDED_BY(importing_);
  absl::Mutex refreshing_;  // likewise
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Known> known_ ABSL_GUARDED_BY(mutex_) = std::make_shared<Known>();
  // Lists that were read; old ones are dropped when there are many.
  std::map<ListKey, std::shared_ptr<const PriceList>> lists_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace bursar::pricing
