#pragma once

#include <chrono>
#include <ostream>
#include <string>

namespace bursar::cli {

// One line at the foot of a terminal that says how far something is; nothing where `live` is
// false. For one thread.
class ProgressLine {
 public:
  ProgressLine(std::ostream& out, bool live) : out_(out), live_(live) {}
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Whether it is time to show another: ten times a second.
  bool Due();
  void Show(const std::string& line);
  // Makes room for other lines; the next Show comes below them.
  void Clear();

 private:
  std::ostream& out_;
  const bool live_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_;
};

// "[#####-----]  42 %" of a fraction from 0 to 1.
std::string ProgressBar(double fraction);

}  // namespace bursar::cli
