// What `bursar costs` draws and sums up: bars, the summary, its rules.
#include <nlohmann/json.hpp>

#include "cli/program_fixture.h"
#include "testing/terminal.h"

namespace bursar::cli {
namespace {

using Json = nlohmann::json;
using testing::Terminal;

constexpr char kModels[] = R"pb(
  rows {
    group { key: "model" value: "gpt-4o" }
    calls: 10
    success_rate: 1
    cost_nanousd: 8000000000
  }
  rows {
    group { key: "model" value: "haiku" }
    calls: 10
    success_rate: 1
    cost_nanousd: 3000000000
  }
  total { calls: 20 success_rate: 1 cost_nanousd: 11000000000 }
  source: "rollup_day+rollup_hour"
)pb";
constexpr char kTotal[] = R"pb(
  total {
    calls: 1000
    failed_calls: 150
    success_rate: 0.85
    cost_nanousd: 20000000000
    latency_p95 { seconds: 3 nanos: 400000000 }
    cache_savings_nanousd: 1500000000
    unpriced_calls: 2
  }
  source: "rollup_day"
)pb";
constexpr char kAgent[] = R"pb(
  rows {
    group { key: "agent" value: "research" }
    calls: 300
    success_rate: 1
    cost_nanousd: 15000000000
  }
)pb";
constexpr char kDay[] = R"pb(
  rows {
    bucket_start_time { seconds: 1794178800 }
    calls: 300
    success_rate: 1
    cost_nanousd: 12000000000
  }
)pb";  // November 9th of Berlin

class CostsTest : public ProgramTest {
 protected:
  void TearDown() override { unsetenv("LC_ALL"); }

  // Answers the two questions of a summary.
  void AnswerSummary(const std::string& agent, const std::string& day, const std::string& total) {
    server_.costs = [=, this](const v1::QueryCostsRequest& request,
                              v1::QueryCostsResponse* response) {
      asked_.push_back(request);
      const bool by_day = request.bucket() == v1::QueryCostsRequest::BUCKET_DAY;
      return Say<v1::QueryCostsResponse>((by_day ? day : agent) + total)(request, response);
    };
  }

  std::vector<v1::QueryCostsRequest> asked_;
};

const Words kByModel = {"costs", "--by", "model", "--period", "2026-11-01..2026-11-15"};

