#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bursar::cli {

// The candidate that is fewest letters inserted, left out, changed or swapped away from `word`;
// empty where none is near (a third of its letters, at least 2).
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace bursar::cli
