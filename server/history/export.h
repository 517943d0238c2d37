#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "history/export_columns.h"
#include "history/export_text.h"
#include "ledger/budget.h"

namespace bursar::history {

// A page of an export: ExportUsageRequest, checked and with its defaults filled in.
struct ExportQuery {
  absl::Time start, end;  // of charge_time: start <= t < end; an infinite end is "now"
  std::vector<ledger::Filter> filters;
  ExportTable table = ExportTable::kRecords;
  ExportFormat format = ExportFormat::kCsv;
  std::vector<ExportColumn> columns;
  int page_size = 0;  // rows at most
  std::string after;  // ExportPage::next of the page before; empty: this is the first one
};

struct ExportPage {
  std::string data;  // whole lines; with the line of names if it is the first one
  int64_t rows = 0;
  int64_t cost_nanousd = 0;
  std::string next;  // empty: that was all
};

class ExportStore {
 public:
  virtual ~ExportStore() = default;
  // All pages of an export are what its first page could see: what is recorded later is not in it,
  // and nothing is twice in it or missing. A page can be empty and not the last one. UNAVAILABLE:
  // the database cannot be reached. FieldError: `after` is none.
  virtual absl::StatusOr<ExportPage> Export(absl::string_view tenant, const ExportQuery& query) = 0;
};

// Checks a query whose columns are those called `names`, or all. FieldError for what is none.
absl::Status PrepareExport(ExportQuery& query, const std::vector<std::string>& names);

// The error of a cursor that this request never gave.
absl::Status NoCursor();

}  // namespace bursar::history
