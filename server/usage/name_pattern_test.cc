#include "usage/name_pattern.h"

#include <gtest/gtest.h>

namespace bursar::usage {
namespace {

using Kind = NamePattern::Kind;

NamePattern Pattern(Kind kind, absl::string_view text) {
  return NamePattern::Make(kind, text).value();
}

TEST(NamePattern, MatchesWhatItsKindSays) {
  const struct {
    Kind kind;
    const char *text, *name;
    bool matches;
  } cases[] = {
      {Kind::kExact, "gpt-4o", "gpt-4o", true},
      {Kind::kExact, "gpt-4o", "gpt-4o-mini", false},
      {Kind::kPrefix, "gpt-4o", "gpt-4o-mini", true},
      {Kind::kPrefix, "gpt-4o", "my-gpt-4o", false},
      {Kind::kPrefix, "", "anything", true},
      {Kind::kSuffix, ":free", "meta/llama-3:free", true},
      {Kind::kSuffix, ":free", ":free-trial", false},
      {Kind::kContains, "claude", "us.anthropic.claude-v2", true},
      {Kind::kContains, "claude", "cloud", false},
      {Kind::kRegex, "^gpt-[45]o?$", "gpt-4o", true},
      {Kind::kRegex, "^gpt-[45]o?$", "gpt-4o-mini", false},
      {Kind::kRegex, "4o", "gpt-4o-mini", true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Pattern(c.kind, c.text).Matches(c.name), c.matches) << c.text << " and " << c.name;
  }
}

TEST(NamePattern, TheCaseOfItsOwnLettersMakesNoDifference) {
  for (Kind kind : {Kind::kExact, Kind::kPrefix, Kind::kSuffix, Kind::kContains, Kind::kRegex}) {
    EXPECT_TRUE(Pattern(kind, "Qwen/QwQ-32B").Matches("qwen/qwq-32b")) << static_cast<int>(kind);
  }
  EXPECT_EQ(Pattern(Kind::kExact, "Qwen").text(), "Qwen");
  EXPECT_TRUE(Pattern(Kind::kRegex, R"(^\S+-\D$)").Matches("qwen-b"));
}

TEST(NamePattern, RefusesWhatIsNoExpression) {
  for (const char* text : {"(", "a{2000}", "(?<=x)y", "[", "((((a{100}){100}){100}){100})"}) {
    const auto made = NamePattern::Make(Kind::kRegex, text);
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(NamePattern::Make(Kind::kRegex, "(").status().message(),
            "\"(\" is no regular expression of RE2: missing ): (");
  EXPECT_TRUE(NamePattern::Make(Kind::kContains, "(").ok());
}

TEST(NamePattern, ARuleIsAnyOfItsRowsAndAllOfARow) {
  const NameRule rule = {
      {Pattern(Kind::kContains, "huggingface"), Pattern(Kind::kContains, "groq")},
      {Pattern(Kind::kExact, "hf-groq")}};
  EXPECT_TRUE(Matches(rule, "huggingface_groq"));
  EXPECT_TRUE(Matches(rule, "hf-groq"));
  EXPECT_FALSE(Matches(rule, "groq"));
  EXPECT_FALSE(Matches(rule, "huggingface"));
  EXPECT_FALSE(Matches(NameRule{}, "groq"));
}

TEST(NamePattern, SurvivesNamesThatAreNoText) {
  EXPECT_FALSE(Pattern(Kind::kRegex, "^gpt.$").Matches(absl::string_view("gpt\xff", 4)));
  EXPECT_FALSE(Pattern(Kind::kExact, "gpt").Matches(absl::string_view("gpt\0", 4)));
}

}  // namespace
}  // namespace bursar::usage
