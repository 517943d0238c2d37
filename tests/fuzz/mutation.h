#pragma once

#include <random>
#include <string>
#include <vector>

namespace bursar::fuzz {

// One of the seeds with one to eight changes: bytes flipped, cut out, repeated or put in; a piece
// of another seed; or, for texts of JSON, a value that is likely to be mistaken.
std::string Mutated(const std::vector<std::string>& seeds, std::mt19937_64& random);

}  // namespace bursar::fuzz
