#include "fuzz/mutation.h"

#include <algorithm>

namespace bursar::fuzz {
namespace {

constexpr size_t kBytesMax = 1 << 17;

const char* const kValues[] = {"0",
                               "-1",
                               "1.5",
                               "1e308",
                               "1e999",
                               "-0.0",
                               "1e-400",
                               "null",
                               "true",
                               "[]",
                               "{}",
                               "\"\"",
                               "\"\\u0000\"",
                               "\"\\ud800\"",
                               "9223372036854775808",
                               "1000000000001",
                               "0.00000000005",
                               "\"0.1\"",
                               "[[[[",
                               "}",
                               "\xff",
                               "\"*\"",
                               "\"a/b\"",
                               "\"(\"",
                               "\"2026-02-30\"",
                               "\"24:00:00Z\""};

size_t Below(size_t limit, std::mt19937_64& random) {
  return std::uniform_int_distribution<size_t>(0, limit == 0 ? 0 : limit - 1)(random);
}

// A value of JSON, from after a colon, bracket or comma to the next comma or bracket.
void ReplaceValue(std::string& text, std::mt19937_64& random) {
  const size_t before = text.find_first_of(":[,", Below(text.size(), random));
  if (before == std::string::npos) return;
  const size_t end = std::min(text.find_first_of(",]}", before + 1), text.size());
  text.replace(before + 1, end - before - 1, kValues[Below(std::size(kValues), random)]);
}

void Change(std::string& text, const std::string& other, std::mt19937_64& random) {
  const size_t at = Below(text.size() + 1, random);
  const size_t length = 1 + Below(Below(2, random) == 0 ? 8 : 256, random);
  switch (Below(7, random)) {
    case 0:
      if (at < text.size()) text[at] ^= static_cast<char>(1 << Below(8, random));
      return;
    case 1:
      text.erase(at, length);
      return;
    case 2:
      text.insert(at, text.substr(at, length));
      return;
    case 3:
      text.insert(at, other.substr(Below(other.size() + 1, random), length));
      return;
    case 4:
      text.insert(at, 1, static_cast<char>(Below(256, random)));
      return;
    default:
      ReplaceValue(text, random);
  }
}

}  // namespace

std::string Mutated(const std::vector<std::string>& seeds, std::mt19937_64& random) {
  std::string text = seeds[Below(seeds.size(), random)];
  const size_t changes = 1 + Below(8, random);
  for (size_t i = 0; i < changes; ++i) Change(text, seeds[Below(seeds.size(), random)], random);
  text.resize(std::min(text.size(), kBytesMax));
  return text;
}

}  // namespace bursar::fuzz
