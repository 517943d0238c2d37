#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace bursar::cli {

// The command `bursar`, whole: `arguments` without the program's name. Returns the exit code
// (cli/command.h says which).
int RunProgram(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

}  // namespace bursar::cli
