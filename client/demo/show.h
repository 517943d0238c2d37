#pragma once

#include <cstdint>
#include <string>

namespace bursar::demo {

struct ShowOptions {
  int calls = 2000;
  uint64_t seed = 1;
  std::string trace;  // empty: Azure's where it lies beside the project, else drawn
  bool keep = false;
  std::string server_binary;
};

// The whole demo; returns the exit code.
int Show(const ShowOptions& options);

}  // namespace bursar::demo