Words With(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_F(CostsTest, BarsAreDrawnWhereTheyAreAskedFor) {
  server_.costs = Say<v1::QueryCostsResponse>(kModels);
  setenv("LC_ALL", "C.UTF-8", 1);
  EXPECT_EQ(Run(kByModel), 0);
  EXPECT_EQ(out_.str().find("\u2588"), std::string::npos) << out_.str();
  EXPECT_EQ(Run(With(kByModel, {"--bars"})), 0);
  std::string full, part;
  for (int i = 0; i < 30; ++i) full += "\u2588";
  for (int i = 0; i < 11; ++i) part += "\u2588";
  part += "\u258e";  // 3 of 8 dollars are 11.25 of 30 columns
  EXPECT_EQ(out_.str(),
            "from 2026-11-01 00:00 UTC to 2026-11-16 00:00 UTC; source rollup_day+rollup_hour\n"
            "MODEL   CALLS  FAILED  SUCCESS  INPUT  OUTPUT  P50  P95    COST\n"
            "gpt-4o     10       0  100.0 %      0       0    -    -   $8.00  " +
                full +
                "\n"
                "haiku      10       0  100.0 %      0       0    -    -   $3.00  " +
                part +
                "\n"
                "total      20       0  100.0 %      0       0    -    -  $11.00\n");

  setenv("LC_ALL", "C", 1);
  EXPECT_EQ(Run(With(kByModel, {"--bars"})), 0);
  EXPECT_NE(out_.str().find("$3.00  ###########\n"), std::string::npos) << out_.str();
  EXPECT_EQ(Run(With(kByModel, {"--bars", "--json"})), 0);
  EXPECT_EQ(out_.str().find('#'), std::string::npos);
  EXPECT_EQ(Run({"costs", "--bars"}), 0) << "only a total";
  EXPECT_EQ(out_.str().find('#'), std::string::npos);
}

// How many '#' the longest bar has on a terminal so wide.
size_t BarColumns(const std::string& text) {
  size_t longest = 0, now = 0;
  for (const char c : text) {
    now = c == '#' ? now + 1 : 0;
    longest = std::max(longest, now);
  }
  return longest;
}

TEST_F(CostsTest, BarsFitTheTerminal) {
  server_.costs = Say<v1::QueryCostsResponse>(kModels);
  setenv("LC_ALL", "C", 1);
  struct {
    unsigned short columns;
    Words flags;
    size_t drawn;
    bool told;
  } kCases[] = {
      {200, {}, 30, false},        {80, {}, 15, false},  // the table takes 63, and 2 are between
      {69, {}, 4, false},          {68, {}, 0, false},
      {68, {"--bars"}, 0, true},   {200, {"--bars=false"}, 0, false},
      {200, {"--json"}, 0, false},
  };
  for (const auto& [columns, flags, drawn, told] : kCases) {
    {
      const Terminal terminal(columns);  // which would also take what a failed test says
      Run(With(kByModel, flags));
    }
    EXPECT_EQ(BarColumns(out_.str()), drawn) << columns << "\n" << out_.str();
    const size_t note =
        out_.str().find("no room for bars: a terminal of 69 columns would have it\n");
    EXPECT_EQ(note != std::string::npos, told) << out_.str();
  }
}

TEST_F(CostsTest, CacheSavingsStandBelowTheTable) {
  const std::pair<const char*, const char*> kCases[] = {
      {"total { cache_savings_nanousd: 1250000000 }", "\n$1.25 was saved by reading caches\n"},
      {"total { cache_savings_nanousd: -20000000 }",
       "\nreading caches cost $0.02 more than it saved\n"},
  };
  for (const auto& [answer, line] : kCases) {
    server_.costs = Say<v1::QueryCostsResponse>(answer);
    EXPECT_EQ(Run({"costs"}), 0);
    EXPECT_NE(out_.str().find(line), std::string::npos) << out_.str();
  }
  server_.costs = Say<v1::QueryCostsResponse>("total { calls: 1 }");
  EXPECT_EQ(Run({"costs"}), 0);
  EXPECT_EQ(out_.str().find("caches"), std::string::npos);
}

const Words kSummary = {"costs",       "--summary",     "--period", "2026-11-01..2026-11-15",
                        "--time-zone", "Europe/Berlin", "--filter", "user=carol"};

TEST_F(CostsTest, ASummaryAsksForTheDearestDayAndAgent) {
  AnswerSummary(kAgent, kDay, kTotal);
  EXPECT_EQ(Run(kSummary), 0) << err_.str();
  ASSERT_EQ(asked_.size(), 2u);
  const std::string range =
      "start_time { seconds: 1793487600 } end_time { seconds: 1794783600 } "
      "time_zone: \"Europe/Berlin\" ";
  const std::string rest =
      "filters { dimension: \"user\" values: \"carol\" } "
      "order_by: \"cost desc\" page_size: 1";
  EXPECT_EQ(asked_[0].ShortDebugString(), range + "bucket: BUCKET_DAY " + rest);
  EXPECT_EQ(asked_[1].ShortDebugString(), range + "group_by: \"agent\" " + rest);
}

TEST_F(CostsTest, ASummaryMarksTheRulesThatAreBroken) {
  AnswerSummary(kAgent, kDay, kTotal);
  EXPECT_EQ(Run(kSummary), 0) << "that a rule is broken is no failure of the command";
  EXPECT_EQ(out_.str(),
            "from 2026-11-01 00:00 CET to 2026-11-16 00:00 CET; source rollup_day\n"
            "total cost          $20.00\n"
            "calls               1,000\n"
            "failed calls        150\n"
            "success rate        85.0 %  BROKEN: less than 90 %\n"
            "p95 latency         3,400 ms  BROKEN: more than 3,000 ms\n"
            "top agent           research, $15.00, 75.0 % of it\n"
            "most expensive day  2026-11-09, $12.00  BROKEN: more than $10.00\n"
            "cache savings       $1.50\n"
            "2 calls had no known price and count as $0.00\n");
  const Words at_the_limit = {"--min-success", "85", "--max-p95", "3400ms", "--max-daily", "12"};
  EXPECT_EQ(Run(With(kSummary, at_the_limit)), 0);
  EXPECT_EQ(out_.str().find("BROKEN"), std::string::npos) << out_.str();
  for (const char* line : {"85.0 %  (rule: 85 % or more)\n", "3,400 ms  (rule: 3,400 ms or less)\n",
                           "$12.00  (rule: $12.00 or less)\n"}) {
    EXPECT_NE(out_.str().find(line), std::string::npos) << out_.str();
  }
  EXPECT_EQ(Run(With(kSummary, {"--fail-over", "19.99"})), 4);
  EXPECT_EQ(err_.str(), "bursar: $20.00 is $0.01 over the $19.99 of --fail-over\n");
}

TEST_F(CostsTest, WhatIsBrokenIsRedOnATerminal) {
  AnswerSummary(kAgent, kDay, kTotal);
  {
    const Terminal terminal;
    Run(With(kSummary, {"--max-p95", "10s"}));
  }
  EXPECT_NE(out_.str().find("\033[31m85.0 %  BROKEN: less than 90 %\033[0m\n"), std::string::npos);
  EXPECT_NE(out_.str().find("3,400 ms\033[2m  (rule: 10,000 ms or less)\033[0m\n"),
            std::string::npos)
      << out_.str();
}

TEST_F(CostsTest, ASummaryOfNothingBreaksNoRule) {
  AnswerSummary("", "", "total {} source: \"rollup_day\"");
  EXPECT_EQ(Run(With(kSummary, {"--max-daily", "0"})), 0);
  EXPECT_EQ(out_.str().find("BROKEN"), std::string::npos);
  for (const char* line : {"success rate        -", "p95 latency         -",
                           "top agent           -\n", "most expensive day  -"}) {
    EXPECT_NE(out_.str().find(line), std::string::npos) << out_.str();
  }
  EXPECT_EQ(Run(With(kSummary, {"--json"})), 0);
  const Json document = Json::parse(out_.str());
  EXPECT_TRUE(document["topAgent"].is_null());
  EXPECT_TRUE(document["topDay"].is_null());
  EXPECT_TRUE(document["rules"][0]["value"].is_null());
}

TEST_F(CostsTest, CallsOfNoAgentAreSaidToBeThat) {
  AnswerSummary("rows { group { key: \"agent\" value: \"\" } cost_nanousd: 1000000000 }", kDay,
                kTotal);
  EXPECT_EQ(Run(kSummary), 0);
  EXPECT_NE(out_.str().find("top agent           (none), $1.00, 5.0 % of it\n"), std::string::npos);
}

TEST_F(CostsTest, ASummaryAsJsonNamesTheRules) {
  AnswerSummary(kAgent, kDay, kTotal);
  EXPECT_EQ(Run(With(kSummary, {"--json", "--max-p95", "4s"})), 0);
  const Json document = Json::parse(out_.str());
  EXPECT_EQ(document["startTime"], "2026-10-31T23:00:00Z");
  EXPECT_EQ(document["endTime"], "2026-11-15T23:00:00Z");
  EXPECT_EQ(document["timeZone"], "Europe/Berlin");
  EXPECT_EQ(document["total"]["cacheSavingsNanousd"], "1500000000");
  EXPECT_EQ(document["topAgent"]["group"]["agent"], "research");
  EXPECT_EQ(document["topDay"]["bucketStartTime"], "2026-11-08T23:00:00Z");
  EXPECT_EQ(document["rules"], Json::parse(R"([
    {"name": "success_percent", "limit": 90.0, "value": 85.0, "broken": true},
    {"name": "latency_p95_ms", "limit": 4000.0, "value": 3400.0, "broken": false},
    {"name": "daily_cost_nanousd", "limit": "10000000000", "value": "12000000000", "broken": true}
  ])"));
}

TEST_F(CostsTest, FlagsOfRowsAndOfTheSummaryDoNotMix) {
  const std::pair<Words, const char*> kCases[] = {
      {{"costs", "--summary", "--by", "model"}, "--by excludes --summary"},
      {{"costs", "--min-success", "95"}, "--min-success requires --summary"},
      {{"costs", "--summary", "--min-success", "ninety"},
       "--min-success: \"ninety\" is no percentage; a number from 0 to 100 like 90 or 99.5 would "
       "be right"},
      {{"costs", "--period", "2026-10", "--to", "2026-11-01"},
       "--period 2026-10 has an end, and --to is another; one of them would be right"},
  };
  for (const auto& [words, message] : kCases) {
    EXPECT_EQ(Run(words), 2) << message;
    EXPECT_EQ(err_.str(), "bursar: " + std::string(message) + "\n");
  }
}

TEST_F(CostsTest, TheSuccessThatIsWantedIsAPercentage) {
  AnswerSummary(kAgent, kDay, kTotal);
  for (const char* wrong : {"", "%", "101", "-1", "nan", "0.9x"}) {
    EXPECT_EQ(Run(With(kSummary, {std::string("--min-success=") + wrong})), 2) << wrong;
  }
  EXPECT_EQ(Run(With(kSummary, {"--min-success", "85.25%"})), 0);
  EXPECT_NE(out_.str().find("BROKEN: less than 85.25 %"), std::string::npos) << out_.str();
}

TEST_F(CostsTest, AFailedQuestionIsTheSummarysFailure) {
  server_.costs = [](const auto&, auto*) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "filters[0].dimension: is \"x\"");
  };
  EXPECT_EQ(Run(kSummary), 2);
  EXPECT_EQ(err_.str(), "bursar: filters[0].dimension: is \"x\"\n");
  EXPECT_EQ(out_.str(), "");
}

}  // namespace
}  // namespace bursar::cli
