#include "usage/provider_usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "usage/field_error.h"
#include "usage/limits.h"

namespace bursar::usage {
namespace {

using ::testing::HasSubstr;

JsonStep Field(const char* name) { return {name, std::nullopt}; }

JsonStep ElementWhose(const char* field, const char* is) {
  return {field, NameRule{{NamePattern::Make(NamePattern::Kind::kExact, is).value()}}};
}

UsageMapping Required(std::vector<JsonStep> path, const char* quantity) {
  return {std::move(path), quantity, /*required=*/true};
}

UsageMapping Optional(std::vector<JsonStep> path, const char* quantity) {
  return {std::move(path), quantity, /*required=*/false};
}

// As OpenAI's chat API says it: wholes and parts of them.
Extractor Chat() {
  return {"chat",
          {Field("usage")},
          {Field("model")},
          {Required({Field("prompt_tokens")}, "input_tokens"),
           Optional({Field("prompt_tokens_details"), Field("cached_tokens")}, "cache_read_tokens"),
           Optional({Field("prompt_tokens_details"), Field("audio_tokens")}, "input_audio_tokens"),
           Optional({Field("cached_audio")}, "cache_audio_read_tokens"),
           Optional({Field("prompt_text")}, "input_text_tokens"),
           Optional({Field("prompt_tool")}, "input_image_tool_tokens"),
           Required({Field("completion_tokens")}, "output_tokens"),
           Optional({Field("completion_tokens_details"), Field("reasoning_tokens")},
                    "output_reasoning_tokens"),
           Optional({Field("citations")}, "output_citation_tokens"),
           Optional({Field("searches")}, "web_searches")}};
}

// As Anthropic says it: the parts beside each other, and written tokens in two lots.
Extractor Messages() {
  return {"default",
          {Field("usage")},
          {Field("model")},
          {Required({Field("input_tokens")}, "input_tokens"),
           Optional({Field("cache_creation_input_tokens")}, "input_tokens"),
           Optional({Field("cache_read_input_tokens")}, "input_tokens"),
           Optional({Field("cache_creation_input_tokens")}, "cache_write_tokens"),
           Optional({Field("cache_creation"), Field("5m")}, "cache_write_5m_tokens"),
           Optional({Field("cache_creation"), Field("1h")}, "cache_write_1h_tokens"),
           Optional({Field("cache_read_input_tokens")}, "cache_read_tokens"),
           Required({Field("output_tokens")}, "output_tokens")}};
}

// As Google says it: kinds of tokens as the elements of an array.
Extractor Modalities() {
  auto count = [](const char* field, const char* modality) -> std::vector<JsonStep> {
    return {Field(field), ElementWhose("modality", modality), Field("tokenCount")};
  };
  return {"default",
          {Field("response"), Field("usageMetadata")},
          {Field("response"), Field("modelVersion")},
          {Required({Field("promptTokenCount")}, "input_tokens"),
           Optional({Field("cachedContentTokenCount")}, "cache_read_tokens"),
           Optional(count("cacheTokensDetails", "AUDIO"), "cache_audio_read_tokens"),
           Optional(count("promptTokensDetails", "AUDIO"), "input_audio_tokens"),
           Optional(count("promptTokensDetails", "VIDEO"), "input_video_tokens"),
           Optional({Field("candidatesTokenCount")}, "output_tokens")}};
}

TokenUsage Read(const Extractor& extractor, absl::string_view json) {
  const auto reading = ReadProviderUsage(extractor, json);
  EXPECT_TRUE(reading.ok()) << reading.status() << " " << json;
  return reading.ok() ? reading->tokens : TokenUsage{};
}

std::string ErrorOf(const Extractor& extractor, absl::string_view json) {
  const auto reading = ReadProviderUsage(extractor, json);
  EXPECT_EQ(reading.status().code(), absl::StatusCode::kInvalidArgument) << json;
  EXPECT_TRUE(reading.ok() || FieldOf(reading.status())) << json;
  return std::string(reading.status().message());
}

TokenUsage Tokens(std::initializer_list<std::pair<TokenClass, int64_t>> classes) {
  TokenUsage usage;
  for (const auto& [token_class, count] : classes) usage[token_class] = count;
  return usage;
}

TEST(ProviderUsage, TakesPartsOutOfTheirWholes) {
  TokenUsage expected = Tokens({{TokenClass::kUncachedInput, 100 - 60 - (30 - 10)},
                                {TokenClass::kCacheRead, 60 - 10},
                                {TokenClass::kInputAudio, 30 - 10},
                                {TokenClass::kVisibleOutput, 40 - 25 - 5},
                                {TokenClass::kReasoning, 25}});
  expected.other_tokens = {{"cache_read_audio", 10}, {"output_citation", 5}};
  expected.billed_units = {{"web_search", 3}};
  EXPECT_EQ(Read(Chat(), R"({"model": "gpt-4o", "usage": {
                 "prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140,
                 "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 30},
                 "cached_audio": 10, "prompt_text": 70, "prompt_tool": 7, "citations": 5,
                 "completion_tokens_details": {"reasoning_tokens": 25}, "searches": 3}})"),
            expected);
}

