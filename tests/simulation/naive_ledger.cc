#include "simulation/naive_ledger.h"

#include "absl/strings/str_cat.h"

namespace bursar::testing {

std::string NaiveLedger::KeyOf(size_t budget, const Call& call, absl::Time now) const {
  const Budget& b = budgets_[budget];
  const std::string group = b.group_by == "user"  ? call.user
                            : b.group_by == "run" ? call.run
                                                  : "all";
  if (group.empty()) return "";
  const int64_t hour = b.hourly ? absl::ToUnixSeconds(now) / 3600 : 0;
  return absl::StrCat(budget, "/", group, "/", hour);
}

std::vector<std::string> NaiveLedger::KeysOf(const Call& call, absl::Time now) const {
  std::vector<std::string> keys;
  for (size_t i = 0; i < budgets_.size(); ++i) {
    std::string key = KeyOf(i, call, now);
    if (!key.empty()) keys.push_back(std::move(key));
  }
  return keys;
}

int64_t NaiveLedger::LimitOf(const std::string& key) const {
  return budgets_[std::stoul(key)].limit;
}

void NaiveLedger::End(Hold& hold) {
  for (const auto& key : hold.counters) sums_[key].reserved -= hold.amount;
  hold.amount = 0;
  hold.active = false;
}

bool NaiveLedger::IsActive(const std::string& id) const {
  auto hold = holds_.find(id);
  return hold != holds_.end() && hold->second.active;
}

bool NaiveLedger::Check(const std::string& id, const Call& call, int64_t amount, absl::Time now,
                        absl::Duration ttl) {
  if (auto known = holds_.find(id); known != holds_.end()) {
    if (known->second.active && known->second.expire_time <= now) End(known->second);
    return known->second.active;
  }
  const std::vector<std::string> keys = KeysOf(call, now);
  for (const auto& key : keys) {
    const Sums sums = sums_[key];
    if (sums.spent + sums.reserved + amount > LimitOf(key)) return false;
  }
  for (const auto& key : keys) sums_[key].reserved += amount;
  holds_[id] = {keys, amount, true, now + ttl};
  return true;
}

void NaiveLedger::Settle(const std::string& usage_id, const std::string& id, const Call& call,
                         int64_t cost, absl::Time now) {
  if (used_.contains(usage_id)) return;
  auto hold = holds_.find(id);
  const auto keys = hold == holds_.end() ? KeysOf(call, now) : hold->second.counters;
  if (hold != holds_.end() && hold->second.active) End(hold->second);
  for (const auto& key : keys) sums_[key].spent += cost;
  used_[usage_id] = {keys, cost};
}

std::optional<int64_t> NaiveLedger::Adjust(const std::string& adjustment_id,
                                           const std::string& usage_id, int64_t cost) {
  if (auto known = adjusted_.find(adjustment_id); known != adjusted_.end()) return known->second;
  auto used = used_.find(usage_id);
  if (used == used_.end()) return std::nullopt;
  const int64_t delta = cost - used->second.cost;
  for (const auto& key : used->second.counters) sums_[key].spent += delta;
  used->second.cost = cost;
  return adjusted_[adjustment_id] = delta;
}

bool NaiveLedger::Release(const std::string& id) {
  auto hold = holds_.find(id);
  if (hold == holds_.end()) return false;
  if (hold->second.active) End(hold->second);
  return true;
}

bool NaiveLedger::Extend(const std::string& id, int64_t hold_in_all, absl::Time now,
                         absl::Duration ttl) {
  auto found = holds_.find(id);
  if (found == holds_.end()) return false;
  Hold& hold = found->second;
  if (hold.active && hold.expire_time <= now) End(hold);
  if (!hold.active) return false;
  const int64_t more = std::max<int64_t>(hold_in_all - hold.amount, 0);
  for (const auto& key : hold.counters) {
    const Sums sums = sums_[key];
    // A hold that only lives on takes no room, whoever overran.
    if (more > 0 && sums.spent + sums.reserved + more > LimitOf(key)) return false;
  }
  for (const auto& key : hold.counters) sums_[key].reserved += more;
  hold.amount += more;
  hold.expire_time = std::max(hold.expire_time, now + ttl);
  return true;
}

void NaiveLedger::Expire(const std::string& id, absl::Time now) {
  auto hold = holds_.find(id);
  if (hold != holds_.end() && hold->second.active && hold->second.expire_time <= now) {
    End(hold->second);
  }
}

NaiveLedger::Sums NaiveLedger::SumsOf(int budget, const Call& call, absl::Time now) const {
  auto sums = sums_.find(KeyOf(budget, call, now));
  return sums == sums_.end() ? Sums{} : sums->second;
}

}  // namespace bursar::testing
