#include "cli/usage_line.h"

#include <gtest/gtest.h>

namespace bursar::cli {
namespace {

std::string IdOf(const std::string& text, int64_t number, const std::string& name = "") {
  const auto line = ReadUsageLine(text, number, name);
  EXPECT_TRUE(line.ok()) << line.status().ToString();
  return line.ok() ? line->record.usage_id() : "";
}

TEST(ReadUsageLine, TakesBothSpellingsOfNames) {
  const char* kSpellings[] = {
      R"({"usageId": "u", "costNanousd": "7", "subject": {"rootRun": "r", "labels": {"a_b": "c"}},
          "tokens": {"uncachedInputTokens": 5}, "latency": "0.850s", "outcome": "OUTCOME_FAILED",
          "occurTime": "2026-11-22T14:00:00Z", "metadata": {"anyKey": [1, {"x": null}]}})",
      R"({"usage_id": "u", "cost_nanousd": 7, "subject": {"root_run": "r", "labels": {"a_b": "c"}},
          "tokens": {"uncached_input_tokens": "5"}, "latency": "0.850s", "outcome": 2,
          "occur_time": "2026-11-22T14:00:00Z", "metadata": {"anyKey": [1, {"x": null}]}})",
  };
  std::string first;
  for (const char* text : kSpellings) {
    const auto line = ReadUsageLine(text, 1, "");
    ASSERT_TRUE(line.ok()) << line.status().ToString();
    EXPECT_TRUE(line->id_is_own);
    EXPECT_EQ(line->record.cost_nanousd(), 7);
    EXPECT_EQ(line->record.latency().nanos(), 850'000'000);
    EXPECT_EQ(line->bytes, line->record.ByteSizeLong());
    const std::string debug = line->record.ShortDebugString();
    EXPECT_EQ(first.empty() ? debug : first, debug);
    first = debug;
  }
}

TEST(ReadUsageLine, TheSameLineOfTheSameImportHasTheSameId) {
  const std::string text = R"({"cost_nanousd": 7})";
  const std::string id = IdOf(text, 1);
  // Fixed for good: with another, whoever imports an old log again counts it twice.
  EXPECT_EQ(id, "097456a5-f6cd-8029-9a96-8ff8a00c9647");
  EXPECT_EQ(IdOf(text, 1), id);
  EXPECT_EQ(IdOf("  " + text + " \r", 1), id) << "blanks around it are no part of it";
  EXPECT_NE(IdOf(text, 2), id) << "two lines that say the same are two calls";
  EXPECT_NE(IdOf(text, 1, "monday"), id) << "another file";
  EXPECT_NE(IdOf(R"({"cost_nanousd": 8})", 1), id);
  EXPECT_EQ(IdOf(R"({"usage_id": "mine"})", 1), "mine");
}

TEST(ReadUsageLine, NamesWhatIsWrong) {
  const std::string form =
      "this is no JSON object; {\"usage_id\": \"u-1\", \"cost_nanousd\": \"4200000\"} on one line "
      "would be right";
  const std::pair<const char*, std::string> kCases[] = {
      {"{\"a\" 1}", form},
      {"[]", form},
      {"null", form},
      {"17", form},
      {"{} {}", form},
      {"{\"usage_id\": \"u\"", form},
      {"{\"usage_idd\": \"u\"}",
       "\"usage_idd\" is no field of a usage record; did you mean \"usageId\"?"},
      {"{\"tokens\": {\"input\": 1}}", "\"tokens.input\" is no field of a usage record"},
      {"{\"tokens\": {\"reasoningTokens\": \"many\"}}",
       "(tokens.reasoning_tokens): invalid value \"many\""},
      {"{\"outcome\": \"OUTCOME_GREAT\"}", "(outcome): invalid value \"OUTCOME_GREAT\""},
      {"{\"occur_time\": \"yesterday\"}", "(occur_time): invalid value"},
      {"{\"usage_id\": \"\xff\"}", form},
  };
  for (const auto& [text, message] : kCases) {
    const auto line = ReadUsageLine(text, 1, "");
    ASSERT_FALSE(line.ok()) << text;
    EXPECT_EQ(line.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(line.status().message().substr(0, message.size()), message) << text;
    EXPECT_EQ(line.status().message().find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace bursar::cli
