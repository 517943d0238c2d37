#include "cli/display_width.h"

#include <algorithm>
#include <clocale>
#include <cwchar>

namespace bursar::cli {
namespace {

// Every byte but the continuation bytes of UTF-8 begins a character.
size_t Characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

}  // namespace

size_t DisplayWidth(std::string_view text) {
  // Not the user's own locale, which need not know UTF-8.
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == nullptr || IsAscii(text)) return Characters(text);
  const locale_t before = uselocale(utf8);
  size_t width = 0;
  std::mbstate_t state{};
  while (!text.empty()) {
    wchar_t character = 0;
    size_t bytes = std::mbrtowc(&character, text.data(), text.size(), &state);
    const bool known = bytes > 0 && bytes <= text.size();
    const int columns = known ? wcwidth(character) : 1;
    width += columns < 0 ? 1u : static_cast<size_t>(columns);
    if (!known) {  // a byte that is no UTF-8 is shown as one sign
      bytes = 1;
      state = {};
    }
    text.remove_prefix(bytes);
  }
  uselocale(before);
  return width;
}

}  // namespace bursar::cli
