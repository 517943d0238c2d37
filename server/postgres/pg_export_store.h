#pragma once

#include "history/export.h"
#include "postgres/session_pool.h"

namespace bursar::postgres {

// Reads records through the index of (tenant_id, charge_time), in the order of charge_time and id,
// a few hundred at a time: a page needs a few MiB, however long the export is. A page looks for a
// second at most (and a few hundred rows more), so that its transaction is short whatever the
// filters leave out.
class PgExportStore final : public history::ExportStore {
 public:
  explicit PgExportStore(SessionPool& pool) : pool_(pool) {}

  absl::StatusOr<history::ExportPage> Export(absl::string_view tenant,
                                             const history::ExportQuery& query) override;

 private:
  SessionPool& pool_;
};

}  // namespace bursar::postgres
