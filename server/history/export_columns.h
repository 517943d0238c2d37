#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace bursar::history {

enum class ExportTable { kRecords = 1, kRollups = 2 };

// How a column's value is written.
enum class ExportKind {
  kText,
  kInteger,
  kUsd,   // nano-USD as a decimal of dollars
  kTime,  // RFC 3339 in UTC to the microsecond
  kBool,
  kJson,
};

struct ExportColumn {
  std::string name;  // a dimension as people know it ("user", "label:env"), or a part of a record
  ExportKind kind = ExportKind::kText;
};

// What an export has where nothing is asked for: of records, all but single labels. A rollup is of
// a day and of one family, and has the dimensions of that family alone (history/rollup.h); the rows
// of each family sum to the whole.
const std::vector<ExportColumn>& ExportColumns(ExportTable table);

// One of them, or of a record "label:<name>". FieldError that names those there are.
absl::StatusOr<ExportColumn> FindExportColumn(ExportTable table, absl::string_view name);

}  // namespace bursar::history
