#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace bursar::testing {

// The ledger said again in the plainest way, for Apply to be held against: money budgets that are
// total, by user or by run, over the lifetime or by the hour (UTC), all hard. No batches, no
// hashes, no versions.
class NaiveLedger {
 public:
  struct Budget {
    std::string group_by;  // "", "user" or "run"
    bool hourly = false;
    int64_t limit = 0;
  };
  struct Call {
    std::string user, run;
  };
  struct Sums {
    int64_t spent = 0, reserved = 0;
    auto operator<=>(const Sums&) const = default;
  };

  explicit NaiveLedger(std::vector<Budget> budgets) : budgets_(std::move(budgets)) {}

  // Each answers whether it was allowed, or what there was to do it to.
  bool Check(const std::string& id, const Call& call, int64_t amount, absl::Time now,
             absl::Duration ttl);
  void Settle(const std::string& usage_id, const std::string& id, const Call& call, int64_t cost,
              absl::Time now);
  bool Release(const std::string& id);
  // By how much the record changed; nothing if it is not known. The same adjustment id counts once.
  std::optional<int64_t> Adjust(const std::string& adjustment_id, const std::string& usage_id,
                                int64_t cost);
  bool Extend(const std::string& id, int64_t hold, absl::Time now, absl::Duration ttl);
  void Expire(const std::string& id, absl::Time now);

  Sums SumsOf(int budget, const Call& call, absl::Time now) const;
  bool IsActive(const std::string& id) const;

 private:
  struct Hold {
    std::vector<std::string> counters;
    int64_t amount = 0;
    bool active = true;
    absl::Time expire_time;
  };

  struct Used {
    std::vector<std::string> counters;
    int64_t cost = 0;  // as it stands
  };

  std::string KeyOf(size_t budget, const Call& call, absl::Time now) const;  // "" = not counted
  std::vector<std::string> KeysOf(const Call& call, absl::Time now) const;
  int64_t LimitOf(const std::string& key) const;
  void End(Hold& hold);

  std::vector<Budget> budgets_;
  std::map<std::string, Sums> sums_;
  std::map<std::string, Hold> holds_;
  std::map<std::string, Used> used_;
  std::map<std::string, int64_t> adjusted_;  // by adjustment id
};

}  // namespace bursar::testing
