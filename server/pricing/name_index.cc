#include "pricing/name_index.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/match.h"

namespace bursar::pricing {

using usage::NamePattern;
using Kind = NamePattern::Kind;

PrefixIndex::PrefixIndex(std::vector<std::pair<std::string, uint32_t>> texts) {
  std::sort(texts.begin(), texts.end());
  for (auto& [text, place] : texts) {
    int shorter = static_cast<int>(texts_.size()) - 1;
    while (shorter >= 0 && !absl::StartsWith(text, texts_[shorter].text)) {
      shorter = texts_[shorter].shorter;
    }
    texts_.push_back({std::move(text), place, shorter});
  }
}

std::optional<uint32_t> PrefixIndex::Find(absl::string_view name, uint32_t from) const {
  // Whatever sorts between a prefix of the name and the name begins with that prefix too. So the
  // last text that is not after the name is, or begins with, the longest that we look for.
  const auto after = std::upper_bound(
      texts_.begin(), texts_.end(), name,
      [](absl::string_view wanted, const Text& text) { return wanted < text.text; });
  int at = static_cast<int>(after - texts_.begin()) - 1;
  while (at >= 0 && (texts_[at].place < from || !absl::StartsWith(name, texts_[at].text))) {
    at = texts_[at].shorter;
  }
  if (at < 0) return std::nullopt;
  return texts_[at].place;
}

size_t NameIndex::Pair(char first, char second) {
  return (static_cast<unsigned char>(first) * 31u + static_cast<unsigned char>(second)) % kPairs;
}

bool NameIndex::Before(const NamePattern& a, const NamePattern& b) {
  const auto rank = [](const NamePattern& p) {
    const bool exact = p.kind() == Kind::kExact;
    // Of expressions the case says something: \d is not \D.
    const std::string& text = p.kind() == Kind::kRegex ? p.text() : p.lowered();
    return std::make_tuple(!exact, exact ? 0 : -static_cast<int64_t>(text.size()),
                           static_cast<int>(p.kind()), std::cref(text));
  };
  return rank(a) < rank(b);
}

NameIndex::NameIndex(std::vector<NamePattern> patterns) : patterns_(std::move(patterns)) {
  std::vector<std::pair<std::string, uint32_t>> prefixes, parts;
  for (uint32_t place = 0; place < patterns_.size(); ++place) {
    const std::string& text = patterns_[place].lowered();
    switch (patterns_[place].kind()) {
      case Kind::kExact:
        exact_[text] = place;
        break;
      case Kind::kPrefix:
        prefixes.emplace_back(text, place);
        break;
      case Kind::kSuffix:
        suffixes_.push_back(place);
        break;
      case Kind::kContains:
        parts.emplace_back(text, place);
        if (text.size() < 2) {
          part_starts_.set();
        } else {
          part_starts_.set(Pair(text[0], text[1]));
        }
        break;
      case Kind::kRegex:
        regexes_.push_back(place);
        break;
    }
  }
  prefixes_ = PrefixIndex(std::move(prefixes));
  parts_ = PrefixIndex(std::move(parts));
}

std::optional<uint32_t> NameIndex::FindWithin(absl::string_view lowered, uint32_t from) const {
  std::optional<uint32_t> first;
  if (parts_.empty()) return first;
  const auto letter = [lowered](size_t i) { return i < lowered.size() ? lowered[i] : '\0'; };
  for (size_t start = 0; start <= lowered.size(); ++start) {
    if (!part_starts_[Pair(letter(start), letter(start + 1))]) continue;
    const auto found = parts_.Find(lowered.substr(start), from);
    if (found && (!first || *found < *first)) first = found;
  }
  return first;
}

std::optional<uint32_t> NameIndex::Find(absl::string_view lowered, uint32_t from) const {
  const auto exact = exact_.find(lowered);
  if (exact != exact_.end() && exact->second >= from) return exact->second;
  auto first = prefixes_.Find(lowered, from);
  const auto take = [&first](std::optional<uint32_t> found) {
    if (found && (!first || *found < *first)) first = found;
  };
  take(FindWithin(lowered, from));
  // One by one, in the order of their places; those behind what was found already need no look.
  for (const auto* one_by_one : {&suffixes_, &regexes_}) {
    for (auto place = std::lower_bound(one_by_one->begin(), one_by_one->end(), from);
         place != one_by_one->end() && (!first || *place < *first); ++place) {
      if (!patterns_[*place].Matches(lowered)) continue;
      first = *place;
      break;
    }
  }
  return first;
}

}  // namespace bursar::pricing
