#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

// The words of Bursar, as protos/bursar/v1/types.proto defines them. Money is int64 nano-USD
// (1 USD = 1'000'000'000), token counts are int64, times are std::chrono.
namespace bursar {

using Timestamp = std::chrono::system_clock::time_point;

// Who spends. Each value: 0..256 bytes of UTF-8 without control characters; empty = not given.
struct Subject {
  std::string project;
  std::string team;
  std::string user;
  std::string agent;
  std::string workflow;
  std::string tool;
  std::string run;         // one autonomous run; the unit that a per-run cap limits
  std::string parent_run;  // the run that spawned this one
  std::string root_run;    // the run at the top of the tree, with `run` alone; empty = `run`
  std::map<std::string, std::string> labels;  // at most 16 dimensions of your own

  bool operator==(const Subject&) const = default;
};

struct Model {
  std::string provider;      // "openai", "anthropic", "google", "bedrock", ...
  std::string name;          // in a check: the model asked for; in a record: the one that answered
  std::string service_tier;  // "", "batch", "flex", "priority", ...
  std::string region;
  std::string requested_name;  // in a record: the model asked for, where it differs
  std::string account;         // the provider's project, workspace or deployment
};

// Disjoint token classes: no token is counted in two fields.
struct TokenUsage {
  int64_t uncached_input_tokens = 0;  // neither read from nor written to a cache
  int64_t cache_read_tokens = 0;
  int64_t cache_write_5m_tokens = 0;
  int64_t cache_write_1h_tokens = 0;
  int64_t visible_output_tokens = 0;
  int64_t reasoning_tokens = 0;  // hidden output
  int64_t input_audio_tokens = 0;
  int64_t output_audio_tokens = 0;
  int64_t input_image_tokens = 0;
  int64_t output_image_tokens = 0;
  std::map<std::string, int64_t> other_tokens;  // further disjoint classes: "input_video", ...
  std::map<std::string, int64_t> billed_units;  // billed by the piece: "web_search", ...
};

// The provider's own answer as JSON (at most 64 KiB), or just its model and usage. The server turns
// its overlapping numbers into disjoint classes.
struct ProviderUsage {
  std::string api_flavor;  // "" or "default", "chat", "responses", "anthropic", "converse", ...
  std::string json;
};

enum class Outcome : int {
  kUnspecified = 0,  // treated as kSucceeded
  kSucceeded = 1,
  kFailed = 2,       // charges the usage given, nothing where none is given
  kCancelled = 3,    // charges the usage given, else the last observed, else as kUnknown
  kNotExecuted = 4,  // certainly never reached the provider: frees the reservation
  kUnknown = 5,      // nobody knows: charges the reserved estimate
};

// Where a record's cost comes from.
enum class CostBasis : int {
  kUnspecified = 0,
  kPriced = 1,     // the provider's usage x the price book
  kEstimated = 2,  // counted or guessed by the caller, or the held estimate
  kDeclared = 3,   // the cost as the caller gave it
  kUnpriced = 4,   // no price was known: 0 until repriced
  kAdjusted = 5,   // corrected later
};

struct CallError {
  enum class Category : int {
    kUnspecified = 0,
    kProvider = 1,
    kTimeout = 2,
    kRateLimit = 3,
    kGuardrail = 4,
    kAgent = 5,
    kUnexpected = 6,
    kTool = 7,
    kInternal = 8,
  };
  enum class Severity : int {
    kUnspecified = 0,
    kInfo = 1,
    kWarning = 2,
    kError = 3,
    kCritical = 4
  };

  std::string type;  // exception class or provider error code
  Category category = Category::kUnspecified;
  Severity severity = Severity::kUnspecified;
  std::string message;  // redacted by the server before it is kept; at most 4 KiB
};

struct GuardrailHit {
  std::string name;
  std::string action;  // "blocked", "rewritten", "flagged"
  std::string stage;   // "input", "output", "tool"
};

// W3C ids as lower-case hex, or ids of one's own: at most 64 bytes each.
struct TraceIds {
  std::string trace_id;
  std::string span_id;
  std::string parent_span_id;
};

// Kept only as far as the tenant's privacy level allows, and never unredacted.
struct Content {
  std::string prompt;
  std::string response;
};

enum class Unit : int { kUnspecified = 0, kCost = 1, kTokens = 2, kCalls = 3 };

enum class EnforcementMode : int { kUnspecified = 0, kHard = 1, kSoft = 2, kObserve = 3 };

// Some values of one dimension: any of them must match, or none where `exclude` is set.
struct Filter {
  std::string dimension;
  std::vector<std::string> values;
  bool exclude = false;
};

// What one budget says of one subject, now. Amounts are in `unit`: nano-USD, tokens or calls.
struct BudgetStatus {
  std::string budget;  // "budgets/{id}"
  std::string display_name;
  std::map<std::string, std::string> group;  // the group_by values of this counter
  Unit unit = Unit::kUnspecified;
  EnforcementMode mode = EnforcementMode::kUnspecified;
  int64_t limit = 0;
  int64_t spent = 0;
  int64_t reserved = 0;
  int64_t remaining = 0;              // limit - spent - reserved; negative after an overrun
  double used_fraction = 0;           // (spent + reserved) / limit; 1 where the limit is 0
  int crossed_threshold_percent = 0;  // the highest; 0 = none
  std::optional<Timestamp> window_start_time;
  std::optional<Timestamp> window_end_time;  // absent for a lifetime budget
  bool would_deny = false;  // in a check: whether this budget alone would have denied it
  std::optional<Timestamp> counted_since_time;
};

// What is held for a call that was allowed and has not been settled yet.
struct Reservation {
  enum class State : int {
    kUnspecified = 0,
    kActive = 1,
    kSettled = 2,
    kReleased = 3,
    kExpired = 4,
  };
  std::string id;  // the request_id of its check
  State state = State::kUnspecified;
  Subject subject;
  Model model;
  int64_t reserved_nanousd = 0;
  int64_t reserved_tokens = 0;
  int64_t observed_nanousd = 0;  // known to be used so far; an expiry charges at least this
  std::optional<Timestamp> create_time;
  std::optional<Timestamp> expire_time;
  std::chrono::nanoseconds remaining_ttl{0};  // by the server's clock, at its answer
  std::string price_version;
  int64_t max_output_tokens = 0;  // what the hold covers: pass it on as the model's own maximum
};

}  // namespace bursar
