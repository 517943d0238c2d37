// The programs that people run, as they run them: bursar against a server with keys, and the demo.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/server_process.h"
#include "support/test_database.h"

namespace bursar::testing {
namespace {

using ::testing::HasSubstr;

// A server that asks for keys, and what its first start wrote.
class CommandTest : public ::testing::Test {
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

  TestDatabase database_;
  TemporaryFolder folder_;
  std::string key_ = folder_.path() + "/admin.key";
  ServerProcess server_{{"--database-url", database_.url(), "--admin-key-file", key_}};
};

TEST_F(CommandTest, ChecksRecordsAndShowsWhatItCost) {
  const auto check = Json({"check", "--id", "r1", "--user", "carol", "--model", "openai/gpt-4o",
                           "--input-tokens", "1000", "--max-output-tokens", "100"});
  EXPECT_EQ(check["decision"], "DECISION_ALLOW");
  EXPECT_EQ(check["reservation"]["reservedNanousd"], "3500000");  // 1000 x $2.50/M + 100 x $10/M
  const auto record =
      Json({"record", "--id", "u1", "--reservation", "r1", "--model", "openai/gpt-4o",
            "--input-tokens", "1000", "--output-tokens", "50", "--latency", "850ms"});
  EXPECT_EQ(record["costNanousd"], "3000000");
  EXPECT_EQ(record["releasedNanousd"], "500000");
  const auto costs = Json({"costs", "--by", "user,model"});
  EXPECT_EQ(costs["total"]["costNanousd"], "3000000");
  EXPECT_EQ(costs["rows"][0]["group"]["user"], "carol");
  const Finished table = Bursar({"costs", "--by", "model"});
  EXPECT_EQ(table.exit_code, 0);
  EXPECT_THAT(table.output, HasSubstr("gpt-4o"));
  EXPECT_THAT(table.output, HasSubstr("$0.003"));
}

TEST_F(CommandTest, KeepsBudgetsAndSaysWhereTheyStand) {
  Json({"budgets", "create", "user-day", "--limit", "1.00", "--window", "day", "--group-by",
        "user"});
  EXPECT_EQ(Json({"budgets", "get", "user-day"})["budget"]["limitNanousd"], "1000000000");
  EXPECT_THAT(Bursar({"budgets", "list"}).output, HasSubstr("user-day"));
  const Finished denied = Bursar({"check", "--user", "carol", "--cost", "1.01"});
  EXPECT_EQ(denied.exit_code, 3);
  EXPECT_THAT(denied.output, HasSubstr("BUDGET_EXHAUSTED"));
  EXPECT_THAT(denied.output, HasSubstr("this call needs $1.01"));
  Json({"budgets", "update", "user-day", "--limit", "2.50"});
  EXPECT_EQ(Bursar({"check", "--user", "carol", "--cost", "1.01"}).exit_code, 0);
  const Finished status = Bursar({"status", "--user", "carol"});
  EXPECT_EQ(status.exit_code, 0);
  EXPECT_THAT(status.output, HasSubstr("$1.49"));
  Json({"budgets", "delete", "user-day"});
  const Finished gone = Bursar({"budgets", "get", "user-day"});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_THAT(gone.output, HasSubstr("there is no budget \"budgets/user-day\""));
}

TEST_F(CommandTest, SaysInOneSentenceWhatWasWrong) {
  EXPECT_EQ(Bursar({"chekc"}).exit_code, 2);
  EXPECT_THAT(Bursar({"chekc"}).output, HasSubstr("check"));
  EXPECT_EQ(Bursar({"check", "--cost", "twelve"}).exit_code, 2);
  const Finished away =
      RunProgram({ProgramPath("bursar"), "status", "--endpoint", "127.0.0.1:1", "--api-key", "x"});
  EXPECT_EQ(away.exit_code, 1);
  EXPECT_THAT(away.output, HasSubstr("127.0.0.1:1"));
}

TEST_F(CommandTest, FindsServerAndKeyInTheEnvironmentAndInItsFile) {
  const std::vector<std::string> status = {ProgramPath("bursar"), "status"};
  const std::string home = folder_.path();
  setenv("HOME", home.c_str(), 1);
  setenv("BURSAR_ENDPOINT", server_.address().c_str(), 1);
  setenv("BURSAR_API_KEY_FILE", key_.c_str(), 1);
  EXPECT_EQ(RunProgram(status).exit_code, 0) << RunProgram(status).output;
  unsetenv("BURSAR_ENDPOINT");
  unsetenv("BURSAR_API_KEY_FILE");
  EXPECT_EQ(RunProgram(status).exit_code, 1);
  std::filesystem::create_directories(home + "/.config/bursar");
  std::ofstream(home + "/.config/bursar/config")
      << "endpoint = " << server_.address() << "\napi_key_file = " << key_ << "\n";
  EXPECT_EQ(RunProgram(status).exit_code, 0) << RunProgram(status).output;
}

TEST(Demo, PlaysItsFleetAndItsSumsAgreeWithSql) {
  const Finished demo = RunProgram({ProgramPath("bursar-demo"), "--calls", "300"});
  EXPECT_EQ(demo.exit_code, 0) << demo.output;
  EXPECT_THAT(demo.output, HasSubstr("sums agree"));
  EXPECT_THAT(demo.output, HasSubstr("Costs by agent"));
}

}  // namespace
}  // namespace bursar::testing
