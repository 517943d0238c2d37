#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"

namespace bursar::ledger {

// A 128-bit name of a counter, a reservation or a usage record, stored as a PostgreSQL uuid, whose
// byte order is this order: the one in which rows are locked.
struct Id {
  uint64_t high = 0;
  uint64_t low = 0;

  auto operator<=>(const Id&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const Id& id) {
    return H::combine(std::move(h), id.high, id.low);
  }
};

// The first 128 bits of SHA-256 over the parts, each preceded by its length, so that no two lists
// of parts give the same bytes. The first part says what is named ("counter", "usage", ...).
Id HashId(std::initializer_list<absl::string_view> parts);

// Collects parts one by one, for lists whose length is not known beforehand.
class IdHash {
 public:
  explicit IdHash(absl::string_view kind) { Add(kind); }
  IdHash& Add(absl::string_view part);
  IdHash& Add(int64_t number);
  Id Finish() const;

 private:
  absl::InlinedVector<char, 512> bytes_;  // a whole fingerprint fits
};

std::string ToUuid(const Id& id);     // "00112233-4455-6677-8899-aabbccddeeff"
Id FromUuid(absl::string_view uuid);  // of text that PostgreSQL wrote

}  // namespace bursar::ledger
