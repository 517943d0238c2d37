#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace bursar::history {

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

// What an export of records has where nothing is asked for: all but single labels.
const std::vector<ExportColumn>& RecordColumns();

// One of them, or "label:<name>". FieldError that names those there are.
absl::StatusOr<ExportColumn> FindRecordColumn(absl::string_view name);

}  // namespace bursar::history
