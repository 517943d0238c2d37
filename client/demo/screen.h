#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "cli/palette.h"

namespace bursar::demo {

// Standard output with one live line at its foot: redrawn in place on a terminal, else printed anew
// every two seconds. Safe for use by many threads at once.
class Screen {
 public:
  Screen();

  const cli::Palette& palette() const { return palette_; }

  // Prints text above the live line; adds the line break where it has none.
  void Print(const std::string& text);

  // Shows the live line.
  void ShowProgress(const std::string& line);

  // Prints the live line for good.
  void EndProgress(const std::string& line);

 private:
  bool terminal_;
  cli::Palette palette_;
  std::mutex mutex_;
  std::string line_;
  std::chrono::steady_clock::time_point last_shown_;
};

}  // namespace bursar::demo
