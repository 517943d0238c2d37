#pragma once

#include <string>

namespace bursar::cli {

// Colours for a terminal; `on` false leaves every text as it is.
struct Palette {
  bool on = false;

  std::string Bold(const std::string& text) const { return Wrap("1", text); }
  std::string Dim(const std::string& text) const { return Wrap("2", text); }
  std::string Red(const std::string& text) const { return Wrap("31", text); }
  std::string Green(const std::string& text) const { return Wrap("32", text); }
  std::string Yellow(const std::string& text) const { return Wrap("33", text); }

 private:
  std::string Wrap(const char* code, const std::string& text) const {
    return on ? "\033[" + std::string(code) + "m" + text + "\033[0m" : text;
  }
};

// Whether file descriptor `fd` is a terminal that understands escape sequences.
bool IsTerminal(int fd);

// On where file descriptor `fd` is one and NO_COLOR is not set.
Palette PaletteFor(int fd);

}  // namespace bursar::cli
