#include "cli/palette.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace bursar::cli {

bool IsTerminal(int fd) {
  const char* terminal = std::getenv("TERM");
  const bool plain = terminal == nullptr || std::string_view(terminal) == "dumb";
  return isatty(fd) == 1 && !plain;
}

Palette PaletteFor(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const bool unwanted = no_color != nullptr && *no_color != '\0';
  return {IsTerminal(fd) && !unwanted};
}

}  // namespace bursar::cli
