#include "src/offline_allowance.h"

#include <bursar/money.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "src/convert_requests.h"

namespace bursar::internal {
namespace {

constexpr char kExhausted[] = "OFFLINE_ALLOWANCE_EXHAUSTED";
constexpr size_t kEstimatesMax = 1000;  // models that one client has asked for

std::string KeyOf(const Model& model) { return model.provider + '/' + model.name; }

// For sums of what callers say things cost, whatever that is.
int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

// What tells two checks of one id apart: all but whose trace it is and what it settles.
std::string PayloadOf(CheckRequest check) {
  check.settle.clear();
  check.trace.reset();
  v1::CheckBudgetRequest message;
  (void)ToProto(check, &message);  // fails for what is settled alone
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);  // labels are a map
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

// Whether a record that ends its reservation leaves it to the server what that costs: the server
// charges the hold, if it has one.
bool LeavesItToTheHold(const RecordRequest& record) {
  if (record.cost_nanousd) return false;
  if (record.outcome == Outcome::kUnknown) return true;
  return record.outcome == Outcome::kCancelled && !record.tokens && !record.provider_usage;
}

CheckResponse Denied(const char* reason, std::string message) {
  CheckResponse response;
  response.decision = Decision::kDeny;
  response.reason = reason;
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

StatusOr<CheckResponse> OfflineAllowance::Decide(const CheckRequest& check, const Status& why) {
  const std::lock_guard lock(mutex_);
  const std::string away = "the server cannot be reached (" + why.message() + ")";
  CheckResponse response;
  response.offline = true;
  std::string payload = PayloadOf(check);
  const auto known = grants_.find(check.request_id);
  if (known == grants_.end()) {
    const int64_t cost = CostOf(check);
    if (cost == 0 && !check.cost_nanousd) {
      return Denied(kExhausted, away + ", and offline nobody knows what " + KeyOf(check.model) +
                                    " costs; give cost_nanousd, or set offline_call_nanousd");
    }
    const int64_t left = std::max<int64_t>(SaturatingAdd(allowance_, -used_), 0);
    if (cost > left) {
      return Denied(kExhausted, away + ", and this call needs " + FormatUsd(cost) +
                                    " of which the offline allowance of " + FormatUsd(allowance_) +
                                    " has " + FormatUsd(left) + " left");
    }
    Grant grant{.estimate = cost, .payload = std::move(payload), .subject = check.subject};
    grant.model = check.model;
    Recount(grants_.emplace(check.request_id, std::move(grant)).first);
    response.estimated_nanousd = cost;
  } else if (known->second.payload != payload) {
    return Status(StatusCode::kAlreadyExists,
                  "request_id \"" + check.request_id +
                      "\" was used before with another payload, offline; use a new id",
                  {.reason = "ALREADY_EXISTS"});
  } else if (IsEnded(known->second)) {
    return Denied("RESERVATION_ENDED", away + ", and the call of request_id \"" + check.request_id +
                                           "\" has been settled; a new call needs a new one");
  } else {
    response.estimated_nanousd = known->second.estimate;
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

// What the grant's records say they cost, but for one of them.
int64_t OfflineAllowance::SaidBy(const Grant& grant, const std::string& but_usage_id) {
  int64_t said = 0;
  for (const auto& [usage_id, pending] : grant.pending) {
    if (usage_id != but_usage_id) said = SaturatingAdd(said, pending.nanousd.value_or(0));
  }
  return said;
}

bool OfflineAllowance::IsEnded(const Grant& grant) {
  return grant.ended || std::any_of(grant.pending.begin(), grant.pending.end(),
                                    [](const auto& each) { return each.second.ends; });
}

void OfflineAllowance::Recount(Grants::iterator grant) {
  Grant& it = grant->second;
  const bool ended = IsEnded(it);
  const bool all_said = std::all_of(it.pending.begin(), it.pending.end(),
                                    [](const auto& each) { return each.second.nanousd; });
  used_ = SaturatingAdd(used_, -it.taken);
  const int64_t said = SaidBy(it, "");
  it.taken = ended && all_said ? said : std::max(said, it.estimate);
  if (ended && it.pending.empty()) {
    grants_.erase(grant);
  } else {
    used_ = SaturatingAdd(used_, it.taken);
  }
}

void OfflineAllowance::Complete(RecordRequest* record) {
  if (allowance_ <= 0 || record->reservation_id.empty()) return;
  const std::lock_guard lock(mutex_);
  const auto found = grants_.find(record->reservation_id);
  if (found == grants_.end()) return;
  Grant& grant = found->second;
  if (record->subject == Subject{}) record->subject = grant.subject;
  if (record->model.name.empty()) record->model = grant.model;
  Pending pending{.ends = !record->keep_reservation};
  if (pending.ends && LeavesItToTheHold(*record)) {
    record->cost_nanousd = std::max<int64_t>(grant.estimate - SaidBy(grant, record->usage_id), 0);
  }
  if (record->cost_nanousd) pending.nanousd = std::max<int64_t>(*record->cost_nanousd, 0);
  grant.pending[record->usage_id] = pending;
  request_ids_[record->usage_id] = record->reservation_id;
  Recount(found);
}

void OfflineAllowance::Delivered(const std::string& usage_id) { Settled(usage_id, true); }

void OfflineAllowance::Refused(const std::string& usage_id) { Settled(usage_id, false); }

void OfflineAllowance::Settled(const std::string& usage_id, bool counted) {
  const std::lock_guard lock(mutex_);
  const auto of = request_ids_.find(usage_id);
  if (of == request_ids_.end()) return;
  const auto found = grants_.find(of->second);
  request_ids_.erase(of);
  if (found == grants_.end()) return;
  Grant& grant = found->second;
  const auto pending = grant.pending.find(usage_id);
  if (pending == grant.pending.end()) return;
  grant.ended = grant.ended || (counted && pending->second.ends);
  grant.pending.erase(pending);
  Recount(found);
}

void OfflineAllowance::Released(const std::string& reservation_id) {
  const std::lock_guard lock(mutex_);
  const auto found = grants_.find(reservation_id);
  if (found == grants_.end()) return;
  found->second.ended = true;
  found->second.estimate = 0;
  Recount(found);
}

int64_t OfflineAllowance::used_nanousd() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

}  // namespace bursar::internal
