#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string_view>

namespace bursar::testing {

// Standard input is something else for a while.
class StandardInput {
 public:
  // Takes `file`, a descriptor, for itself.
  explicit StandardInput(int file) : before_(dup(STDIN_FILENO)) {
    dup2(file, STDIN_FILENO);
    close(file);
  }
  ~StandardInput() {
    dup2(before_, STDIN_FILENO);
    close(before_);
    std::clearerr(stdin);
    std::cin.clear();
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 private:
  int before_;
};

// A file that has this text, open at its beginning.
inline int FileOf(std::string_view text) {
  const int file = memfd_create("text", MFD_CLOEXEC);
  for (size_t at = 0; at < text.size();) {
    const ssize_t count = write(file, text.data() + at, text.size() - at);
    if (count <= 0) break;
    at += static_cast<size_t>(count);
  }
  lseek(file, 0, SEEK_SET);
  return file;
}

}  // namespace bursar::testing
