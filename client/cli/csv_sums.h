#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bursar::cli {

// Counts the rows of an exported CSV and sums its cost_nanousd, from pieces of any size.
class CsvSums {
 public:
  void Add(std::string_view piece);

  int64_t rows() const { return lines_ > 0 ? lines_ - 1 : 0; }  // without the line of names
  int64_t cost_nanousd() const { return cost_nanousd_; }
  bool has_cost() const { return cost_column_ >= 0; }
  bool whole() const { return !quoted_ && column_ == 0 && cell_.empty(); }  // it ended with a line

 private:
  void EndCell();
  bool Wanted() const { return lines_ == 0 || column_ == cost_column_; }

  bool quoted_ = false;
  std::string cell_;  // where it is wanted
  int column_ = 0;
  int cost_column_ = -1;
  int64_t lines_ = 0;
  int64_t cost_nanousd_ = 0;
};

}  // namespace bursar::cli
