// bursar prices against a real server: a model that is released today, from its first call to the
// day when its price is known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/server_process.h"
#include "support/test_database.h"

namespace bursar::testing {
namespace {

using ::testing::HasSubstr;

class PricesCommandTest : public ::testing::Test {
 protected:
  Finished Bursar(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), ProgramPath("bursar"));
    arguments.insert(arguments.end(), {"--endpoint", server_.address(), "--api-key-file", key_});
    return RunProgram(arguments);
  }
  nlohmann::json Json(std::vector<std::string> arguments, int exit_code = 0) {
    arguments.push_back("--json");
    const Finished finished = Bursar(std::move(arguments));
    EXPECT_EQ(finished.exit_code, exit_code) << finished.output;
    return nlohmann::json::parse(finished.output, nullptr, false);
  }
  std::string Cost(const std::string& model) {
    return Json({"costs", "--filter", "model=" + model})["total"]["costNanousd"];
  }
  std::string FileWith(const std::string& text) {
    const std::string path = folder_.path() + "/input.json";
    std::ofstream(path) << text;
    return path;
  }

  TestDatabase database_;
  TemporaryFolder folder_;
  std::string key_ = folder_.path() + "/admin.key";
  ServerProcess server_{{"--database-url", database_.url(), "--admin-key-file", key_}};
};

TEST_F(PricesCommandTest, UsageOfANewModelIsRepricedWhenItsPriceIsSet) {
  for (const char* id : {"u1", "u2"}) {
    const auto record = Json({"record", "--id", id, "--model", "acme/new-1", "--input-tokens",
                              "1000000", "--output-tokens", "1000000"});
    EXPECT_EQ(record["costBasis"], "COST_BASIS_UNPRICED");
  }
  EXPECT_EQ(Bursar({"prices", "show", "acme/new-1"}).exit_code, 1);
  const auto nothing = Json({"prices", "reprice", "--from", "2020-01-01", "--dry-run"});
  EXPECT_EQ(nothing["records"], "0");
  EXPECT_EQ(nothing["stillUnpriced"], "2");

  const Finished set = Bursar({"prices", "set", "acme/new-*", "--input", "0.1", "--output", "0.29",
                               "--unit", "web_search=10", "--tier", "batch", "--dry-run"});
  EXPECT_EQ(set.exit_code, 0) << set.output;
  EXPECT_THAT(set.output, HasSubstr("1 added, 0 changed, 0 unchanged"));
  EXPECT_EQ(Bursar({"prices", "show", "acme/new-1"}).exit_code, 1) << "a dry run";
  EXPECT_EQ(Bursar({"prices", "set", "acme/new-*", "--input", "0.1", "--output", "0.29"}).exit_code,
            0);
  const Finished show = Bursar({"prices", "show", "acme/new-1"});
  EXPECT_THAT(show.output, HasSubstr("input   $0.10 for 1M tokens\noutput  $0.29 for 1M tokens\n"));

  EXPECT_EQ(Cost("new-1"), "0") << "what is charged stays until somebody reprices it";
  const auto preview = Json({"prices", "reprice", "--from", "2020-01-01", "--dry-run"});
  EXPECT_EQ(preview["records"], "2");
  EXPECT_EQ(preview["deltaNanousd"], "780000000");
  EXPECT_EQ(Cost("new-1"), "0");
  const Finished done = Bursar({"prices", "reprice", "--from", "2020-01-01", "--yes"});
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_THAT(done.output, HasSubstr("2 records: $0.78 more in all"));
  EXPECT_EQ(Cost("new-1"), "780000000");
  EXPECT_EQ(Json({"prices", "reprice", "--from", "2020-01-01", "--yes"})["records"], "0");
}

