#pragma once

#include <bursar/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bursar::cli {

// One file of an export, as far as it is written.
struct ExportedFile {
  std::string name;   // without a folder
  std::string table;  // "records" or "rollups"
  int64_t rows = 0;
  int64_t bytes = 0;
  int64_t cost_nanousd = 0;
  std::string cursor;  // of the page that comes next; empty: of the first
  bool complete = false;
};

// What an export that was broken off needs to go on: kept beside what it wrote.
struct ExportState {
  std::string asked;    // the flags; the same ones go on with it
  std::string request;  // v1::ExportUsageRequest of its first page, as JSON
  std::vector<ExportedFile> files;
};

// Nothing where there is no such file. Errors: FAILED_PRECONDITION where it cannot be read.
StatusOr<std::optional<ExportState>> ReadExportState(const std::string& path);

// In one step: after a crash there is this state or the one before.
Status WriteExportState(const std::string& path, const ExportState& state);

}  // namespace bursar::cli
