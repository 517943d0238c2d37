#include "history/cost_query.h"

#include <algorithm>
#include <array>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "ledger/id.h"
#include "ledger/window.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::history {
namespace {

constexpr size_t kGroupByMax = 5;
constexpr size_t kFiltersMax = 20;
constexpr size_t kFilterValuesMax = 1000;
constexpr int kPageSizeMax = 10'000;
constexpr int64_t kTokenMicrosMax = 253'402'300'799'000'000;  // the year 9999

constexpr std::array<absl::string_view, 21> kDimensions = {
    "project",      "team",           "user",          "agent",    "workflow", "tool",
    "run",          "parent_run",     "root_run",      "provider", "model",    "account",
    "service_tier", "region",         "event_type",    "step",     "outcome",  "cost_basis",
    "error_type",   "error_category", "error_severity"};
constexpr std::array<absl::string_view, 6> kOrders = {"bucket",       "cost",   "calls",
                                                      "failed_calls", "tokens", "latency_p95"};

bool IsQueryDimension(absl::string_view dimension) {
  return std::find(kDimensions.begin(), kDimensions.end(), dimension) != kDimensions.end() ||
         dimension == "guardrail" ||
         (absl::StartsWith(dimension, "label:") && dimension.size() > 6);
}

const std::string& DimensionsText() {
  static const std::string text =
      absl::StrCat(absl::StrJoin(kDimensions, ", "), ", guardrail and label:<name>");
  return text;
}

absl::Status ValidateDimension(absl::string_view field, absl::string_view dimension,
                               bool (*known)(absl::string_view), absl::string_view allowed) {
  if (known(dimension)) {
    return usage::ValidateText(field, dimension, 1, usage::kDimensionBytesMax);
  }
  return usage::FieldError(
      field, absl::StrCat("is \"", dimension.substr(0, 64), "\"; allowed are ", allowed));
}

absl::Status ParseOrder(absl::string_view text, CostQuery& query) {
  query.order_by = query.bucket == Bucket::kNone ? "cost" : "bucket";
  query.descending = query.bucket == Bucket::kNone;
  if (text.empty()) return absl::OkStatus();
  std::vector<std::string> words =
      absl::StrSplit(absl::AsciiStrToLower(text), ' ', absl::SkipEmpty());
  const bool known = !words.empty() && words.size() <= 2 &&
                     std::find(kOrders.begin(), kOrders.end(), words[0]) != kOrders.end() &&
                     (words.size() == 1 || words[1] == "asc" || words[1] == "desc");
  if (!known || (words[0] == "bucket" && query.bucket == Bucket::kNone)) {
    return usage::FieldError(
        "order_by",
        absl::StrCat("is \"", text.substr(0, 64), "\"; allowed are ", absl::StrJoin(kOrders, ", "),
                     " (bucket only with a bucket), each with asc or desc"));
  }
  query.order_by = words[0];
  query.descending = words.size() == 2 && words[1] == "desc";
  return absl::OkStatus();
}

// What a page token belongs to: everything that decides the rows and their order.
std::string QueryKey(const CostQuery& query) {
  ledger::IdHash hash("cost_query");
  hash.Add(absl::ToUnixMicros(query.start)).Add(absl::ToUnixMicros(query.end));
  hash.Add(query.time_zone).Add(static_cast<int64_t>(query.bucket));
  hash.Add(query.order_by).Add(int64_t{query.descending});
  for (const auto& dimension : query.group_by) hash.Add(dimension);
  for (const auto& filter : query.filters) {
    hash.Add(filter.dimension).Add(int64_t{filter.exclude});
    for (const auto& value : filter.values) hash.Add(value);
  }
  return ledger::ToUuid(hash.Finish());
}

absl::Status ParsePageToken(absl::string_view token, CostQuery& query) {
  if (token.empty()) return absl::OkStatus();
  std::string decoded;
  std::vector<absl::string_view> parts;
  if (absl::WebSafeBase64Unescape(token, &decoded)) parts = absl::StrSplit(decoded, '|');
  int64_t as_of_us = 0;
  // The end may have been "now": the token's query had the end that was filled in then.
  int64_t end_us = 0;
  if (parts.size() != 5 || parts[4].empty() || !absl::SimpleAtoi(parts[1], &as_of_us) ||
      !absl::SimpleAtoi(parts[2], &query.offset) || !absl::SimpleAtoi(parts[3], &end_us) ||
      as_of_us < 0 || as_of_us > kTokenMicrosMax) {
    return NoPageToken();
  }
  CostQuery first = query;
  if (query.end == absl::InfiniteFuture()) first.end = absl::FromUnixMicros(end_us);
  if (parts[0] != QueryKey(first) || query.offset < 0) {
    return usage::FieldError("page_token", "belongs to another query; repeat that query with it");
  }
  query.end = first.end;
  query.as_of = absl::FromUnixMicros(as_of_us);
  query.view = std::string(parts[4]);
  return absl::OkStatus();
}

absl::Status ValidateRange(const CostQuery& query) {
  if (query.start == absl::InfinitePast()) {
    return usage::FieldError("start_time", "is missing; the range needs a start");
  }
  if (query.end <= query.start) {
    return usage::FieldError("end_time", "must be after start_time");
  }
  if (query.end != absl::InfiniteFuture() && query.end - query.start > kRangeMax) {
    return usage::FieldError("end_time", "is more than 20 years after start_time; ask for less");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PrepareQuery(CostQuery& query, absl::string_view order_by_text,
                          absl::string_view page_token) {
  RETURN_IF_ERROR(ValidateRange(query));
  if (query.time_zone.empty()) query.time_zone = "UTC";
  if (auto zone = ledger::LoadZone(query.time_zone); !zone.ok()) {
    return usage::FieldError("time_zone", zone.status().message());
  }
  if (query.group_by.size() > kGroupByMax) {
    return usage::FieldError("group_by",
                             absl::StrFormat("has %d dimensions; at most %d are allowed",
                                             query.group_by.size(), kGroupByMax));
  }
  std::set<absl::string_view> seen;
  for (const auto& dimension : query.group_by) {
    RETURN_IF_ERROR(ValidateDimension("group_by", dimension, IsQueryDimension, DimensionsText()));
    if (!seen.insert(dimension).second) {
      return usage::FieldError("group_by", absl::StrCat("names ", dimension, " twice"));
    }
  }
  RETURN_IF_ERROR(ValidateFilters(query.filters, IsQueryDimension, DimensionsText()));
  if (query.page_size == 0) query.page_size = 100;
  if (query.page_size < 0 || query.page_size > kPageSizeMax) {
    return usage::FieldError(
        "page_size", absl::StrFormat("is %d; allowed are 1 to %d", query.page_size, kPageSizeMax));
  }
  RETURN_IF_ERROR(ParseOrder(order_by_text, query));
  return ParsePageToken(page_token, query);
}

absl::Status ValidateFilters(const std::vector<ledger::Filter>& filters,
                             bool (*known)(absl::string_view), absl::string_view allowed) {
  if (filters.size() > kFiltersMax) {
    return usage::FieldError("filters", absl::StrFormat("has %d entries; at most %d are allowed",
                                                        filters.size(), kFiltersMax));
  }
  for (size_t i = 0; i < filters.size(); ++i) {
    const std::string field = absl::StrCat("filters[", i, "]");
    RETURN_IF_ERROR(
        ValidateDimension(absl::StrCat(field, ".dimension"), filters[i].dimension, known, allowed));
    if (filters[i].values.empty() || filters[i].values.size() > kFilterValuesMax) {
      return usage::FieldError(absl::StrCat(field, ".values"),
                               absl::StrFormat("has %d values; allowed are 1 to %d",
                                               filters[i].values.size(), kFilterValuesMax));
    }
    for (const auto& value : filters[i].values) {
      RETURN_IF_ERROR(
          usage::ValidateText(absl::StrCat(field, ".values"), value, 0, usage::kDimensionBytesMax));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateRecordFilters(const std::vector<ledger::Filter>& filters) {
  return ValidateFilters(filters, IsQueryDimension, DimensionsText());
}

absl::Status NoPageToken() {
  return usage::FieldError("page_token", "is not one of this service's; use next_page_token");
}

std::string NextPageToken(const CostQuery& query, const CostAnswer& answer) {
  if (!answer.more) return "";
  CostQuery first = query;
  if (query.end == absl::InfiniteFuture()) first.end = answer.as_of;
  return absl::WebSafeBase64Escape(
      absl::StrCat(QueryKey(first), "|", absl::ToUnixMicros(answer.as_of), "|",
                   query.offset + static_cast<int64_t>(answer.rows.size()), "|",
                   absl::ToUnixMicros(first.end), "|", answer.view));
}

}  // namespace bursar::history
