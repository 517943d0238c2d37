#include "usage/quantities.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace bursar::usage {
namespace {

TEST(Quantities, SaysWhatItKnows) {
  for (const char* name :
       {"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
        "cache_write_5m_tokens", "cache_write_1h_tokens", "input_audio_tokens",
        "cache_audio_read_tokens", "output_reasoning_tokens", "input_tool_tokens",
        "input_image_tool_tokens", "output_text_tokens", "web_searches"}) {
    EXPECT_TRUE(IsQuantity(name)) << name;
  }
  for (const char* name : {"", "_tokens", "tokens_", "input", "cache_read", "reasoning_tokens",
                           "cache_audio_write_tokens", "Input_tokens", "input_\n_tokens", "s",
                           "web_search", "cache__read_tokens"}) {
    EXPECT_FALSE(IsQuantity(name)) << name;
  }
  EXPECT_FALSE(IsQuantity("input_" + std::string(64, 'x') + "_tokens"));
}

TEST(Quantities, NamesTheClassOrTheUnit) {
  const std::pair<const char*, const char*> cases[] = {
      {"input_tokens", "uncached_input"},
      {"output_tokens", "visible_output"},
      {"cache_read_tokens", "cache_read"},
      {"cache_write_tokens", "cache_write_5m"},
      {"cache_write_1h_tokens", "cache_write_1h"},
      {"output_reasoning_tokens", "reasoning"},
      {"input_audio_tokens", "input_audio"},
      {"cache_audio_read_tokens", "cache_read_audio"},
      {"output_citation_tokens", "output_citation"},
      {"input_text_tokens", ""},
      {"input_image_tool_tokens", ""},
      {"web_searches", "web_search"},
      {"requests", "request"},
      {"pages", "page"},
      {"queries", "query"},
      {"boxes", "box"},
  };
  for (const auto& [quantity, name] : cases) EXPECT_EQ(ClassOf(quantity), name);
}

// However the parts lie: the classes hold each token once.
TEST(Quantities, ClassesAddUpToTheWholes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto some = [&random](int64_t most) {
    return std::uniform_int_distribution<int64_t>(0, most)(random);
  };
  for (int i = 0; i < 2000; ++i) {
    const int64_t cached_audio = some(50), cached_text = some(50), written = some(50);
    const int64_t written_1h = some(written), audio = cached_audio + some(50), text = some(50);
    const int64_t reasoning = some(50), visible = some(50), citation = some(50);
    Quantities quantities;
    const std::pair<const char*, int64_t> said[] = {
        {"input_tokens", cached_text + written + audio},
        {"input_tokens", text},
        {"cache_read_tokens", cached_text + cached_audio},
        {"cache_audio_read_tokens", cached_audio},
        {"cache_write_tokens", written},
        {"cache_write_1h_tokens", written_1h},
        {"input_audio_tokens", audio},
        {"output_tokens", reasoning + visible + citation},
        {"output_reasoning_tokens", reasoning},
        {"output_citation_tokens", citation},
    };
    for (const auto& [name, count] : said) ASSERT_TRUE(quantities.Add(name, name, count).ok());
    const auto usage = quantities.Disjoint();
    ASSERT_TRUE(usage.ok()) << usage.status();
    EXPECT_EQ(usage->InputTokens(), cached_text + written + audio + text);
    EXPECT_EQ(usage->OutputTokens(), reasoning + visible + citation);
    EXPECT_EQ((*usage)[TokenClass::kUncachedInput], text);
    EXPECT_EQ((*usage)[TokenClass::kCacheRead], cached_text);
    EXPECT_EQ((*usage)[TokenClass::kInputAudio], audio - cached_audio);
    EXPECT_EQ((*usage)[TokenClass::kCacheWrite5m], written - written_1h);
    EXPECT_EQ((*usage)[TokenClass::kCacheWrite1h], written_1h);
    EXPECT_EQ((*usage)[TokenClass::kReasoning], reasoning);
    EXPECT_EQ((*usage)[TokenClass::kVisibleOutput], visible);
  }
}

}  // namespace
}  // namespace bursar::usage
