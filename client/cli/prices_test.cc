// bursar prices import, list and show: what is typed, what is asked, what is printed.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/period.h"
#include "cli/prices_command.h"
#include "cli/prices_document.h"
#include "cli/program_fixture.h"

namespace bursar::cli {
namespace {

constexpr char kFeed[] =
    R"([{"id": "openai", "models": [{"id": "gpt-x", "prices": {"input_mtok": 3}}]}])";

class ImportPricesTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    server_.import_prices = [this](const v1::ImportPricesRequest& request,
                                   v1::ImportPricesResponse* response) {
      asked_.push_back(request);
      *response = answer_;
      return grpc::Status::OK;
    };
    answer_.set_price_version("4");
    answer_.set_added(12);
    answer_.set_changed(3);
    answer_.set_unchanged(1450);
  }

  std::string FileWith(const std::string& text) {
    const std::string path = ::testing::TempDir() + "/prices.json";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::vector<v1::ImportPricesRequest> asked_;
  v1::ImportPricesResponse answer_;
};

TEST_F(ImportPricesTest, SendsTheFileAsItIsAndSaysWhatBecameOfIt) {
  answer_.add_warnings("openai/gpt-x.input: 2.0000000001 was rounded");
  EXPECT_EQ(Run({"prices", "import", FileWith(kFeed)}), 0) << err_.str();
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0].document(), kFeed);
  EXPECT_EQ(asked_[0].format(), "genai-prices");
  EXPECT_FALSE(asked_[0].replace() || asked_[0].validate_only() || asked_[0].accept_jumps());
  EXPECT_EQ(out_.str(),
            "format   genai-prices, as the document shows\n"
            "prices   12 added, 3 changed, 1,450 unchanged\n"
            "version  4\n"
            "warning: openai/gpt-x.input: 2.0000000001 was rounded\n");
}

TEST_F(ImportPricesTest, PassesItsFlagsOn) {
  EXPECT_EQ(Run({"prices", "import", FileWith("not looked at"), "--format", "LiteLLM", "--replace",
                 "--dry-run", "--accept-jumps"}),
            0);
  EXPECT_EQ(asked_[0].ShortDebugString(),
            "format: \"litellm\" document: \"not looked at\" validate_only: true replace: true "
            "accept_jumps: true");
  EXPECT_EQ(out_.str(),
            "format   litellm\n"
            "prices   12 added, 3 changed, 1,450 unchanged\n"
            "version  4\n"
            "dry run: nothing was changed\n");
  EXPECT_EQ(Run({"prices", "import", FileWith(kFeed), "--json"}), 0);
  EXPECT_NE(out_.str().find("\"unchanged\": 1450"), std::string::npos) << out_.str();
}

TEST_F(ImportPricesTest, ShowsTwentyWarningsAndCountsTheOthers) {
  for (int i = 0; i < 23; ++i) answer_.add_warnings("w" + std::to_string(i));
  EXPECT_EQ(Run({"prices", "import", FileWith(kFeed)}), 0);
  EXPECT_NE(out_.str().find("warning: w19\nand 3 more warnings; --json prints all\n"),
            std::string::npos)
      << out_.str();
  EXPECT_EQ(out_.str().find("w20"), std::string::npos);
}

TEST_F(ImportPricesTest, TakesSixteenMebibytesAndNotAByteMore) {
  const std::string path = FileWith("");
  std::filesystem::resize_file(path, kPriceDocumentBytesMax);
  EXPECT_EQ(Run({"prices", "import", path, "--format", "bursar"}), 0) << err_.str();
  EXPECT_EQ(asked_.at(0).document().size(), 16u << 20);
  std::filesystem::resize_file(path, kPriceDocumentBytesMax + 1);
  EXPECT_EQ(Run({"prices", "import", path, "--format", "bursar"}), 2);
  EXPECT_EQ(err_.str(),
            "bursar: " + path + " is longer than 16 MiB, which is the most that is taken\n");
  EXPECT_EQ(Run({"prices", "import", "/dev/zero", "--format", "bursar"}), 2) << "which never ends";
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(ImportPricesTest, ReadsStandardInput) {
  const std::string path = FileWith(kFeed);
  const int before = dup(STDIN_FILENO);
  const int file = open(path.c_str(), O_RDONLY);
  dup2(file, STDIN_FILENO);
  EXPECT_EQ(Run({"prices", "import", "-"}), 0) << err_.str();
  dup2(before, STDIN_FILENO);
  close(file);
  close(before);
  std::clearerr(stdin);
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0].document(), kFeed);
}

