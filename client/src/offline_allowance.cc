#include "src/offline_allowance.h"

#include <bursar/money.h>

#include <algorithm>

namespace bursar::internal {
namespace {

constexpr size_t kEstimatesMax = 1000;  // models that one client has asked for

std::string KeyOf(const Model& model) { return model.provider + '/' + model.name; }

CheckResponse Denied(std::string message) {
  CheckResponse response;
  response.decision = Decision::kDeny;
  response.reason = "OFFLINE_ALLOWANCE_EXHAUSTED";
  response.message = std::move(message);
  response.offline = true;
  return response;
}

}  // namespace

void OfflineAllowance::Learn(const Model& model, int64_t estimated_nanousd) {
  if (allowance_ <= 0 || estimated_nanousd <= 0) return;
  const std::lock_guard lock(mutex_);
  const std::string key = KeyOf(model);
  const auto found = estimates_.find(key);
  if (found != estimates_.end()) {
    found->second = std::max(found->second, estimated_nanousd);
  } else if (estimates_.size() < kEstimatesMax) {
    estimates_.emplace(key, estimated_nanousd);
  }
}

int64_t OfflineAllowance::CostOf(const CheckRequest& check) const {
  if (check.cost_nanousd) return std::max<int64_t>(*check.cost_nanousd, 0);
  const auto found = estimates_.find(KeyOf(check.model));
  return std::max(call_, found == estimates_.end() ? 0 : found->second);
}

CheckResponse OfflineAllowance::Decide(const CheckRequest& check, const Status& why) {
  const std::lock_guard lock(mutex_);
  const std::string away = "the server cannot be reached (" + why.message() + ")";
  CheckResponse response;
  response.offline = true;
  const auto known = grants_.find(check.request_id);
  if (known == grants_.end()) {
    const int64_t cost = CostOf(check);
    if (cost == 0 && !check.cost_nanousd) {
      return Denied(away + ", and offline nobody knows what " + KeyOf(check.model) +
                    " costs; give cost_nanousd, or set offline_call_nanousd");
    }
    if (cost > allowance_ - used_) {
      return Denied(away + ", and this call needs " + FormatUsd(cost) + " of which the offline " +
                    "allowance of " + FormatUsd(allowance_) + " has " +
                    FormatUsd(std::max<int64_t>(allowance_ - used_, 0)) + " left");
    }
    used_ += cost;
    grants_.emplace(check.request_id, Grant{cost, check.subject, check.model});
    response.estimated_nanousd = cost;
  } else {
    response.estimated_nanousd = known->second.nanousd;
    response.replayed = true;
  }
  response.decision = Decision::kAllow;
  response.reason = "OFFLINE";
  response.message = away + "; allowed from the offline allowance, " + FormatUsd(used_) + " of " +
                     FormatUsd(allowance_) + " are used";
  Reservation hold;
  hold.id = check.request_id;  // it may exist: the check's answer can have been lost
  hold.subject = check.subject;
  hold.model = check.model;
  hold.reserved_nanousd = response.estimated_nanousd;
  response.reservation = std::move(hold);
  return response;
}

void OfflineAllowance::Complete(RecordRequest* record) {
  if (allowance_ <= 0 || record->reservation_id.empty()) return;
  const std::lock_guard lock(mutex_);
  const auto found = grants_.find(record->reservation_id);
  if (found == grants_.end()) return;
  Grant& grant = found->second;
  if (record->subject == Subject{}) record->subject = grant.subject;
  if (record->model.name.empty()) record->model = grant.model;
  if (record->keep_reservation) return;
  if (record->cost_nanousd) {
    const int64_t cost = std::max<int64_t>(*record->cost_nanousd, 0);
    used_ += cost - grant.nanousd;
    grant.nanousd = cost;
  }
  settlements_[record->usage_id] = record->reservation_id;
}

void OfflineAllowance::Delivered(const std::string& usage_id) {
  const std::lock_guard lock(mutex_);
  const auto found = settlements_.find(usage_id);
  if (found == settlements_.end()) return;
  Forget(found->second);
  settlements_.erase(found);
}

void OfflineAllowance::Released(const std::string& reservation_id) {
  const std::lock_guard lock(mutex_);
  Forget(reservation_id);
}

void OfflineAllowance::Forget(const std::string& reservation_id) {
  const auto found = grants_.find(reservation_id);
  if (found == grants_.end()) return;
  used_ -= found->second.nanousd;
  grants_.erase(found);
}

int64_t OfflineAllowance::used_nanousd() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

}  // namespace bursar::internal