TEST_F(PricesCommandTest, EveryFieldThatSetWritesIsReadBack) {
  const Finished set = Bursar({"prices",
                               "set",
                               "acme/all-*",
                               "--input",
                               "1",
                               "--output",
                               "2",
                               "--cache-read",
                               "3",
                               "--cache-write",
                               "4",
                               "--cache-write-1h",
                               "5",
                               "--reasoning",
                               "6",
                               "--input-audio",
                               "7",
                               "--output-audio",
                               "8",
                               "--input-image",
                               "9",
                               "--output-image",
                               "10",
                               "--other",
                               "input_video=11",
                               "--unit",
                               "web_search=12",
                               "--max-output-tokens",
                               "13",
                               "--tier",
                               "batch",
                               "--region",
                               "eu",
                               "--min-input-tokens",
                               "14",
                               "--from",
                               "2026-01-31",
                               "--hours",
                               "16:30-00:30",
                               "--source",
                               "theirs"});
  ASSERT_EQ(set.exit_code, 0) << set.output;
  auto price = Json({"prices", "list", "--model", "acme/all-1", "--all"})["prices"][0];
  EXPECT_EQ(price, nlohmann::json::parse(R"({
    "provider": "acme", "model": "all-*", "match": "", "serviceTier": "batch", "region": "eu",
    "minInputTokens": "14", "effectiveTime": "2026-01-31T00:00:00Z", "dailyStartUtc": "16:30",
    "dailyEndUtc": "00:30", "input": "1000000000", "output": "2000000000",
    "cacheRead": "3000000000", "cacheWrite5m": "4000000000", "cacheWrite1h": "5000000000",
    "reasoning": "6000000000", "inputAudio": "7000000000", "outputAudio": "8000000000",
    "inputImage": "9000000000", "outputImage": "10000000000",
    "other": {"input_video": "11000000000"}, "billedUnits": {"web_search": "12000000000"},
    "maxOutputTokens": "13", "sameAs": "", "source": "theirs"})"));
}

TEST_F(PricesCommandTest, AnAliasIsShownWithThePriceItHas) {
  ASSERT_EQ(Bursar({"prices", "set", "acme/ours", "--same-as", "openai/gpt-4o-mini"}).exit_code, 0);
  const Finished show = Bursar({"prices", "show", "acme/ours"});
  EXPECT_THAT(show.output, HasSubstr("priced as  openai/gpt-4o-mini\n"));
  EXPECT_THAT(show.output, HasSubstr("$0.15 for 1M tokens"));
}

TEST_F(PricesCommandTest, ALaterRowThatStillCountsIsNamed) {
  ASSERT_EQ(Bursar({"prices", "set", "acme/m", "--input", "1", "--from", "2026-01-31"}).exit_code,
            0);
  const Finished earlier = Bursar({"prices", "set", "acme/m", "--input", "2"});
  EXPECT_EQ(earlier.exit_code, 0);
  EXPECT_THAT(earlier.output,
              HasSubstr("still priced by the row that counts from 2026-01-31 00:00 UTC"));
}

TEST_F(PricesCommandTest, ABadDocumentChangesNothing) {
  const auto before = Json({"prices", "list"});
  const std::string bad = FileWith(R"({"prices": [
      {"provider": "acme", "model": "a", "input": "1"},
      {"provider": "acme", "model": "b", "inptu": "1"}]})");
  const Finished refused = Bursar({"prices", "import", bad});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.output, HasSubstr("prices[1]"));
  EXPECT_EQ(Json({"prices", "list"})["prices"], before["prices"]);

  ASSERT_EQ(Bursar({"prices", "set", "acme/a", "--input", "1"}).exit_code, 0);
  const Finished jump = Bursar({"prices", "set", "acme/a", "--input", "100"});
  EXPECT_EQ(jump.exit_code, 1) << jump.output;
  EXPECT_EQ(Bursar({"prices", "set", "acme/a", "--input", "100", "--accept-jumps"}).exit_code, 0);
}

TEST_F(PricesCommandTest, AProvidersOwnAnswerIsPriced) {
  const std::string answer = FileWith(R"({"model": "gpt-4o-mini", "usage": {
      "prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
      "prompt_tokens_details": {"cached_tokens": 400}}})");
  const auto record = Json({"record", "--model", "openai/gpt-4o-mini", "--provider-usage", answer,
                            "--api-flavor", "chat"});
  EXPECT_EQ(record["tokens"]["uncachedInputTokens"], "600");
  EXPECT_EQ(record["tokens"]["cacheReadTokens"], "400");
  // 600 x $0.15 + 400 x $0.075 + 100 x $0.60, for a million
  EXPECT_EQ(record["costNanousd"], "180000");
}

}  // namespace
}  // namespace bursar::testing
