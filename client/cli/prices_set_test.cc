// bursar prices set: the price that was typed, the document that it becomes, what is printed.
#include <nlohmann/json.hpp>

#include "cli/period.h"
#include "cli/prices_document.h"
#include "cli/prices_set_command.h"
#include "cli/program_fixture.h"

namespace bursar::cli {
namespace {

using Json = nlohmann::json;

class SetPriceTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    server_.import_prices = [this](const v1::ImportPricesRequest& request,
                                   v1::ImportPricesResponse* response) {
      asked_.push_back(request);
      response->set_added(1);
      response->set_price_version("7");
      return grpc::Status::OK;
    };
    server_.list_prices = [this](const v1::ListPricesRequest& request,
                                 v1::ListPricesResponse* response) {
      looked_ = request;
      Say<v1::ListPricesResponse>(there_)(request, response);
      response->set_price_version(version_there_);
      return grpc::Status::OK;
    };
  }

  // The only row of the document that was sent.
  Json Row() {
    const Json document = Json::parse(asked_.at(asked_.size() - 1).document());
    EXPECT_EQ(document.size(), 1u);
    EXPECT_EQ(document["prices"].size(), 1u);
    return document["prices"][0];
  }

  std::vector<v1::ImportPricesRequest> asked_;
  v1::ListPricesRequest looked_;
  std::string there_, version_there_;
};

TEST_F(SetPriceTest, ImportsOneRowAndSaysWhatIsCharged) {
  EXPECT_EQ(Run({"prices", "set", "openai/gpt-x", "--input", "3", "--output", "$0.075", "--source",
                 "their page, 2026-11-22"}),
            0)
      << err_.str();
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0].format(), "bursar");
  EXPECT_FALSE(asked_[0].replace()) << "other prices stay";
  EXPECT_EQ(Row(), (Json{{"provider", "openai"},
                         {"model", "gpt-x"},
                         {"input", "3.00"},
                         {"output", "0.075"},
                         {"source", "their page, 2026-11-22"}}));
  EXPECT_EQ(out_.str(),
            "model           openai/gpt-x\n"
            "counts          always\n"
            "input           $3.00 for 1M tokens\n"
            "output          $0.075 for 1M tokens\n"
            "source          their page, 2026-11-22\n"
            "1M in + 1M out  $3.075\n"
            "prices          1 added, 0 changed, 0 unchanged\n"
            "version         7\n");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(SetPriceTest, EveryFlagIsAFieldOfTheRow) {
  const Words words = {"prices", "set", "meta/llama-*", "--provider", "together",
                       // 0.1 and 0.29 have no exact double
                       "--input", "0.1", "--output", "0.29", "--cache-read", "0.000000001",
                       "--cache-write", ".5", "--cache-write-1h", "1000000", "--reasoning", "0",
                       "--input-audio", "1.", "--output-audio", "2", "--input-image", "3",
                       "--output-image", "4", "--other", "input_video=5", "--other",
                       "output_citation=6", "--unit", "web_search=10", "--unit", "request=0.5",
                       "--max-output-tokens", "64000", "--tier", "batch", "--region", "eu",
                       "--min-input-tokens", "200001", "--from", "2026-12-01T08:30", "--hours",
                       "16:30-00:30", "--match", "contains", "--source", "s"};
  EXPECT_EQ(Run(words), 0) << err_.str();
  EXPECT_EQ(Row(), Json::parse(R"({
    "provider": "together", "model": "meta/llama-*", "match": "contains", "service_tier": "batch",
    "region": "eu", "min_input_tokens": 200001, "effective_time": "2026-12-01T08:30:00Z",
    "daily_start_utc": "16:30", "daily_end_utc": "00:30", "input": "0.10", "output": "0.29",
    "cache_read": "0.000000001", "cache_write_5m": "0.50", "cache_write_1h": "1000000.00",
    "reasoning": "0.00", "input_audio": "1.00", "output_audio": "2.00", "input_image": "3.00",
    "output_image": "4.00", "other": {"input_video": "5.00", "output_citation": "6.00"},
    "billed_units": {"web_search": "10.00", "request": "0.50"}, "max_output_tokens": 64000,
    "source": "s"})"));
}

TEST_F(SetPriceTest, AnAliasHasNoPricesOfItsOwn) {
  EXPECT_EQ(Run({"prices", "set", "azure/our-gpt", "--same-as", "openai/gpt-4o", "--source", "s",
                 "--service-tier", "flex", "--dry-run", "--accept-jumps"}),
            0)
      << err_.str();
  EXPECT_EQ(Row(), (Json{{"provider", "azure"},
                         {"model", "our-gpt"},
                         {"service_tier", "flex"},
                         {"same_as", "openai/gpt-4o"},
                         {"source", "s"}}));
  EXPECT_TRUE(asked_[0].validate_only());
  EXPECT_TRUE(asked_[0].accept_jumps());
  EXPECT_EQ(out_.str(),
            "model         azure/our-gpt\n"
            "priced as     openai/gpt-4o\n"
            "service tier  flex\n"
            "counts        always\n"
            "source        s\n"
            "prices        1 added, 0 changed, 0 unchanged\n"
            "version       7\n"
            "dry run: nothing was changed\n");
  EXPECT_EQ(looked_.ByteSizeLong(), 0u) << "nothing was set that could be overridden";
}

