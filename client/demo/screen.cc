#include "demo/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

namespace bursar::demo {
namespace {

constexpr char kClearLine[] = "\r\033[K";
constexpr auto kPlainInterval = std::chrono::seconds(2);

// As much as fits one line of the terminal: a line that wraps could not be redrawn in place.
std::string Fitting(const std::string& line) {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return line;
  return line.substr(0, size.ws_col - 1u);
}

}  // namespace

Screen::Screen()
    : terminal_(isatty(STDOUT_FILENO) == 1),
      palette_(cli::PaletteFor(STDOUT_FILENO)),
      last_shown_(std::chrono::steady_clock::now()) {}

void Screen::Print(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (terminal_ && !line_.empty()) std::cout << kClearLine;
  std::cout << text;
  if (text.empty() || text.back() != '\n') std::cout << "\n";
  if (terminal_) std::cout << line_;
  std::cout << std::flush;
}

void Screen::ShowProgress(const std::string& line) {
  const std::lock_guard lock(mutex_);
  if (terminal_) {
    line_ = Fitting(line);
    std::cout << kClearLine << line_ << std::flush;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - last_shown_ < kPlainInterval) return;
  last_shown_ = now;
  std::cout << line << std::endl;
}

void Screen::EndProgress(const std::string& line) {
  const std::lock_guard lock(mutex_);
  if (terminal_) std::cout << kClearLine;
  line_.clear();
  std::cout << line << std::endl;
}

}  // namespace bursar::demo
