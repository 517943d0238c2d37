#pragma once

#include "access/key_ring.h"
#include "postgres/session_pool.h"

namespace bursar::postgres {

class PgKeyStore final : public access::KeyStore {
 public:
  explicit PgKeyStore(SessionPool& pool) : pool_(pool) {}

  absl::StatusOr<std::vector<access::ApiKey>> ListLive() override;
  absl::StatusOr<bool> InsertFirst(const access::ApiKey& key) override;

 private:
  SessionPool& pool_;
};

}  // namespace bursar::postgres