TEST(ProviderUsage, AddsUpFieldsOfOneQuantity) {
  EXPECT_EQ(Read(Messages(), R"({"usage": {"input_tokens": 10, "output_tokens": 4,
                 "cache_creation_input_tokens": 500, "cache_read_input_tokens": 2000,
                 "cache_creation": {"5m": 300, "1h": 150}}})"),
            Tokens({{TokenClass::kUncachedInput, 10},
                    {TokenClass::kCacheRead, 2000},
                    {TokenClass::kCacheWrite5m, 350},  // and 50 of which it says nothing
                    {TokenClass::kCacheWrite1h, 150},
                    {TokenClass::kVisibleOutput, 4}}));
}

TEST(ProviderUsage, TakesTheFirstElementThatMatches) {
  TokenUsage expected = Tokens({{TokenClass::kUncachedInput, 100 - 50 - (20 - 8)},
                                {TokenClass::kCacheRead, 50 - 8},
                                {TokenClass::kInputAudio, 20 - 8}});
  expected.other_tokens = {{"cache_read_audio", 8}};
  EXPECT_EQ(Read(Modalities(), R"({"response": {"usageMetadata": {"promptTokenCount": 100,
                 "cachedContentTokenCount": 50,
                 "cacheTokensDetails": [7, {"modality": 3}, {"modality": "audio", "tokenCount": 8}],
                 "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 80},
                   {"tokenCount": 1}, {"modality": "AUDIO", "tokenCount": 20},
                   {"modality": "AUDIO", "tokenCount": 99}]}}})"),
            expected);
}

TEST(ProviderUsage, AWholeThatWasNotSaidIsTheSumOfItsParts) {
  TokenUsage expected = Tokens({{TokenClass::kUncachedInput, 92}});
  expected.other_tokens = {{"cache_read_audio", 8}};
  EXPECT_EQ(Read(Modalities(), R"({"response": {"usageMetadata": {"promptTokenCount": 100,
                 "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 8}]}}})"),
            expected);
}

TEST(ProviderUsage, NullAndEmptyAreAsAbsent) {
  const TokenUsage expected =
      Tokens({{TokenClass::kUncachedInput, 7}, {TokenClass::kVisibleOutput, 0}});
  for (const char* details : {"null", "{}", "[]", R"({"cached_tokens": null})",
                              R"({"cached_tokens": 0, "new_field": [1, {"a": "b"}]})"}) {
    EXPECT_EQ(Read(Chat(), absl::StrCat(
                               R"({"usage": {"prompt_tokens": 7, "completion_tokens": 0,
                                   "prompt_tokens_details": )",
                               details, "}}")),
              expected)
        << details;
  }
}

TEST(ProviderUsage, ReadsTheWholeAnswerOrAnInnerPartOfIt) {
  const struct {
    const char *json, *model;
  } cases[] = {
      {R"({"response": {"modelVersion": "gemini", "usageMetadata": {"promptTokenCount": 5}}})",
       "gemini"},
      {R"({"modelVersion": "gemini", "usageMetadata": {"promptTokenCount": 5}})", "gemini"},
      {R"({"usageMetadata": {"promptTokenCount": 5}})", ""},
      {R"({"promptTokenCount": 5})", ""},
      {R"({"promptTokenCount": 5, "modelVersion": 7})", ""},
  };
  for (const auto& c : cases) {
    const auto reading = ReadProviderUsage(Modalities(), c.json);
    ASSERT_TRUE(reading.ok()) << reading.status() << " " << c.json;
    EXPECT_EQ(reading->model, c.model) << c.json;
    EXPECT_EQ(reading->tokens, Tokens({{TokenClass::kUncachedInput, 5}})) << c.json;
  }
}