TEST_F(ImportPricesTest, RefusesWhatIsNoDocumentInOneSentence) {
  const std::string path = FileWith("");
  const std::tuple<std::string, Words, std::string> kCases[] = {
      {"",
       {"import"},
       "import what? `bursar prices import FILE`, or - for standard input, would be right"},
      {"<html>", {"import", path}, path + " is no JSON document of prices"},
      {"", {"import", path}, path + " is no JSON document of prices"},
      {"{}",
       {"import", path},
       path +
           " does not show in which format it is; --format genai-prices, litellm or bursar would "
           "be right"},
      {"",
       {"import", path, "--format", "csv"},
       "--format: \"csv\" is unknown; one of genai-prices, litellm, bursar would be right"},
      {"", {"import", path + ".none"}, "cannot read " + path + ".none: No such file or directory"},
      {"",
       {"import", ::testing::TempDir()},
       "cannot read " + ::testing::TempDir() + ": Is a directory"},
  };
  for (const auto& [text, words, message] : kCases) {
    FileWith(text);
    Words all = words;
    all.insert(all.begin(), "prices");
    EXPECT_EQ(Run(all), 2) << message;
    EXPECT_EQ(err_.str(), "bursar: " + message + "\n");
  }
  EXPECT_TRUE(asked_.empty());
}

TEST_F(ImportPricesTest, SaysWhatTheServerRefused) {
  server_.import_prices = [](const auto&, v1::ImportPricesResponse*) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        "openai/gpt-x.input moves from $3.00 to $300.00");
  };
  EXPECT_EQ(Run({"prices", "import", FileWith(kFeed)}), 1);
  EXPECT_EQ(err_.str(), "bursar: openai/gpt-x.input moves from $3.00 to $300.00\n");
  EXPECT_EQ(out_.str(), "");
}

TEST(GuessPriceFormat, KnowsEachByWhatItAloneHas) {
  const std::pair<const char*, const char*> kCases[] = {
      {kFeed, "genai-prices"},
      {R"({"prices": []})", "bursar"},
      {R"({"version": "1", "prices": [{"provider": "a"}], "providers": [{"x": [[1]]}]})", "bursar"},
      {R"({"sample_spec": {"a": 1}, "gpt-x": {"litellm_provider": "openai", "d": {"e": []}}})",
       "litellm"},
      {R"({"gpt-x": {"input_cost_per_token": 2.5e-06}})", "litellm"},
  };
  for (const auto& [text, format] : kCases) {
    const auto guessed = GuessPriceFormat(text);
    ASSERT_TRUE(guessed.ok()) << text << guessed.status().ToString();
    EXPECT_EQ(*guessed, format) << text;
  }
  for (const char* text :
       {"[]", "[1]", "{}", "1", "{\"prices\": {}}", "{\"a\": {\"b\": 1}}", "[", "{\"prices\": 1, ",
        "{\"models\": [{\"prices\": []}]}", "[[{\"models\": 1}]]"}) {
    EXPECT_EQ(GuessPriceFormat(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_FALSE(GuessPriceFormat(deep).ok());
}

constexpr char kPrices[] = R"pb(
  prices {
    provider: "anthropic"
    model: "claude-x*"
    input: 3000000000
    output: 15000000000
    cache_read: 300000000
    cache_write_5m: 3750000000
    cache_write_1h: 6000000000
    billed_units { key: "web_search" value: 10000000000 }
    max_output_tokens: 64000
    source: "https://example.com/pricing (2026-08-21)"
  }
  prices {
    provider: "anthropic"
    model: "claude-x*"
    service_tier: "batch"
    min_input_tokens: 200001
    effective_time { seconds: 1795356000 }
    daily_start_utc: "16:30"
    daily_end_utc: "00:30"
    input: 75000001
  }
  price_version: "3+2"
)pb";

class ListPricesTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    server_.list_prices = [this](const v1::ListPricesRequest& request,
                                 v1::ListPricesResponse* response) {
      asked_.push_back(request);
      return Say<v1::ListPricesResponse>(answer_)(request, response);
    };
  }

  std::vector<v1::ListPricesRequest> asked_;
  std::string answer_;
};

TEST_F(ListPricesTest, PrintsExactDollarsAndOnlyColumnsThatHaveSomething) {
  answer_ = kPrices;
  EXPECT_EQ(Run({"prices", "list", "--at", "2026-12-01"}), 0) << err_.str();
  EXPECT_EQ(asked_.at(0).ShortDebugString(), "as_of { seconds: 1796083200 } page_size: 500");
  EXPECT_EQ(out_.str(),
            "version 3+2, as they count at 2026-12-01 00:00 UTC; US dollars for 1,000,000 tokens\n"
            "MODEL                TIER   IN TOKENS >=  HOURS UTC           INPUT  OUTPUT  CACHE R"
            "EAD  CACHE WRITE  ALSO                        FROM\n"
            "anthropic/claude-x*                                    $3.00         $15.00       $0"
            ".30        $3.75  cache_write_1h, web_search\n"
            "anthropic/claude-x*  batch       200,001  16:30-00:30  $0.075000001                 "
            "                                              2026-11-22 14:00 UTC\n");

  answer_ = "price_version: \"1\" prices { provider: \"a\" model: \"b\" same_as: \"openai/*\" }";
  EXPECT_EQ(Run({"prices", "list", "--all"}), 0);
  EXPECT_EQ(asked_.at(1).ShortDebugString(), "page_size: 500") << "of all times";
  EXPECT_EQ(out_.str(),
            "version 1, past, present and to come; US dollars for 1,000,000 tokens\n"
            "MODEL  ALSO\n"
            "a/b    as openai/*\n");
  answer_ = "";
  EXPECT_EQ(Run({"prices", "list"}), 0);
  EXPECT_EQ(out_.str(), "no such price\n");
}

