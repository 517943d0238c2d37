#include "cli/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>

namespace bursar::cli {
namespace {

// The end of the pipe into which a handler writes which signal it was. A handler knows nothing but
// what is global.
std::atomic<int> write_end = -1;

void Note(int signal) {
  const int error = errno;
  const auto byte = static_cast<unsigned char>(signal);
  // A full pipe has thousands of signals that nobody has read: one more says nothing new.
  [[maybe_unused]] const ssize_t written = write(write_end, &byte, 1);
  errno = error;
}

}  // namespace

Signals::Signals(std::initializer_list<int> signals) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe");
  }
  read_end_ = ends[0];
  write_end = ends[1];
  for (const int signal : signals) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    // Who ignores SIGCHLD is told of no child, and never learns how it ended.
    if (before.sa_handler == SIG_IGN && signal != SIGCHLD) continue;
    struct sigaction action {};
    action.sa_handler = Note;
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
    before_.emplace_back(signal, before);
  }
}

Signals::~Signals() {
  for (const auto& [signal, before] : before_) sigaction(signal, &before, nullptr);
  close(write_end.exchange(-1));
  close(read_end_);
}

int Signals::Wait(std::chrono::milliseconds longest) {
  const auto end = std::chrono::steady_clock::now() + longest;
  while (true) {
    unsigned char byte = 0;
    if (read(read_end_, &byte, 1) == 1) return byte;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return 0;
    pollfd waiting{.fd = read_end_, .events = POLLIN, .revents = 0};
    // A signal ends it too; then there is something to read.
    poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left.count(), 60'000)));
  }
}

}  // namespace bursar::cli
