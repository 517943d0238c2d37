#include "cli/progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace bursar::cli {
namespace {

constexpr char kClearLine[] = "\r\033[K";
constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr size_t kBarColumns = 20;

// As much as fits one line: a line that wraps could not be redrawn in place.
std::string Fitting(const std::string& line) {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return line;
  return line.substr(0, size.ws_col - 1u);
}

}  // namespace

bool ProgressLine::Due() { return live_ && std::chrono::steady_clock::now() - last_ >= kInterval; }

void ProgressLine::Show(const std::string& line) {
  if (!live_) return;
  out_ << kClearLine << Fitting(line) << std::flush;
  shown_ = true;
  last_ = std::chrono::steady_clock::now();
}

void ProgressLine::Clear() {
  if (shown_) out_ << kClearLine << std::flush;
  shown_ = false;
  last_ = {};
}

std::string ProgressBar(double fraction) {
  fraction = std::clamp(fraction, 0.0, 1.0);
  const auto full = static_cast<size_t>(fraction * kBarColumns);
  const std::string percent = std::to_string(static_cast<int>(fraction * 100));
  return "[" + std::string(full, '#') + std::string(kBarColumns - full, '-') + "] " +
         std::string(3 - std::min<size_t>(percent.size(), 3), ' ') + percent + " %";
}

}  // namespace bursar::cli
