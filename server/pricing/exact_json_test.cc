#include "pricing/exact_json.h"

#include <gtest/gtest.h>

#include <string>

namespace bursar::pricing {
namespace {

using Json = nlohmann::json;

TEST(ExactJson, KeepsNumbersAsTheyWereWritten) {
  const auto json = ParseExactJson(
      R"({"a": 2.5, "b": 1e-7, "c": [0.18000000000000002, -3.0], "d": 18446744073709551616,
          "e": 18446744073709551615, "f": -7, "g": "2.50", "h": {"i": null, "j": [true, false]}})");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(*json, (Json{{"a", "2.5"},
                         {"b", "1e-7"},
                         {"c", {"0.18000000000000002", "-3.0"}},
                         {"d", "18446744073709551616"},
                         {"e", uint64_t{18446744073709551615u}},
                         {"f", -7},
                         {"g", "2.50"},
                         {"h", {{"i", nullptr}, {"j", {true, false}}}}}));
}

TEST(ExactJson, ReadsValuesThatAreNoObject) {
  EXPECT_EQ(ParseExactJson("3.10").value(), Json("3.10"));
  EXPECT_EQ(ParseExactJson(" [] ").value(), Json::array());
}

TEST(ExactJson, SaysWhereTheMistakeIs) {
  EXPECT_EQ(ParseExactJson(R"({"a": 1,})").status().message(),
            "the document is no JSON; the mistake is at byte 9");
  for (const char* text : {"", "{", "[1, 2", "{\"a\" 1}", "[1] 2", "nan", "\"\xff\"", "[01]"}) {
    EXPECT_EQ(ParseExactJson(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(ExactJson, RefusesDeepDocuments) {
  EXPECT_TRUE(ParseExactJson(std::string(64, '[') + std::string(64, ']')).ok());
  EXPECT_EQ(ParseExactJson(std::string(65, '[') + std::string(65, ']')).status().message(),
            "the document is nested more than 64 deep");
  EXPECT_FALSE(ParseExactJson(std::string(1'000'000, '[')).ok());
}

}  // namespace
}  // namespace bursar::pricing
