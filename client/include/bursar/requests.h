#pragma once

#include <bursar/status.h>
#include <bursar/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What a client asks and is told, as protos/bursar/v1/telemetry_service.proto defines it.
namespace bursar {

// What a model call used. With a reservation it frees the hold; without one it is charged to every
// budget that matches it.
struct RecordRequest {
  std::string usage_id;        // one for each real call; empty: the client draws a random UUID
  std::string reservation_id;  // empty: usage without a reservation
  Subject subject;             // may be empty with a reservation
  Model model;
  std::optional<TokenUsage> tokens;             // this, or
  std::optional<ProviderUsage> provider_usage;  // this, or neither; not both
  std::optional<int64_t> cost_nanousd;          // what the caller says it cost; else priced
  Outcome outcome = Outcome::kUnspecified;
  std::optional<Timestamp> occur_time;  // absent = when the server receives it
  std::string event_type;               // "model_call" (default), "tool_call", "api_call", ...
  std::string step;                     // function, step or tool call name
  std::optional<std::chrono::nanoseconds> latency;
  std::optional<std::chrono::nanoseconds> time_to_first_token;
  int attempt = 0;  // 1 = first try; >1 = retry
  std::optional<CallError> error;
  std::vector<GuardrailHit> guardrail_hits;
  std::optional<TraceIds> trace;
  std::string provider_request_id;
  std::string metadata_json;  // one JSON object, at most 8 KiB; redacted by the server
  std::optional<Content> content;
  bool keep_reservation = false;  // charges this out of the hold and keeps the rest held
  bool estimated = false;         // counted by the caller, not reported by the provider
};

struct RecordResponse {
  int64_t cost_nanousd = 0;  // charged for this record
  CostBasis cost_basis = CostBasis::kUnspecified;
  std::string price_version;
  TokenUsage tokens;  // as normalised
  int64_t released_nanousd = 0;
  int64_t overrun_nanousd = 0;
  bool late = false;  // settled after the reservation had expired or been released
  std::vector<BudgetStatus> budgets;
  bool replayed = false;

  // Of the request, so that one object says all about the call.
  std::string usage_id;
  Model model;
  Outcome outcome = Outcome::kUnspecified;
  std::optional<std::chrono::nanoseconds> latency;
  int attempt = 0;
  std::vector<GuardrailHit> guardrail_hits;
};

enum class Decision : int { kUnspecified = 0, kAllow = 1, kAllowWithCaps = 2, kDeny = 3 };

// May this call be made? Needs tokens or cost_nanousd.
struct CheckRequest {
  std::string request_id;  // 1..128 bytes, names the reservation; empty: a random UUID is drawn
  Subject subject;
  Model model;
  std::optional<TokenUsage> tokens;     // what will be sent; output classes are ignored
  std::optional<int64_t> cost_nanousd;  // the caller's own estimate instead of a price
  std::optional<int64_t> max_output_tokens;
  std::string event_type;
  std::optional<std::chrono::nanoseconds> ttl;  // 1 s .. 24 h; absent: 5 min
  bool dry_run = false;                         // decides and holds nothing
  bool accept_caps = false;
  std::vector<RecordRequest>
      settle;  // what the last step used, at most 32: settled before deciding
  std::optional<TraceIds> trace;
};

struct CheckResponse {
  Decision decision = Decision::kUnspecified;
  std::string reason;  // "" or "BUDGET_EXHAUSTED", "BUDGET_HELD", "PRICE_UNKNOWN", ...: an open set
  std::optional<Reservation> reservation;         // absent when denied or dry_run
  std::optional<int64_t> caps_max_output_tokens;  // with kAllowWithCaps: the most that still fits
  std::string binding_budget;                     // that denied, or is closest to denying
  std::vector<BudgetStatus> budgets;              // every one that applies, after this decision
  std::optional<std::chrono::nanoseconds> retry_after;
  bool replayed = false;
  std::vector<StatusOr<RecordResponse>> settled;  // one for each of CheckRequest.settle, in order
  int64_t estimated_nanousd = 0;                  // dry_run and denials too
  std::string message;    // one sentence for people: which budget, spent, held, limit, until when
  std::string priced_as;  // the price book's entry
  // Decided here, since the server could not be reached. Where allowed, `reservation` has the id
  // under which the call must be recorded; the server may never have held it.
  bool offline = false;

  // An answer that this version does not know is no permission.
  bool allowed() const {
    return decision == Decision::kAllow || decision == Decision::kAllowWithCaps;
  }
};

struct ReleaseRequest {
  std::string reservation_id;
  std::string reason;
};
struct ReleaseResponse {
  Reservation reservation;
  std::vector<BudgetStatus> budgets;
};

struct ExtendRequest {
  std::string reservation_id;
  std::optional<std::chrono::nanoseconds> ttl;  // from now
  int64_t hold_nanousd = 0;                     // hold at least this in all
  std::optional<TokenUsage> observed;           // used so far; kDeny then means: stop the stream
};
struct ExtendResponse {
  Decision decision = Decision::kUnspecified;
  std::string reason;
  Reservation reservation;
  std::vector<BudgetStatus> budgets;

  bool allowed() const { return decision == Decision::kAllow; }
};

struct BudgetStatusesRequest {
  Subject subject;
  Model model;
};

// Costs from start_time (inclusive) to end_time (exclusive; absent = now). Dimensions: "project",
// "team", "user", "agent", "run", "provider", "model", ..., or "label:<name>".
struct CostQuery {
  enum class Bucket : int { kNone = 0, kHour = 1, kDay = 2, kWeek = 3, kMonth = 4 };

  Timestamp start_time;
  std::optional<Timestamp> end_time;
  std::string time_zone;  // IANA; empty = UTC; buckets follow it
  Bucket bucket = Bucket::kNone;
  std::vector<std::string> group_by;  // at most 5 dimensions
  std::vector<Filter> filters;        // all must hold
  std::string order_by;               // "cost desc", "bucket", "calls desc", ...
  int page_size = 0;                  // 0 = 100; at most 10000
  std::string page_token;
};

struct CostRow {
  std::optional<Timestamp> bucket_start_time;
  std::map<std::string, std::string> group;
  int64_t calls = 0;
  int64_t failed_calls = 0;
  int64_t retried_calls = 0;
  int64_t recovered_calls = 0;  // succeeded with attempt > 1
  int64_t guardrail_hits = 0;
  int64_t cost_nanousd = 0;
  int64_t estimated_nanousd = 0;  // the part of the cost that is not priced
  int64_t unpriced_calls = 0;
  TokenUsage tokens;
  double success_rate = 0;
  std::chrono::nanoseconds latency_p50{0};  // each within 2 % of the exact value
  std::chrono::nanoseconds latency_p95{0};
  std::chrono::nanoseconds latency_p99{0};
  std::chrono::nanoseconds latency_max{0};
};

struct CostReport {
  std::vector<CostRow> rows;
  CostRow total;  // over every row that matched, not only this page
  std::string next_page_token;
  std::optional<Timestamp> as_of_time;
  std::string source;  // "rollup_day", "rollup_hour", "events": what answered
};

}  // namespace bursar