TEST(ProviderUsage, NamesTheRequiredFieldThatIsMissing) {
  EXPECT_EQ(ErrorOf(Chat(), R"({"model": "gpt-4o", "usage": {"completion_tokens": 1}})"),
            "usage.prompt_tokens: is missing; it must be a whole number from 0 to 10^12");
  EXPECT_EQ(ErrorOf(Chat(), R"({"usage": {"prompt_tokens": 1, "completion_tokens": null}})"),
            "usage.completion_tokens: is missing; it must be a whole number from 0 to 10^12");
  for (const char* json : {R"({"model": "gpt-4o"})", R"({"usage": null})", R"({"usage": 7})", "{}",
                           R"({"usage": [{"prompt_tokens": 1, "completion_tokens": 1}]})"}) {
    EXPECT_EQ(ErrorOf(Chat(), json), "usage: is missing; it must be an object with the tokens used")
        << json;
  }
}

TEST(ProviderUsage, RefusesWhatIsNoCount) {
  const std::pair<const char*, const char*> cases[] = {
      {"-1", "is -1"},
      {"1.5", "is 1.5"},
      {"true", "is true"},
      {R"("12")", "is text"},
      {"[1]", "is an array"},
      {"{}", "is an object"},
      {"1000000000001", "is 1000000000001"},
      {"18446744073709551616", "is 1.8446744073709552e+19"},
      {"1e300", "is 1e+300"},
      {"-9223372036854775808", "is -9223372036854775808"},
  };
  for (const auto& [value, shown] : cases) {
    EXPECT_EQ(
        ErrorOf(Chat(), absl::StrCat(R"({"usage": {"prompt_tokens": )", value,
                                     R"(, "completion_tokens": 1}})")),
        absl::StrCat("usage.prompt_tokens: ", shown, "; must be a whole number from 0 to 10^12"));
  }
}

TEST(ProviderUsage, ReadsWholeNumbersHoweverTheyAreWritten) {
  const std::pair<const char*, int64_t> cases[] = {
      {"12", 12},
      {"12.0", 12},
      {"1.2e1", 12},
      {"-0", 0},
      {"-0.0", 0},
      {"1000000000000", 1'000'000'000'000},
      {"1e12", 1'000'000'000'000},
  };
  for (const auto& [text, count] : cases) {
    EXPECT_EQ(Read(Chat(), absl::StrCat(R"({"usage": {"prompt_tokens": )", text,
                                        R"(, "completion_tokens": 0}})")),
              Tokens({{TokenClass::kUncachedInput, count}}))
        << text;
  }
}

TEST(ProviderUsage, NamesPartsThatAreLargerThanTheirWhole) {
  EXPECT_EQ(ErrorOf(Chat(), R"({"usage": {"prompt_tokens": 10, "completion_tokens": 1,
                                "prompt_tokens_details": {"cached_tokens": 11}}})"),
            "usage.prompt_tokens: is 10, less than its parts: "
            "usage.prompt_tokens_details.cached_tokens (11)");
  EXPECT_EQ(ErrorOf(Chat(), R"({"usage": {"prompt_tokens": 10, "completion_tokens": 1,
                                "prompt_tokens_details": {"cached_tokens": 6,
                                  "audio_tokens": 5}}})"),
            "usage.prompt_tokens: is 10, less than its parts: "
            "usage.prompt_tokens_details.cached_tokens (6), "
            "usage.prompt_tokens_details.audio_tokens (5)");
  EXPECT_EQ(ErrorOf(Chat(), R"({"usage": {"prompt_tokens": 10, "completion_tokens": 1,
                                "completion_tokens_details": {"reasoning_tokens": 2}}})"),
            "usage.completion_tokens: is 1, less than its parts: "
            "usage.completion_tokens_details.reasoning_tokens (2)");
  EXPECT_EQ(ErrorOf(Messages(), R"({"usage": {"input_tokens": 1, "output_tokens": 0,
                    "cache_creation_input_tokens": 5, "cache_creation": {"5m": 3, "1h": 3}}})"),
            "usage.cache_creation_input_tokens: is 5, less than its parts: "
            "usage.cache_creation.5m (3), usage.cache_creation.1h (3)");
  EXPECT_EQ(
      ErrorOf(Modalities(), R"({"response": {"usageMetadata": {"promptTokenCount": 10,
                    "cachedContentTokenCount": 9,
                    "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
                    "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}]}}})"),
      "response.usageMetadata.promptTokensDetails[modality=AUDIO].tokenCount: is 3, less than "
      "its parts: response.usageMetadata.cacheTokensDetails[modality=AUDIO].tokenCount (4)");
}

