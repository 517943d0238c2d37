#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace bursar::pricing {

// Whose prices these are: a tenant's own, or (empty) the operator's, which every tenant goes by
// where it has none of its own.
using Owner = std::string;

struct PriceVersion {
  Owner owner;
  int64_t version = 0;  // 1, 2, 3, ... of each owner
  absl::Time create_time;
};

// Keeps every version of every price document for ever, in the project's own format.
//
// Errors: UNAVAILABLE: the database cannot be reached. Thread-safe.
class PriceStore {
 public:
  virtual ~PriceStore() = default;
  // All there are, by owner and version.
  virtual absl::StatusOr<std::vector<PriceVersion>> ListVersions() = 0;
  // NOT_FOUND: there is no such version.
  virtual absl::StatusOr<std::string> ReadDocument(absl::string_view owner, int64_t version) = 0;
  // Adds the version after `newest` (0: the first). ABORTED: somebody was faster. NOT_FOUND: there
  // is no such tenant.
  virtual absl::StatusOr<PriceVersion> Append(absl::string_view owner, int64_t newest,
                                              absl::string_view document) = 0;
};

}  // namespace bursar::pricing
