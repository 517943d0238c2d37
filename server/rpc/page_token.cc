#include "rpc/page_token.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "history/cost_query.h"
#include "status_macros.h"
#include "usage/field_error.h"

namespace bursar::rpc {
namespace {

using ledger::Id;
using ledger::IdHash;

constexpr int64_t kMicrosMax = 253'402'300'799'000'000;  // the year 9999
constexpr size_t kUuidBytes = 36;

}  // namespace

std::string PageToken(const Id& query, absl::string_view place) {
  return absl::WebSafeBase64Escape(absl::StrCat(ledger::ToUuid(query), " ", place));
}

// The place; empty if there is no token.
absl::StatusOr<std::string> PlaceOf(absl::string_view token, const Id& query) {
  std::string decoded;
  if (token.empty()) return decoded;
  if (!absl::WebSafeBase64Unescape(token, &decoded) || decoded.size() <= kUuidBytes + 1 ||
      decoded[kUuidBytes] != ' ') {
    return history::NoPageToken();
  }
  if (decoded.substr(0, kUuidBytes) != ledger::ToUuid(query)) {
    return usage::FieldError("page_token", "belongs to another query; repeat that query with it");
  }
  return decoded.substr(kUuidBytes + 1);
}

bool ReadId(absl::string_view text, Id& id) {
  if (text.size() != kUuidBytes) return false;
  id = ledger::FromUuid(text);
  return ledger::ToUuid(id) == text;
}

std::string PlaceText(const ledger::TimePlace& place) {
  return absl::StrCat(absl::ToUnixMicros(place.time), " ", ledger::ToUuid(place.id));
}

absl::StatusOr<std::optional<ledger::TimePlace>> TimePlaceOf(absl::string_view token,
                                                             const Id& query) {
  ASSIGN_OR_RETURN(const std::string text, PlaceOf(token, query));
  if (text.empty()) return std::nullopt;
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ');
  ledger::TimePlace place;
  int64_t micros = 0;
  if (words.size() != 2 || !absl::SimpleAtoi(words[0], &micros) || micros < 0 ||
      micros > kMicrosMax || !ReadId(words[1], place.id)) {
    return history::NoPageToken();
  }
  place.time = absl::FromUnixMicros(micros);
  return place;
}

void AddFilters(const std::vector<ledger::Filter>& filters, IdHash& hash) {
  for (const auto& filter : filters) {
    hash.Add(filter.dimension).Add(int64_t{filter.exclude});
    hash.Add(static_cast<int64_t>(filter.values.size()));
    for (const auto& value : filter.values) hash.Add(value);
  }
}

}  // namespace bursar::rpc
