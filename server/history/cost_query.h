#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ledger/budget.h"
#include "usage/record.h"

namespace bursar::history {

inline constexpr absl::Duration kRangeMax = absl::Hours(24 * 366 * 20);  // of one question

enum class Bucket { kNone, kHour, kDay, kWeek, kMonth };

// A question about what was spent: QueryCostsRequest, checked and with its defaults filled in.
struct CostQuery {
  absl::Time start, end;  // of charge_time: start <= t < end
  std::string time_zone = "UTC";
  Bucket bucket = Bucket::kNone;
  std::vector<std::string> group_by;
  std::vector<ledger::Filter> filters;
  std::string order_by;  // "cost", "calls", ...: one of kOrders
  bool descending = true;
  int page_size = 100;
  int64_t offset = 0;  // rows on earlier pages
  // Of a later page: when the first one was answered, and which records that saw, as the store
  // wrote it in CostAnswer. Absent: now, and every record.
  std::optional<absl::Time> as_of;
  std::string view;
};

struct CostRow {
  std::optional<absl::Time> bucket_start;
  std::map<std::string, std::string> group;
  int64_t calls = 0;  // but for NOT_EXECUTED, as the budgets count
  int64_t failed_calls = 0;
  int64_t retried_calls = 0;
  int64_t recovered_calls = 0;
  int64_t guardrail_hits = 0;
  int64_t cost_nanousd = 0;
  int64_t unpriced_calls = 0;
  int64_t estimated_nanousd = 0;
  int64_t cache_savings_nanousd = 0;
  usage::TokenUsage tokens;  // without other_tokens and billed_units
  double success_rate = 0;   // succeeded / calls; 0 where there are no calls
  std::optional<absl::Duration> latency_p50, latency_p95, latency_p99, latency_max;
};

struct CostAnswer {
  std::vector<CostRow> rows;
  CostRow total;
  bool more = false;
  absl::Time as_of;
  std::string view;
  std::string source;
};

inline constexpr int kSortedRowsMax = 100'000;

class CostStore {
 public:
  virtual ~CostStore() = default;
  // All pages of a question see the records that its first page saw. UNAVAILABLE: the database
  // cannot be reached, or took longer than 5 s. FieldError: the view is none, the range is longer
  // than 20 years, or more rows than kSortedRowsMax are to be ordered by latency_p95.
  virtual absl::StatusOr<CostAnswer> Query(absl::string_view tenant, const CostQuery& query) = 0;
};

// FieldError for what is not a question; `order_by_text` and `page_token` are as the caller gave
// them.
absl::Status PrepareQuery(CostQuery& query, absl::string_view order_by_text,
                          absl::string_view page_token);

// Of any list: at most 20 filters, each with 1 to 1,000 values. FieldError for a dimension that is
// not `known`; `allowed` lists those that are.
absl::Status ValidateFilters(const std::vector<ledger::Filter>& filters,
                             bool (*known)(absl::string_view), absl::string_view allowed);

// The same for lists of records, which know every dimension that a question can have.
absl::Status ValidateRecordFilters(const std::vector<ledger::Filter>& filters);

// The error of a token that this service never gave.
absl::Status NoPageToken();

// The token of the page after this one: of this query alone.
std::string NextPageToken(const CostQuery& query, const CostAnswer& answer);

}  // namespace bursar::history
