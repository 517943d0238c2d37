#include "cli/bars.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "cli/palette.h"
#include "cli/parse.h"

namespace bursar::cli {
namespace {

constexpr int kEighths = 8;
constexpr const char* kBlocks[kEighths] = {"",       "\u258f", "\u258e", "\u258d",
                                           "\u258c", "\u258b", "\u258a", "\u2589"};
constexpr char kFullBlock[] = "\u2588";

std::string BlockBar(double columns) {
  const auto eighths = std::max(1L, std::lround(columns * kEighths));
  std::string bar;
  for (long i = 0; i < eighths / kEighths; ++i) bar += kFullBlock;
  return bar + kBlocks[eighths % kEighths];
}

std::string AsciiBar(double columns) {
  return std::string(static_cast<size_t>(std::max(1L, std::lround(columns))), '#');
}

}  // namespace

BarSigns BarSignsOfLocale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string locale = Lower(value);
    const bool utf8 =
        locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    return utf8 ? BarSigns::kBlocks : BarSigns::kAscii;
  }
  return BarSigns::kAscii;
}

std::optional<size_t> TerminalColumns(int fd) {
  constexpr size_t kColumnsUnknown = 80;
  if (!IsTerminal(fd)) return std::nullopt;
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kColumnsUnknown;
  return size.ws_col;
}

std::vector<std::string> Bars(const std::vector<int64_t>& values, size_t columns, BarSigns signs) {
  const int64_t largest = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  std::vector<std::string> bars;
  for (const int64_t value : values) {
    if (value <= 0 || columns == 0) {
      bars.emplace_back();
      continue;
    }
    const double share = static_cast<double>(value) / static_cast<double>(largest);
    const double wanted = share * static_cast<double>(columns);
    bars.push_back(signs == BarSigns::kBlocks ? BlockBar(wanted) : AsciiBar(wanted));
  }
  return bars;
}

}  // namespace bursar::cli
