#include "cli/input.h"

#include <cerrno>
#include <fstream>
#include <iostream>
#include <sstream>
#include <system_error>

namespace bursar::cli {

StatusOr<std::string> ReadInput(const std::string& path) {
  errno = 0;
  std::ifstream file;
  if (path != "-") file.open(path);
  std::ostringstream text;
  text << (path == "-" ? std::cin.rdbuf() : file.rdbuf());
  // A folder can be opened, and only reading it fails; an empty file is no failure.
  if ((text.fail() && errno != 0) || (path != "-" && !file.is_open())) {
    return Status(StatusCode::kFailedPrecondition,
                  "cannot read " + path + ": " + std::generic_category().message(errno));
  }
  return text.str();
}

}  // namespace bursar::cli
