#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace bursar::testing {

// Standard output is a terminal for a while: a real one that knows colours. What a
// test writes to a stream of its own does not go there.
class Terminal {
 public:
  explicit Terminal(unsigned short columns = 80)
      : master_(posix_openpt(O_RDWR | O_NOCTTY)), before_(dup(STDOUT_FILENO)) {
    grantpt(master_);
    unlockpt(master_);
    const winsize size = {.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ioctl(master_, TIOCSWINSZ, &size);
    const int slave = open(ptsname(master_), O_RDWR | O_NOCTTY);
    dup2(slave, STDOUT_FILENO);
    close(slave);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
  }
  ~Terminal() {
    dup2(before_, STDOUT_FILENO);
    close(before_);
    close(master_);
    unsetenv("TERM");
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

 private:
  int master_;
  int before_;
};

}  // namespace bursar::testing