TEST(ProviderUsage, ComparesPartsThatHaveNoPriceWithTheirWholeToo) {
  EXPECT_THAT(ErrorOf(Chat(), R"({"usage": {"prompt_tokens": 10, "completion_tokens": 1,
                                  "prompt_text": 11}})"),
              HasSubstr("usage.prompt_text (11)"));
  EXPECT_THAT(ErrorOf(Chat(), R"({"usage": {"prompt_tokens": 10, "completion_tokens": 1,
                                  "prompt_tool": 11}})"),
              HasSubstr("usage.prompt_tool (11)"));
}

TEST(ProviderUsage, RefusesSumsBeyondTheLargestCount) {
  EXPECT_EQ(ErrorOf(Messages(), R"({"usage": {"input_tokens": 600000000000, "output_tokens": 0,
                    "cache_read_input_tokens": 600000000000}})"),
            "usage.input_tokens + usage.cache_read_input_tokens: is 1200000000000; "
            "allowed are 0 to 10^12");
}

TEST(ProviderUsage, NamesAFieldOfAnotherShape) {
  EXPECT_EQ(ErrorOf(Chat(), R"({"usage": {"prompt_tokens": 1, "completion_tokens": 1,
                                "prompt_tokens_details": 5}})"),
            "usage.prompt_tokens_details: is 5; must be an object");
  EXPECT_EQ(ErrorOf(Modalities(), R"({"response": {"usageMetadata": {"promptTokenCount": 1,
                    "promptTokensDetails": {"AUDIO": 1}}}})"),
            "response.usageMetadata.promptTokensDetails: is an object; must be an array");
}

TEST(ProviderUsage, RefusesWhatIsNoJsonObject) {
  for (const char* json : {"", "null", "[]", "7", "\"usage\"", "{", "{\"usage\": }",
                           "{\"usage\": {\"prompt_tokens\": 1}} x", "{\"usage\": NaN}",
                           "\xff\xfe{}", "{\"a\": \"\xff\"}"}) {
    EXPECT_EQ(ErrorOf(Chat(), json),
              "json: must be a JSON object: the provider's answer, or its model and usage")
        << json;
  }
}

TEST(ProviderUsage, RefusesLongDocumentsAndSurvivesDeepOnes) {
  std::string large = R"({"usage": {"prompt_tokens": 1, "completion_tokens": 1}})";
  large.resize(kProviderUsageBytesMax, ' ');
  EXPECT_TRUE(ReadProviderUsage(Chat(), large).ok());
  large += ' ';
  EXPECT_EQ(ErrorOf(Chat(), large), "json: has 65537 bytes; at most 65536 are allowed");
  const std::string open(30'000, '['), close(30'000, ']');
  EXPECT_THAT(ErrorOf(Chat(), open), HasSubstr("must be a JSON object"));
  EXPECT_EQ(ErrorOf(Chat(), absl::StrCat(R"({"usage": {"prompt_tokens": )", open, close, "}}")),
            "usage.prompt_tokens: is an array; must be a whole number from 0 to 10^12");
  EXPECT_TRUE(ReadProviderUsage(Chat(), absl::StrCat(R"({"usage": {"prompt_tokens": 1,
                                 "completion_tokens": 1, "x": )",
                                                     open, close, "}}"))
                  .ok());
}

}  // namespace
}  // namespace bursar::usage
