#include "cli/palette.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace bursar::cli {

Palette PaletteFor(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool unwanted = no_color != nullptr && *no_color != '\0';
  const bool plain = terminal == nullptr || std::string_view(terminal) == "dumb";
  return {isatty(fd) == 1 && !unwanted && !plain};
}

}  // namespace bursar::cli
