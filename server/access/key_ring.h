#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "access/api_key.h"
#include "clock.h"

namespace bursar::access {

class KeyStore {
 public:
  virtual ~KeyStore() = default;
  // Every key that is not revoked and has not expired.
  virtual absl::StatusOr<std::vector<ApiKey>> ListLive() = 0;
  // Adds the key if there is none of any tenant yet, and says whether it did: the first start's
  // key, made once however many replicas start together.
  virtual absl::StatusOr<bool> InsertFirst(const ApiKey& key) = 0;
};

// The live keys in memory, so that a call needs no database to be authenticated.
//
// Refresh() every half second makes a key work, and a revocation bind, within a second. While the
// database is away the keys known last go on working; an expiry binds all the same. Thread-safe.
class KeyRing {
 public:
  KeyRing(KeyStore& store, const Clock& clock) : store_(store), clock_(clock) {}

  absl::Status Refresh();

  // Who a key's text stands for. UNAUTHENTICATED, with the same words for an unknown, revoked or
  // expired key and a wrong secret.
  absl::StatusOr<Caller> Authenticate(absl::string_view text) const;

 private:
  using Keys = absl::flat_hash_map<std::string, ApiKey>;

  KeyStore& store_;
  const Clock& clock_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Keys> keys_ ABSL_GUARDED_BY(mutex_) = std::make_shared<Keys>();
};

}  // namespace bursar::access
