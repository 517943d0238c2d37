#pragma once

#include "postgres/session_pool.h"
#include "pricing/price_store.h"

namespace bursar::postgres {

class PgPriceStore final : public pricing::PriceStore {
 public:
  explicit PgPriceStore(SessionPool& pool) : pool_(pool) {}

  absl::StatusOr<std::vector<pricing::PriceVersion>> ListVersions() override;
  absl::StatusOr<std::string> ReadDocument(absl::string_view owner, int64_t version) override;
  absl::StatusOr<pricing::PriceVersion> Append(absl::string_view owner, int64_t newest,
                                               absl::string_view document) override;

 private:
  SessionPool& pool_;
};

}  // namespace bursar::postgres
