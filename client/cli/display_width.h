#pragma once

#include <cstddef>
#include <string_view>

namespace bursar::cli {

// How many columns of a terminal a text of UTF-8 takes: 2 for each ideograph and emoji, 0 for an
// accent that is written over the character before.
size_t DisplayWidth(std::string_view text);

}  // namespace bursar::cli
