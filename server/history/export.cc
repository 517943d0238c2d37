#include "history/export.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "history/cost_query.h"
#include "status_macros.h"
#include "usage/field_error.h"

namespace bursar::history {
namespace {

constexpr int kPageSizeMax = 10'000;
constexpr size_t kColumnsMax = 100;

absl::Status ValidateRange(const ExportQuery& query) {
  if (query.start == absl::InfinitePast()) {
    return usage::FieldError("start_time", "is missing; the range needs a start");
  }
  if (query.end <= query.start) {
    return usage::FieldError("end_time", "must be after start_time");
  }
  if (query.end != absl::InfiniteFuture() && query.end - query.start > kRangeMax) {
    return usage::FieldError("end_time", "is more than 20 years after start_time; ask for less");
  }
  return absl::OkStatus();
}

absl::Status FindColumns(const std::vector<std::string>& names, ExportQuery& query) {
  if (names.empty()) query.columns = ExportColumns(query.table);
  if (names.size() > kColumnsMax) {
    return usage::FieldError("columns", absl::StrFormat("has %d entries; at most %d are allowed",
                                                        names.size(), kColumnsMax));
  }
  std::set<absl::string_view> seen;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(ExportColumn column, FindExportColumn(query.table, name));
    if (!seen.insert(name).second) {
      return usage::FieldError("columns", absl::StrCat("names ", name, " twice"));
    }
    query.columns.push_back(std::move(column));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PrepareExport(ExportQuery& query, const std::vector<std::string>& names) {
  RETURN_IF_ERROR(ValidateRange(query));
  if (query.table == ExportTable::kRollups && !query.filters.empty()) {
    return usage::FieldError("filters",
                             "cannot be had of ROLLUPS; leave them out, or take RECORDS");
  }
  RETURN_IF_ERROR(ValidateRecordFilters(query.filters));
  if (query.page_size == 0) query.page_size = kPageSizeMax;
  if (query.page_size < 0 || query.page_size > kPageSizeMax) {
    return usage::FieldError(
        "page_size", absl::StrFormat("is %d; allowed are 1 to %d", query.page_size, kPageSizeMax));
  }
  return FindColumns(names, query);
}

absl::Status NoCursor() {
  return usage::FieldError("cursor",
                           "is none of this request's; repeat the request that gave it with it");
}

}  // namespace bursar::history
