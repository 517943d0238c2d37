#pragma once

#include <string>
#include <vector>

#include "cli/palette.h"

namespace bursar::cli {

enum class Align {
  kLeft,
  kRight,
  kPoint,  // decimal points stand below each other: "$12.5" over "$0.000125"
};

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

enum class Emphasis { kNone, kWarning, kAlarm, kTotal };

// Rows of text in aligned columns, two blanks apart, without blanks at the ends of lines. Width
// counts the characters of UTF-8, each as one.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Missing cells are empty; what is more than there are columns is left out.
  void AddRow(std::vector<std::string> cells, Emphasis emphasis = Emphasis::kNone);

  // One more on the right; cells from the first row on, empty where there are fewer.
  void AddColumn(Column column, std::vector<std::string> cells);

  bool empty() const { return rows_.empty(); }

  // Columns of a terminal that the longest line takes.
  size_t Width() const;

  // The title line, then the rows; each ends with a line break.
  std::string Render(const Palette& palette = {}) const;

 private:
  // Of the titles and of each row.
  std::vector<std::string> Lines() const;

  struct Row {
    std::vector<std::string> cells;
    Emphasis emphasis;
  };

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace bursar::cli