TEST_F(ListPricesTest, AsksForWhatCountsNowUnlessToldOtherwise) {
  const absl::Time now = *ParseTime("2026-11-22T14:00:00Z", absl::UTCTimeZone());
  const auto request = [&](Words words) {
    CLI::App app;
    ListPricesCommand command(app);
    words.insert(words.begin(), "list");
    app.parse(Words(words.rbegin(), words.rend()));
    return command.Request(now).ShortDebugString();
  };
  EXPECT_EQ(request({}), "as_of { seconds: 1795356000 }");
  EXPECT_EQ(request({"--model", "openai/gpt-x", "--at", "2026-11-22T14:00:01Z"}),
            "provider: \"openai\" model: \"gpt-x\" as_of { seconds: 1795356001 }");
  EXPECT_EQ(request({"--provider", "together", "--model", "meta/llama", "--all"}),
            "provider: \"together\" model: \"meta/llama\"");
  EXPECT_THROW(request({"--at", "2026-11-22", "--all"}), CLI::ExcludesError);
}

TEST_F(ListPricesTest, ReadsPageAfterPage) {
  server_.list_prices = [](const v1::ListPricesRequest& request, v1::ListPricesResponse* response) {
    v1::Price* price = response->add_prices();
    price->set_provider("p");
    price->set_model(request.page_token().empty() ? "a" : "b");
    price->set_input(1);
    if (request.page_token().empty()) response->set_next_page_token("2");
    response->set_price_version("1");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"prices", "list", "--all"}), 0);
  EXPECT_NE(out_.str().find("p/a    $0.000000001\np/b    "), std::string::npos) << out_.str();
  EXPECT_EQ(Run({"prices", "list", "--json"}), 0);
  EXPECT_NE(out_.str().find("\"nextPageToken\": \"\""), std::string::npos);
}

TEST_F(ListPricesTest, ShowPrintsAllThatIsKnownOfAPrice) {
  answer_ = kPrices;
  EXPECT_EQ(Run({"prices", "show", "anthropic/claude-x-1", "--at", "2026-12-01"}), 0) << err_.str();
  EXPECT_EQ(asked_.at(0).ShortDebugString(),
            "provider: \"anthropic\" model: \"claude-x-1\" as_of { seconds: 1796083200 } "
            "page_size: 500");
  EXPECT_EQ(out_.str(),
            "model                anthropic/claude-x*\n"
            "counts               always\n"
            "input                $3.00 for 1M tokens\n"
            "output               $15.00 for 1M tokens\n"
            "cache read           $0.30 for 1M tokens\n"
            "cache write          $3.75 for 1M tokens\n"
            "cache write, 1 hour  $6.00 for 1M tokens\n"
            "web_search           $10.00 for 1,000\n"
            "output at most       64,000 tokens\n"
            "source               https://example.com/pricing (2026-08-21)\n"
            "\n"
            "model         anthropic/claude-x*\n"
            "service tier  batch\n"
            "input tokens  calls with at least 200,001\n"
            "hours         16:30-00:30 UTC\n"
            "counts        from 2026-11-22 14:00 UTC\n"
            "input         $0.075000001 for 1M tokens\n"
            "output        no price: usage with output tokens stays UNPRICED\n"
            "\n"
            "version 3+2\n");
}

TEST_F(ListPricesTest, ShowSaysAsWhatAnAliasIsPriced) {
  answer_ = R"pb(prices { provider: "azure" model: "gpt-x" same_as: "openai/*" }
                 prices { provider: "openai" model: "gpt-x" input: 1000000000 output: 0 }
                 price_version: "1")pb";
  EXPECT_EQ(Run({"prices", "show", "azure/gpt-x"}), 0);
  EXPECT_EQ(out_.str(),
            "model      azure/gpt-x\n"
            "priced as  openai/*\n"
            "counts     always\n"
            "\n"
            "model   openai/gpt-x\n"
            "counts  always\n"
            "input   $1.00 for 1M tokens\n"
            "output  $0.00 for 1M tokens\n"
            "\n"
            "version 1\n");
}

TEST_F(ListPricesTest, ShowSaysWhereThereIsNoPrice) {
  EXPECT_EQ(Run({"prices", "show", "openai/gpt-x"}), 1);
  EXPECT_EQ(err_.str(),
            "bursar: openai/gpt-x has no price now; `bursar prices set openai/gpt-x --input 3 "
            "--output 15` would give it one\n");
  EXPECT_EQ(Run({"prices", "show"}), 2);
  EXPECT_EQ(err_.str(), "bursar: which model? `bursar prices show openai/gpt-4o` would be right\n");
  err_.str("");
  EXPECT_EQ(RunProgram({"prices"}, out_, err_), 2);
  EXPECT_EQ(err_.str(),
            "bursar: a command is missing after `bursar prices`; there are import, set, list, show "
            "or reprice (`bursar prices --help` shows more)\n");
}

}  // namespace
}  // namespace bursar::cli
