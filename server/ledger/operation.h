#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ledger/budget.h"
#include "ledger/id.h"
#include "usage/record.h"

// What can be done to a tenant's ledger, and what it answers. The fields are those of the requests
// and answers in protos/bursar/v1/telemetry_service.proto, whose comments say what they mean.
namespace bursar::ledger {

inline Id ReservationKey(absl::string_view tenant, absl::string_view reservation_id) {
  return HashId({"reservation", tenant, reservation_id});
}
inline Id UsageKey(absl::string_view tenant, absl::string_view usage_id) {
  return HashId({"usage", tenant, usage_id});
}

struct BudgetStatus {
  std::string budget_id;
  std::string display_name;
  Group group;
  Unit unit = Unit::kCost;
  Mode mode = Mode::kHard;
  int64_t limit = 0;
  int64_t spent = 0;
  int64_t reserved = 0;
  int32_t crossed_threshold_percent = 0;
  absl::Time window_start, window_end;
  bool would_deny = false;
  absl::Time counted_since;

  int64_t remaining() const;
  double used_fraction() const;
};

// What an operator wants to be told: CostEvent of protos/bursar/v1/admin_service.proto.
enum class EventKind { kThresholdCrossed = 1, kDenied, kOverrun, kExpired, kLate };

struct CostEvent {
  EventKind kind = EventKind::kDenied;
  std::optional<Id> counter;  // absent, as `status`: no budget had a say
  std::optional<BudgetStatus> status;
  usage::Subject subject;
  usage::Model model;
  std::string request_id;
  std::string usage_id;
  std::string reason;
  std::string message;
  int64_t amount = 0;
  int32_t threshold_percent = 0;
  int64_t count = 1;
  std::optional<absl::Time> time;  // absent: that of its transaction
};

struct Record {
  usage::UsageRecord usage;
  Id key;          // UsageKey
  Id reservation;  // ReservationKey; meaningless without usage.reservation_id
  Id fingerprint;
};

struct Check {
  std::string request_id;  // may be empty in a dry run
  Id key;                  // ReservationKey
  Id fingerprint;
  usage::Subject subject;
  usage::Model model;
  std::optional<usage::TokenUsage> tokens;  // what will be sent; output classes are ignored
  std::optional<int64_t> cost_nanousd;
  std::optional<int64_t> max_output_tokens;
  std::string event_type = "model_call";
  absl::Duration ttl;
  bool dry_run = false;
  bool accept_caps = false;
  std::vector<Record> settle;
};

struct Release {
  std::string reservation_id;
  Id key;
};

struct Extend {
  std::string reservation_id;
  Id key;
  std::optional<absl::Duration> ttl;  // from now
  int64_t hold_nanousd = 0;           // in all; 0 = as it is
  std::optional<usage::TokenUsage> observed;
};

// Where the budgets stand that apply to a subject.
struct Inspect {
  usage::Subject subject;
  usage::Model model;
};

// Says what a record really used or cost. Either tokens, priced as the record's own were, or the
// cost; or neither: its own tokens, at the newest prices.
struct Adjust {
  std::string adjustment_id;
  Id key;  // UsageKey of the record that says the difference: kAdjustmentIdPrefix + adjustment_id
  Id fingerprint;
  std::string usage_id;
  Id target;  // UsageKey of usage_id
  std::optional<usage::TokenUsage> tokens;
  std::optional<int64_t> cost_nanousd;
  std::string reason;

  bool reprices() const { return !tokens && !cost_nanousd; }
};

// Ends reservations whose time is over; others are left alone.
struct Expire {
  std::vector<Id> keys;
};

// Keeps what is known of denials, which wrote nothing themselves.
struct Report {
  std::vector<CostEvent> denials;
};

using Operation = std::variant<Check, Record, Release, Extend, Inspect, Adjust, Expire, Report>;

enum class Decision { kAllow = 1, kAllowWithCaps, kDeny };

enum class ReservationState { kActive = 1, kSettled, kReleased, kExpired };

// What a reservation holds in one counter, in the unit of the counter's budget.
struct Hold {
  Id counter;
  Unit unit = Unit::kCost;
  int64_t amount = 0;         // 0 once the reservation has ended
  int64_t expiry_charge = 0;  // what its expiry charged, until a late settlement takes that back
};

struct Reservation {
  Id key;
  std::string request_id;
  ReservationState state = ReservationState::kActive;
  usage::Subject subject;
  usage::Model model;
  std::string event_type;
  int64_t reserved_nanousd = 0;
  int64_t reserved_tokens = 0;
  int64_t observed_nanousd = 0;
  int64_t observed_tokens = 0;
  int64_t max_output_tokens = 0;
  int64_t expiry_nanousd = 0;  // the cost that its expiry charged, until a late settlement
  bool call_counted = false;   // by a record that kept it: its end is not another call
  std::string price_version;
  std::string priced_as;
  absl::Time create_time, expire_time;
  std::optional<absl::Time> end_time;
  std::vector<Hold> holds;  // in the order of their counters
  int64_t version = 0;      // 0: not in the database yet
  Id fingerprint;
};

struct RecordAnswer {
  int64_t cost_nanousd = 0;
  usage::CostBasis cost_basis = usage::CostBasis::kPriced;
  std::string price_version;
  usage::TokenUsage tokens;
  int64_t released_nanousd = 0;
  int64_t overrun_nanousd = 0;
  bool late = false;
  std::vector<BudgetStatus> budgets;
  bool replayed = false;
};

struct CheckAnswer {
  Decision decision = Decision::kDeny;
  std::string reason;                              // one of the reasons of CheckBudgetResponse
  std::shared_ptr<const Reservation> reservation;  // as it was then
  std::optional<int64_t> cap_max_output_tokens;
  std::string binding_budget;
  std::vector<BudgetStatus> budgets;
  std::optional<absl::Duration> retry_after;
  bool replayed = false;
  std::vector<absl::StatusOr<RecordAnswer>> settled;
  int64_t estimated_nanousd = 0;
  std::string message;
  std::string priced_as;
  absl::Time now;
  std::optional<Id> denied_by;  // the counter that had no room
  int64_t denied_amount = 0;    // what it had no room for, in its budget's unit

  bool held() const { return denied_by && reason == "BUDGET_HELD"; }
};

struct ReservationAnswer {  // of Release and Extend
  Decision decision = Decision::kAllow;
  std::string reason;
  Reservation reservation;
  std::vector<BudgetStatus> budgets;
  absl::Time now;
};

struct InspectAnswer {
  std::vector<BudgetStatus> budgets;
};

struct AdjustAnswer {
  int64_t delta_nanousd = 0;          // of the first answer, if it is a repeat
  std::vector<BudgetStatus> budgets;  // that the record charged, as they stand now
};

struct ExpireAnswer {
  int expired = 0;
};

struct ReportAnswer {};

using Answer = std::variant<CheckAnswer, RecordAnswer, ReservationAnswer, InspectAnswer,
                            AdjustAnswer, ExpireAnswer, ReportAnswer>;

}  // namespace bursar::ledger
