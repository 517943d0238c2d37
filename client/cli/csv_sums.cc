#include "cli/csv_sums.h"

#include <charconv>

namespace bursar::cli {

void CsvSums::Add(std::string_view piece) {
  for (const char c : piece) {
    if (c == '"') {
      quoted_ = !quoted_;  // a quote within quotes is two of them
    } else if (!quoted_ && c == ',') {
      EndCell();
      ++column_;
    } else if (!quoted_ && c == '\n') {
      EndCell();
      column_ = 0;
      ++lines_;
    } else if (Wanted() && (quoted_ || c != '\r')) {
      cell_ += c;
    }
  }
}

void CsvSums::EndCell() {
  if (lines_ == 0 && cell_ == "cost_nanousd") cost_column_ = column_;
  if (lines_ > 0 && column_ == cost_column_) {
    int64_t cost = 0;
    std::from_chars(cell_.data(), cell_.data() + cell_.size(), cost);
    cost_nanousd_ += cost;
  }
  cell_.clear();
}

}  // namespace bursar::cli
