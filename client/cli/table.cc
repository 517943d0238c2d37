#include "cli/table.h"

#include <algorithm>

#include "cli/display_width.h"

namespace bursar::cli {
namespace {

// The characters before the decimal point, and from it on.
struct Halves {
  size_t before = 0;
  size_t after = 0;
};

Halves Split(const std::string& text) {
  const size_t point = text.find('.');
  if (point == std::string::npos) return {DisplayWidth(text), 0};
  return {DisplayWidth(text.substr(0, point)), DisplayWidth(text.substr(point))};
}

struct Layout {
  size_t width = 0;
  Halves halves;  // the widest of both, for Align::kPoint
};

void Fit(const std::string& cell, Align align, Layout* layout) {
  if (align == Align::kPoint) {
    const Halves halves = Split(cell);
    layout->halves.before = std::max(layout->halves.before, halves.before);
    layout->halves.after = std::max(layout->halves.after, halves.after);
    layout->width = std::max(layout->width, layout->halves.before + layout->halves.after);
  }
  layout->width = std::max(layout->width, DisplayWidth(cell));
}

std::string Pad(const std::string& cell, Align align, const Layout& layout, bool is_title) {
  const size_t blanks = layout.width - DisplayWidth(cell);
  if (align == Align::kLeft) return cell + std::string(blanks, ' ');
  if (align == Align::kRight || is_title || cell.empty()) return std::string(blanks, ' ') + cell;
  const size_t behind = layout.halves.after - Split(cell).after;
  return std::string(blanks - behind, ' ') + cell + std::string(behind, ' ');
}

std::string Paint(const std::string& line, Emphasis emphasis, const Palette& palette) {
  switch (emphasis) {
    case Emphasis::kWarning:
      return palette.Yellow(line);
    case Emphasis::kAlarm:
      return palette.Red(line);
    case Emphasis::kTotal:
      return palette.Bold(line);
    case Emphasis::kNone:
      break;
  }
  return line;
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells, Emphasis emphasis) {
  cells.resize(columns_.size());
  rows_.push_back({std::move(cells), emphasis});
}

void Table::AddColumn(Column column, std::vector<std::string> cells) {
  columns_.push_back(std::move(column));
  cells.resize(rows_.size());
  for (size_t i = 0; i < rows_.size(); ++i) rows_[i].cells.push_back(std::move(cells[i]));
}

std::vector<std::string> Table::Lines() const {
  std::vector<Layout> layouts(columns_.size());
  for (const Row& row : rows_) {
    for (size_t i = 0; i < columns_.size(); ++i) Fit(row.cells[i], columns_[i].align, &layouts[i]);
  }
  std::vector<std::string> titles;
  for (size_t i = 0; i < columns_.size(); ++i) {
    titles.push_back(columns_[i].title);
    layouts[i].width = std::max(layouts[i].width, DisplayWidth(titles[i]));
  }

  const auto line = [&](const std::vector<std::string>& cells, bool is_title) {
    std::string text;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) text += "  ";
      text += Pad(cells[i], columns_[i].align, layouts[i], is_title);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::vector<std::string> lines = {line(titles, true)};
  for (const Row& row : rows_) lines.push_back(line(row.cells, false));
  return lines;
}

size_t Table::Width() const {
  size_t width = 0;
  for (const std::string& line : Lines()) width = std::max(width, DisplayWidth(line));
  return width;
}

std::string Table::Render(const Palette& palette) const {
  const std::vector<std::string> lines = Lines();
  std::string text = palette.Dim(lines[0]) + "\n";
  for (size_t i = 0; i < rows_.size(); ++i) {
    text += Paint(lines[i + 1], rows_[i].emphasis, palette) + "\n";
  }
  return text;
}

}  // namespace bursar::cli
