#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ledger/group.h"
#include "ledger/id.h"
#include "ledger/window.h"
#include "usage/record.h"

namespace bursar::ledger {

enum class Unit { kCost = 1, kTokens, kCalls };
enum class Mode { kHard = 1, kSoft, kObserve };

// Some values of one dimension.
struct Filter {
  std::string dimension;
  std::vector<std::string> values;  // any of
  bool exclude = false;

  bool Matches(absl::string_view value) const;
};

// Another limit for one group of a budget, for a time.
struct LimitOverride {
  std::map<std::string, std::string> group;  // every group_by value
  int64_t limit = 0;                         // in the budget's unit
  std::optional<absl::Time> start_time;      // absent only in requests: now
  absl::Time expire_time = absl::InfiniteFuture();
  std::string reason;
};

// One limit: types.proto's Budget, with what PostgreSQL gave it.
struct Budget {
  std::string id;  // "user-day", of name "budgets/user-day"
  Id uid;          // of this very budget: one made anew under the same id counts afresh
  std::string display_name;
  std::vector<Filter> selector;
  std::vector<std::string> group_by;
  bool require_group = false;
  Unit unit = Unit::kCost;
  int64_t limit = 0;  // nano-USD, tokens or calls
  Window window;
  mutable WindowMemo last_window;  // of MatchBudgets; a book belongs to one thread at a time
  Mode mode = Mode::kHard;
  std::vector<LimitOverride> overrides;
  std::vector<int32_t> threshold_percents;  // ascending
  bool frozen = false;
  absl::Time expire_time = absl::InfiniteFuture();
  std::string etag;
  absl::Time create_time;
  absl::Time update_time;

  // The limit that holds for a group at a time: an override's, or the budget's own.
  int64_t LimitFor(const std::map<std::string, std::string>& group, absl::Time time) const;
};

// FieldError for what cannot be a budget; fills in defaults (thresholds 75, 90, 100).
absl::Status ValidateBudget(Budget& budget);

// A tenant's budgets and settings as they stood at one epoch; every change of them makes a new
// epoch.
struct BudgetBook {
  int64_t epoch = -1;
  std::vector<Budget> budgets;
  int64_t default_max_output_tokens = 4096;
  bool charge_on_expiry = false;

  const Budget* Find(const Id& uid) const;
};

// A budget that applies to a call, and the counter of its group and window.
struct Match {
  const Budget* budget = nullptr;
  Id counter;
  absl::InlinedVector<absl::string_view, 2> values;  // of the budget's group_by, of the call's own
  Span window;

  Group group() const;
};

struct Matches {
  std::vector<Match> counted;
  const Budget* incomplete = nullptr;  // require_group, and the call lacks a dimension of it
  std::string missing_dimension;
};

// Which budgets count a call made at that time: those whose selector it meets, that have not
// expired, and for which it has every group_by value. A budget in calls counts event_type
// "model_call" unless its selector names event_type. The matches point into `book` and the call.
Matches MatchBudgets(const BudgetBook& book, const usage::Subject& subject,
                     const usage::Model& model, absl::string_view event_type, absl::Time time);

}  // namespace bursar::ledger
