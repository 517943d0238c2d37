#include "access/key_ring.h"

#include "status_macros.h"

namespace bursar::access {

absl::Status KeyRing::Refresh() {
  ASSIGN_OR_RETURN(std::vector<ApiKey> live, store_.ListLive());
  auto keys = std::make_shared<Keys>();
  for (ApiKey& key : live) {
    std::string id = key.id;
    keys->emplace(std::move(id), std::move(key));
  }
  absl::MutexLock lock(&mutex_);
  keys_ = std::move(keys);
  return absl::OkStatus();
}

absl::StatusOr<Caller> KeyRing::Authenticate(absl::string_view text) const {
  ASSIGN_OR_RETURN(const KeyText given, ParseKeyText(text));
  std::shared_ptr<const Keys> keys;
  {
    absl::MutexLock lock(&mutex_);
    keys = keys_;
  }
  const auto found = keys->find(given.id);
  const absl::Time now = clock_.Now();
  if (found == keys->end() || found->second.tenant != given.tenant ||
      !SecretMatches(found->second, given.secret) || now >= found->second.expire_time ||
      now >= found->second.revoke_time) {
    return absl::UnauthenticatedError("the API key is unknown, revoked or expired");
  }
  return Caller{found->second.tenant, found->second.id, found->second.role};
}

}  // namespace bursar::access
