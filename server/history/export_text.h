#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "history/export_columns.h"

namespace bursar::history {

enum class ExportFormat { kCsv = 1, kJsonl = 2 };

// Writes rows as text, a cell after the other in the order of the columns.
//
// CSV: RFC 4180, lines end with CRLF; an empty cell is a value that a record does not have. Text
// that a spreadsheet would take for a formula (it begins with = + - @, a tab or a line's end) gets
// a ' before it; numbers and times never do. JSONL: an object in each line, without the values that
// the record does not have. Money and counts are exact: no number passes through a double.
//
// For one thread.
class ExportText {
 public:
  ExportText(ExportFormat format, const std::vector<ExportColumn>& columns);

  void Names();  // CSV's first line; nothing in JSONL

  // The next cell of the row. `value` is not empty: text, RFC 3339, digits ("-12"; of nano-USD for
  // kUsd), "true" or "false", JSON on one line.
  void Add(absl::string_view value);
  void AddNothing();
  void EndRow();

  const std::string& text() const { return text_; }
  std::string Take() { return std::move(text_); }

 private:
  void AddCsv(absl::string_view value, ExportKind kind);
  void AddJson(absl::string_view value, ExportKind kind);

  const ExportFormat format_;
  const std::vector<ExportColumn>& columns_;
  std::vector<std::string> keys_;  // of JSONL: "name": as it stands in a line
  size_t column_ = 0;
  bool row_empty_ = true;
  std::string text_;
};

}  // namespace bursar::history
