#pragma once

#include <ostream>
#include <string>

namespace bursar::cli {

// The whole terminal for one text that is shown again and again. Its end brings back what stood
// there before. For one thread.
class LiveScreen {
 public:
  explicit LiveScreen(std::ostream& out);
  ~LiveScreen();
  LiveScreen(const LiveScreen&) = delete;
  LiveScreen& operator=(const LiveScreen&) = delete;

  // Shows `body` in place of what was shown before; what does not fit the terminal is left out,
  // but never `foot`, the last line.
  void Show(const std::string& body, const std::string& foot);

 private:
  std::ostream& out_;
};

}  // namespace bursar::cli
