#include "pricing/name_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"

namespace bursar::pricing {
namespace {

using usage::NamePattern;
using Kind = NamePattern::Kind;

NamePattern Pattern(Kind kind, const std::string& text) {
  return NamePattern::Make(kind, text).value();
}

NameIndex IndexOf(std::vector<NamePattern> patterns) {
  std::sort(patterns.begin(), patterns.end(), NameIndex::Before);
  return NameIndex(std::move(patterns));
}

std::string FirstOf(const NameIndex& index, const std::string& name) {
  const auto place = index.Find(name);
  return place ? index[*place].text() : "none";
}

TEST(NameIndex, TheExactNameComesFirstThenTheLongestTextOfAnyKind) {
  const NameIndex index = IndexOf({
      Pattern(Kind::kExact, "GPT-4o"),
      Pattern(Kind::kPrefix, "gpt-4"),
      Pattern(Kind::kPrefix, "gpt-4o-"),
      Pattern(Kind::kSuffix, "-audio"),
      Pattern(Kind::kContains, "-realtime-"),
      Pattern(Kind::kRegex, "^gpt-4o-(search|transcribe)"),
  });
  EXPECT_EQ(FirstOf(index, "gpt-4o"), "GPT-4o");
  EXPECT_EQ(FirstOf(index, "gpt-4"), "gpt-4");
  EXPECT_EQ(FirstOf(index, "gpt-4o-mini"), "gpt-4o-");
  EXPECT_EQ(FirstOf(index, "gpt-4o-realtime-x"), "-realtime-");
  EXPECT_EQ(FirstOf(index, "gpt-4o-search-x"), "^gpt-4o-(search|transcribe)");
  EXPECT_EQ(FirstOf(index, "gpt-4-audio"), "-audio");
  EXPECT_EQ(FirstOf(index, "gpt-5"), "none");
  EXPECT_EQ(FirstOf(index, ""), "none");
}

TEST(NameIndex, TiesGoByKindThenByText) {
  const auto first = [](std::vector<NamePattern> patterns) {
    const NameIndex index = IndexOf(std::move(patterns));
    return index[index.Find("abcabc").value()];
  };
  const auto prefix = Pattern(Kind::kPrefix, "abc"), suffix = Pattern(Kind::kSuffix, "abc"),
             part = Pattern(Kind::kContains, "bca"), other_part = Pattern(Kind::kContains, "abc"),
             regex = Pattern(Kind::kRegex, "a.c");
  EXPECT_EQ(first({regex, part, suffix, prefix}), prefix);
  EXPECT_EQ(first({regex, part, suffix}), suffix);
  EXPECT_EQ(first({regex, part, other_part}), other_part);
  EXPECT_EQ(first({regex, part}), part);
}

TEST(NameIndex, GoesOnFromAnyPlaceToTheNextThatMatches) {
  const NameIndex index = IndexOf({Pattern(Kind::kExact, "abc"), Pattern(Kind::kPrefix, "ab"),
                                   Pattern(Kind::kPrefix, "a"), Pattern(Kind::kPrefix, ""),
                                   Pattern(Kind::kPrefix, "x")});
  std::vector<std::string> found;
  for (auto place = index.Find("abc"); place; place = index.Find("abc", *place + 1)) {
    found.push_back(index[*place].text());
  }
  EXPECT_EQ(found, (std::vector<std::string>{"abc", "ab", "a", ""}));
}

// Against asking every pattern in turn; few letters, so that much matches.
TEST(NameIndex, FindsWhatAskingEachPatternInTurnFinds) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
  const auto text = [&random](size_t longest) {
    std::string letters(random() % (longest + 1), 'a');
    for (char& letter : letters) letter = "abc"[random() % 3];
    return letters;
  };
  int matched = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<NamePattern> patterns;
    for (int i = 0; i < 40; ++i) {
      patterns.push_back(Pattern(static_cast<Kind>(random() % 5), text(5)));
    }
    std::sort(patterns.begin(), patterns.end(), NameIndex::Before);
    patterns.erase(std::unique(patterns.begin(), patterns.end()), patterns.end());
    const NameIndex index(patterns);
    for (int i = 0; i < 40; ++i) {
      const std::string name = text(9);
      uint32_t from = random() % 3 == 0 ? random() % patterns.size() : 0;
      std::optional<uint32_t> expected;
      for (uint32_t place = from; place < patterns.size() && !expected; ++place) {
        if (patterns[place].Matches(name)) expected = place;
      }
      ASSERT_EQ(index.Find(name, from), expected) << name;
      matched += expected ? 1 : 0;
    }
  }
  EXPECT_GT(matched, 1000);
}

}  // namespace
}  // namespace bursar::pricing
