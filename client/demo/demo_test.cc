#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "demo/agents.h"
#include "demo/report.h"
#include "demo/server_process.h"
#include "demo/trace.h"

namespace bursar::demo {
namespace {

TEST(LoadTrace, ReadsSizesAndNamesAWrongLine) {
  const std::string path = ::testing::TempDir() + "/trace.csv";
  std::ofstream(path) << "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
                         "2023-11-16 18:17:03.9799600,4808,10\r\n"
                         "2023-11-16 18:17:04.0319600,3180,8\r\n";
  const auto sizes = LoadTrace(path);
  ASSERT_TRUE(sizes.ok()) << sizes.status().ToString();
  ASSERT_EQ(sizes->size(), 2u);
  EXPECT_EQ((*sizes)[1].context_tokens, 3180);
  EXPECT_EQ((*sizes)[1].generated_tokens, 8);

  std::ofstream(path) << "TIMESTAMP,ContextTokens,GeneratedTokens\nnow,many\n";
  EXPECT_NE(LoadTrace(path).status().message().find("line 2"), std::string::npos);
  EXPECT_EQ(LoadTrace(path + ".none").status().code(), StatusCode::kNotFound);
}

TEST(DrawTrace, IsTheSameForASeedAndHasTheShape) {
  const auto a = DrawTrace(7, 1001);
  const auto b = DrawTrace(7, 1001);
  std::vector<int64_t> contexts;
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].context_tokens, b[i].context_tokens);
    contexts.push_back(a[i].context_tokens);
  }
  std::sort(contexts.begin(), contexts.end());
  EXPECT_GT(contexts[500], 1200);
  EXPECT_LT(contexts[500], 1800);
  EXPECT_LE(contexts.back(), 7500);
}

TEST(Simulate, KeepsEveryTokenOfTheRequest) {
  std::mt19937_64 random(3);
  const Agent agent = Fleet()[0];
  int failed = 0;
  for (int step = 0; step < 1000; ++step) {
    const SimulatedCall call = Simulate(agent, {4000, 9999}, step, &random);
    EXPECT_GT(call.latency.count(), 0);
    if (call.failed) {
      ++failed;
      EXPECT_FALSE(call.error.type.empty());
      continue;
    }
    EXPECT_EQ(call.tokens.uncached_input_tokens + call.tokens.cache_read_tokens, 4000);
    EXPECT_EQ(call.tokens.visible_output_tokens, agent.max_output_tokens);
    if (step == 0) {
      EXPECT_EQ(call.tokens.cache_read_tokens, 0);
    }
  }
  EXPECT_GT(failed, 10);
  EXPECT_LT(failed, 60);
}

TEST(Tally, TellsEachCounterCrossingOnce) {
  Tally tally;
  RecordResponse response{.cost_nanousd = 5, .attempt = 2};
  response.budgets = {{.budget = "budgets/run-cap", .group = {{"root_run", "r"}}}};
  const Subject subject{.user = "ada", .run = "r"};
  const auto warned = [&](int crossed) {
    response.budgets[0].crossed_threshold_percent = crossed;
    Tally::News news;
    tally.AddRecord(response, subject, &news);
    return news.warning_percent;
  };
  EXPECT_EQ(warned(0), 0);
  EXPECT_EQ(warned(75), 75);
  EXPECT_EQ(warned(75), 0);
  EXPECT_EQ(warned(100), 90);
  EXPECT_EQ(warned(90), 0);
  EXPECT_EQ(tally.warnings(), 2);
  EXPECT_EQ(tally.sums().records, 5);
  EXPECT_EQ(tally.sums().cost_nanousd, 25);
  EXPECT_EQ(tally.sums().retries, 5);
  EXPECT_EQ(tally.top_subject(), subject);
}

TEST(Differences, FindsEveryOne) {
  const Tally::Sums own{.records = 3, .cost_nanousd = 10};
  const CostRow total{.calls = 3, .cost_nanousd = 10};
  SqlSums sql{.cost_nanousd = 10, .records = 3, .budgets = {{"run-cap", 10, 0}}};
  EXPECT_TRUE(Differences(own, total, sql).empty());
  EXPECT_EQ(Differences(own, {.calls = 2, .cost_nanousd = 9}, sql).size(), 2u);
  sql.budgets[0] = {"run-cap", 11, 1};
  sql.records = 4;
  const auto differences = Differences(own, total, sql);
  ASSERT_EQ(differences.size(), 3u);
  EXPECT_EQ(differences[1],
            "the sum of the counters of run-cap $0.000000011 is not the demo's $0.00000001");
}

// Writes a program that stands for the server.
std::string Script(const std::string& body) {
  const std::string path = ::testing::TempDir() + "/fake-server.sh";
  std::ofstream(path) << "#!/bin/sh\n" << body;
  chmod(path.c_str(), 0755);
  return path;
}

TEST(ServerProcess, FindsWhatTheServerSaysAndStopsIt) {
  setenv("BURSAR_DATABASE_URL", "postgres://production", 1);
  StopSignal stop;
  auto server = ServerProcess::Start(
      Script("echo 'not json'; echo '[1]'; echo '{\"event\":7}'\n"
             "echo '{\"event\":\"server_started\",\"listen\":\"127.0.0.1:9\",\"http\":\"h\","
             "\"database_url\":\"'$BURSAR_DATABASE_URL'\",\"admin_key_file\":\"'$2'/k\"}'\n"
             "trap 'exit 0' TERM\nwhile :; do sleep 0.01; done\n"),
      false, &stop);
  unsetenv("BURSAR_DATABASE_URL");
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  EXPECT_EQ((*server)->facts().listen, "127.0.0.1:9");
  EXPECT_EQ((*server)->facts().database_url, "");  // never the user's own
  const std::string folder = (*server)->folder();
  EXPECT_EQ((*server)->facts().admin_key_file, folder + "/data/k");
  const pid_t pid = (*server)->pid();
  EXPECT_TRUE((*server)->Stop().ok());
  EXPECT_NE(kill(pid, 0), 0);
  EXPECT_FALSE(std::ifstream(folder + "/server.log").good());
}

TEST(ServerProcess, ShowsTheLogOfAServerThatDoesNotStart) {
  StopSignal stop;
  const auto server =
      ServerProcess::Start(Script("echo 'no disk left' >&2\nexit 1\n"), false, &stop);
  ASSERT_FALSE(server.ok());
  EXPECT_NE(server.status().message().find("no disk left"), std::string::npos);
  EXPECT_EQ(ServerProcess::Start("/nowhere/bursar-server", false, &stop).status().code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace bursar::demo
