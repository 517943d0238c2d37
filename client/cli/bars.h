#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bursar::cli {

// What bars are drawn with.
enum class BarSigns {
  kBlocks,  // Unicode's blocks, which go by eighths of a column
  kAscii,   // '#'
};

// Blocks where the locale that the environment names is one of UTF-8.
BarSigns BarSignsOfLocale();

// How wide the terminal is, 80 where it does not say; nothing where `fd` is none.
std::optional<size_t> TerminalColumns(int fd);

// A bar for each value, in proportion to the largest, which gets all `columns`. What is more than 0
// can be seen; 0 and what is less, as corrections may be, has none.
std::vector<std::string> Bars(const std::vector<int64_t>& values, size_t columns, BarSigns signs);

}  // namespace bursar::cli
