#include "cli/input.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <system_error>
#include <vector>

#include "src/text.h"

namespace bursar::cli {
namespace {

constexpr size_t kChunkBytes = 64 << 10;

std::string SizeText(size_t bytes) {
  if (bytes % (1 << 20) == 0) return std::to_string(bytes >> 20) + " MiB";
  return internal::FormatCount(static_cast<int64_t>(bytes)) + " bytes";
}

}  // namespace

StatusOr<std::string> ReadInput(const std::string& path, size_t bytes_max) {
  errno = 0;
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : file;
  std::string text;
  std::vector<char> chunk(kChunkBytes);
  do {
    in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    text.append(chunk.data(), static_cast<size_t>(in.gcount()));
  } while (in.good() && text.size() <= bytes_max);
  // A folder can be opened, and only reading it fails; an empty file is no failure.
  if (in.bad() || (text.empty() && errno != 0) || (path != "-" && !file.is_open())) {
    return Status(StatusCode::kFailedPrecondition,
                  "cannot read " + path + ": " + std::generic_category().message(errno));
  }
  if (text.size() > bytes_max) {
    return Status(StatusCode::kInvalidArgument, InputName(path) + " is longer than " +
                                                    SizeText(bytes_max) +
                                                    ", which is the most that is taken");
  }
  return text;
}

std::string InputName(const std::string& path) { return path == "-" ? "standard input" : path; }

}  // namespace bursar::cli
