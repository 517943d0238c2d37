#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "usage/name_pattern.h"

namespace bursar::pricing {

// Finds the longest of many texts that a name begins with, by one binary search.
class PrefixIndex {
 public:
  // Each with its place; places are smaller for longer texts.
  explicit PrefixIndex(std::vector<std::pair<std::string, uint32_t>> texts = {});

  bool empty() const { return texts_.empty(); }
  // The smallest place from `from` on whose text the name begins with.
  std::optional<uint32_t> Find(absl::string_view name, uint32_t from) const;

 private:
  struct Text {
    std::string text;
    uint32_t place;
    int shorter;  // the next shorter text that this one begins with; -1: none
  };
  std::vector<Text> texts_;  // sorted
};

// Which of many patterns comes first for a name: the exact one, else the longest. Does not allocate
// and takes well under a microsecond for hundreds of patterns.
class NameIndex {
 public:
  // `patterns` in the order of Before.
  explicit NameIndex(std::vector<usage::NamePattern> patterns = {});

  // Exact names first, then longer before shorter texts, then by kind and text.
  static bool Before(const usage::NamePattern& a, const usage::NamePattern& b);

  size_t size() const { return patterns_.size(); }
  const usage::NamePattern& operator[](size_t place) const { return patterns_[place]; }

  // The first of the patterns from `from` on that matches.
  std::optional<uint32_t> Find(absl::string_view lowered, uint32_t from = 0) const;

 private:
  static constexpr size_t kPairs = 4096;
  static size_t Pair(char first, char second);
  std::optional<uint32_t> FindWithin(absl::string_view lowered, uint32_t from) const;

  std::vector<usage::NamePattern> patterns_;
  absl::flat_hash_map<std::string, uint32_t> exact_;
  PrefixIndex prefixes_, parts_;
  std::bitset<kPairs> part_starts_;  // the first two letters of any of parts_, hashed
  std::vector<uint32_t> suffixes_, regexes_;
};

}  // namespace bursar::pricing
