#pragma once

#include <sched.h>
#include <sys/mount.h>

#include <cstddef>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace bursar::testing {

// Runs `test` where `folder` is a disk of its own with so many bytes (a tmpfs): writes to it end in
// ENOSPC. Only this thread and those that it starts see the disk, and it goes with them. False:
// the system does not let us mount, and the test was not run.
inline bool OnSmallDisk(const std::string& folder, size_t bytes,
                        const std::function<void()>& test) {
  bool mounted = false;
  std::thread([&] {
    const std::string options = "size=" + std::to_string(bytes);
    mounted = ::unshare(CLONE_NEWNS) == 0 &&
              ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
              ::mount("small", folder.c_str(), "tmpfs", 0, options.c_str()) == 0;
    if (mounted) test();
  }).join();
  return mounted;
}

// Takes all that is left of a disk, by a file on it.
inline void FillDisk(const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  for (size_t chunk = 65536; chunk > 0;) {
    file.write(std::string(chunk, 'x').data(), static_cast<std::streamsize>(chunk));
    if (file.flush()) continue;
    file.clear();
    chunk /= 2;
  }
}

}  // namespace bursar::testing
