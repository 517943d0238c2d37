#include "cli/live_screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <sstream>

namespace bursar::cli {
namespace {

// The other screen, without cursor, and lines that are cut off instead of broken: a line that
// takes two would push the others out.
constexpr char kEnter[] = "\033[?1049h\033[?25l\033[?7l";
constexpr char kLeave[] = "\033[?7h\033[?25h\033[?1049l";
constexpr char kHome[] = "\033[H";
constexpr char kClearLine[] = "\033[K";
constexpr char kClearBelow[] = "\033[J";
constexpr int kRowsUnknown = 24;

int Rows() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return kRowsUnknown;
  return size.ws_row;
}

}  // namespace

LiveScreen::LiveScreen(std::ostream& out) : out_(out) { out_ << kEnter << std::flush; }

LiveScreen::~LiveScreen() { out_ << kLeave << std::flush; }

void LiveScreen::Show(const std::string& body, const std::string& foot) {
  std::istringstream lines(body);
  std::string shown = kHome;
  std::string line;
  for (int row = 1; row < Rows() && std::getline(lines, line); ++row) {
    shown += line + kClearLine + "\r\n";
  }
  out_ << shown << foot << kClearLine << kClearBelow << std::flush;
}

}  // namespace bursar::cli