TEST_F(SetPriceTest, DatesItsSourceAndPrintsTheAnswerAsJson) {
  EXPECT_EQ(Run({"prices", "set", "openai/e-1", "--input", "0.02", "--json"}), 0);
  EXPECT_EQ(Row()["source"].get<std::string>().substr(0, 15), "set by hand, 20");
  EXPECT_FALSE(Row().contains("output")) << "absent is not the same as free";
  EXPECT_EQ(Json::parse(out_.str())["priceVersion"], "7");
  EXPECT_EQ(Run({"prices", "set", "openai/e-1", "--input", "0.02"}), 0);
  EXPECT_NE(out_.str().find("output   no price: usage with output tokens stays UNPRICED\n"),
            std::string::npos)
      << out_.str();
}

TEST_F(SetPriceTest, SaysWhereALaterRowGoesOnPricingTheModel) {
  there_ = R"pb(prices {
                  provider: "OpenAI"
                  model: "gpt-x*"
                  service_tier: "batch"
                  effective_time { seconds: 1795356000 }
                }
                prices {
                  provider: "openai"
                  model: "GPT-X*"
                  effective_time { seconds: 1795356060 }
                })pb";
  version_there_ = "7";
  const Words words = {"prices", "set", "openai/gpt-x*", "--input", "3", "--output", "15"};
  const std::string warning =
      "bursar: openai/GPT-X* is still priced by the row that counts from 2026-11-22 14:01 UTC; "
      "--from with a later time would make yours count\n";
  EXPECT_EQ(Run(words), 0);
  EXPECT_EQ(err_.str(), warning);
  EXPECT_EQ(looked_.provider(), "openai");
  EXPECT_EQ(looked_.model(), "gpt-x") << "as a call would say it";
  EXPECT_TRUE(looked_.has_as_of());

  const std::pair<Words, std::string> kCases[] = {
      {{"--from", "2026-11-22T14:01"}, ""},
      {{"--from", "2026-11-22T14:00"}, warning},
      {{"--min-input-tokens", "1"}, warning},
      {{"--region", "eu"}, ""},
      {{"--match", "regex"}, ""},
      {{"--hours", "00:00-24:00"}, warning},
  };
  for (const auto& [more, said] : kCases) {
    Words all = words;
    all.insert(all.end(), more.begin(), more.end());
    EXPECT_EQ(Run(all), 0);
    EXPECT_EQ(err_.str(), said) << more[0] << " " << more[1];
  }
  version_there_ = "6";  // of a replica that does not know of it yet
  EXPECT_EQ(Run(words), 0);
  EXPECT_EQ(err_.str(), "");
  server_.list_prices = nullptr;
  EXPECT_EQ(Run(words), 0) << "the price is set all the same";
}

TEST_F(SetPriceTest, RefusesWrongWordsInOneSentence) {
  const std::string missing =
      "which model? `bursar prices set openai/gpt-x --input 3 --output 15` would be right";
  const std::string whose =
      "whose model is \"gpt-x\"? openai/gpt-x, or --provider openai, would be right";
  const std::string cost =
      "what does it cost? --input 3 --output 15, in US dollars for a million tokens, would be "
      "right";
  const std::string both =
      "--same-as and prices of its own exclude each other; one of them would be right";
  const std::pair<Words, std::string> kCases[] = {
      {{}, missing},
      {{"--input", "3"}, missing},
      {{"gpt-x", "--input", "3"}, whose},
      {{"openai/gpt-x"}, cost},
      {{"openai/gpt-x", "--max-output-tokens", "1"}, cost},
      {{"openai/gpt-x", "--same-as", "openai/gpt-4o", "--unit", "web_search=1"}, both},
      {{"openai/gpt-x", "--input", "3e-6"},
       "--input: \"3e-6\" is no amount; an amount in US dollars like 0.12 would be right"},
      {{"openai/gpt-x", "--output", "0.0000000001"},
       "--output: \"0.0000000001\" has more than 9 decimals; an amount in US dollars like 0.12 "
       "would be right"},
      {{"openai/gpt-x", "--input", "1000001"},
       "--input: \"1000001\" is too much; at most 1000000 would be right"},
      {{"openai/gpt-x", "--unit", "web_search"},
       "--unit: \"web_search\" is no price; NAME=USD like web_search=10 would be right"},
      {{"openai/gpt-x", "--unit", "a=1", "--unit", "a=2"}, "--unit: a is given twice"},
      {{"openai/gpt-x", "--hours", "24:00-01:00"},
       "--hours: \"24:00-01:00\" is no part of the day; 16:30-00:30, in UTC, would be right"},
      {{"openai/gpt-x", "--match", "glob"},
       "--match: \"glob\" is unknown; one of contains, suffix, regex would be right"},
      {{"openai/gpt-x", "--from", "soon"},
       "--from: \"soon\" is no time; 2026-11-22, 2026-11-22T14:30 or 2026-11-22T14:30:00Z would be "
       "right"},
      {{"openai/gpt-\xff", "--input", "3"}, "a name is no UTF-8; JSON has no other"},
  };
  for (const auto& [words, message] : kCases) {
    Words all = words;
    all.insert(all.begin(), {"prices", "set"});
    EXPECT_EQ(Run(all), 2) << message;
    EXPECT_EQ(err_.str(), "bursar: " + message + "\n");
  }
  EXPECT_TRUE(asked_.empty());
}

}  // namespace
}  // namespace bursar::cli
