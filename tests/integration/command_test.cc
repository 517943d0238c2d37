// The programs that people run, as they run them: bursar against a server with keys, and the demo.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/time/clock.h"
#include "support/server_process.h"
#include "support/test_database.h"

namespace bursar::testing {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPoll = absl::Milliseconds(100);

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

TEST_F(CommandTest, RaiseLetsADeniedCheckThroughAndEndsByTime) {
  Json({"budgets", "create", "user-day", "--limit", "1.00", "--window", "lifetime", "--group-by",
        "user"});
  const std::vector<std::string> check = {"check", "--user", "carol",   "--cost",
                                          "2.00",  "--id",   "r-raise", "--dry-run"};
  EXPECT_EQ(Bursar(check).exit_code, 3);
  const auto raise = [&](const std::string& length) {
    return Bursar({"budgets", "raise", "user-day", "--group", "user=carol", "--to", "20", "--for",
                   length, "--reason", "release week"});
  };
  EXPECT_EQ(raise("1h").exit_code, 0) << raise("1h").output;
  EXPECT_EQ(Bursar(check).exit_code, 0);
  EXPECT_EQ(Bursar({"check", "--user", "dan", "--cost", "2.00", "--dry-run"}).exit_code, 3);

  EXPECT_EQ(raise("1s").exit_code, 0);  // in place of the one before
  EXPECT_EQ(Json({"budgets", "get", "user-day"})["budget"]["overrides"].size(), 1u);
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (Bursar(check).exit_code == 0 && absl::Now() < deadline) absl::SleepFor(kPoll);
  EXPECT_EQ(Bursar(check).exit_code, 3);
}

TEST_F(CommandTest, FreezeDeniesEveryCheckAndUnfreezeAllowsThem) {
  const std::vector<std::string> check = {"check", "--run", "r", "--cost", "0.01", "--dry-run"};
  EXPECT_EQ(Bursar(check).exit_code, 0);
  EXPECT_EQ(Bursar({"budgets", "freeze", "run-cap"}).exit_code, 0);
  const Finished frozen = Bursar(check);
  EXPECT_EQ(frozen.exit_code, 3);
  EXPECT_THAT(frozen.output, HasSubstr("BUDGET_FROZEN"));
  EXPECT_EQ(Bursar({"budgets", "unfreeze", "run-cap"}).exit_code, 0);
  EXPECT_EQ(Bursar(check).exit_code, 0);
}

// A month's budget for each of `teams` teams, as a file for `budgets apply`.
nlohmann::json TeamBudgets(int teams, int limit_usd) {
  nlohmann::json budgets = nlohmann::json::array();
  for (int i = 0; i < teams; ++i) {
    const std::string team = "team-" + std::to_string(i);
    budgets.push_back({{"id", team},
                       {"limitNanousd", limit_usd * int64_t{1'000'000'000}},
                       {"window", {{"kind", "KIND_MONTH"}, {"timeZone", "Europe/Berlin"}}},
                       {"selector", {{{"dimension", "team"}, {"values", {team}}}}}});
  }
  return {{"budgets", budgets}};
}

TEST_F(CommandTest, AppliesTheBudgetsOf200TeamsOnceAndPrunes) {
  constexpr int kTeams = 200;
  const std::string file = folder_.path() + "/budgets.json";
  const auto apply = [&](const nlohmann::json& budgets, std::vector<std::string> flags) {
    std::ofstream(file) << budgets;
    flags.insert(flags.begin(), {"budgets", "apply", "-f", file});
    return Json(flags);
  };
  const auto count = [&] { return Json({"budgets", "list"})["budgets"].size(); };
  const nlohmann::json teams = TeamBudgets(kTeams, 100);
  EXPECT_EQ(apply(teams, {"--dry-run"})["created"].size(), 200u);
  EXPECT_EQ(count(), 1u);  // run-cap alone
  EXPECT_EQ(apply(teams, {})["created"].size(), 200u);
  EXPECT_EQ(count(), 201u);
  EXPECT_EQ(apply(teams, {})["unchanged"], 200);
  EXPECT_EQ(Bursar({"check", "--team", "team-7", "--cost", "101"}).exit_code, 3);

  EXPECT_EQ(Bursar({"budgets", "freeze", "team-7"}).exit_code, 0);  // and frozen it stays
  const auto raised = apply(TeamBudgets(kTeams - 1, 200), {});
  EXPECT_EQ(raised["updated"].size(), 199u);
  EXPECT_EQ(raised["notInFile"], 2);
  EXPECT_EQ(Json({"budgets", "get", "team-7"})["budget"]["state"], "STATE_FROZEN");
  EXPECT_EQ(Json({"budgets", "get", "team-7"})["budget"]["limitNanousd"], "200000000000");
  const auto pruned = apply(TeamBudgets(kTeams - 1, 200), {"--prune"});
  EXPECT_EQ(pruned["deleted"], nlohmann::json({"run-cap", "team-199"}));
  EXPECT_EQ(pruned["unchanged"], 199);
  EXPECT_EQ(count(), 199u);
}

TEST_F(CommandTest, WhatListPrintsCanBeAppliedAgainAsItIs) {
  Json({"budgets", "create", "busy", "--limit-calls", "5", "--window", "day", "--group-by",
        "user,model", "--selector", "team!=b,a", "--expires", "2126-01-01T00:00:00.123456789Z",
        "--threshold", "90,50", "--state", "frozen"});
  EXPECT_EQ(Bursar({"budgets", "raise", "busy", "--group", "user=carol", "--group", "model=m",
                    "--to", "9", "--until", "2125-01-01", "--reason", "r"})
                .exit_code,
            0);
  const std::string bursar = ProgramPath("bursar") + " --endpoint " + server_.address() +
                             " --api-key-file " + key_ + " budgets ";
  const Finished applied =
      RunProgram({"/bin/sh", "-c", bursar + "list --json | " + bursar + "apply -f - --prune"});
  EXPECT_EQ(applied.exit_code, 0);
  EXPECT_EQ(applied.output, "= 2 unchanged\n");
}

TEST_F(CommandTest, ShowsHoldsAndEventsExplainsAndVerifies) {
  Json({"budgets", "create", "user-day", "--limit", "1.00", "--window", "lifetime", "--group-by",
        "user"});
  Json({"check", "--user", "carol", "--cost", "0.90", "--id", "held"});
  Json({"check", "--user", "carol", "--cost", "0.20", "--id", "refused"}, 3);
  const auto holds = Json({"holds", "--user", "carol", "--budget", "user-day"});
  ASSERT_EQ(holds["reservations"].size(), 1u);
  EXPECT_EQ(holds["reservations"][0]["id"], "held");
  EXPECT_THAT(Bursar({"holds", "--state", "settled"}).output, HasSubstr("no such reservation"));
  const auto statuses = Json({"status", "--budget", "user-day", "--min-used", "0.8"});
  ASSERT_EQ(statuses["statuses"].size(), 1u);
  EXPECT_EQ(statuses["statuses"][0]["group"]["user"], "carol");

  const absl::Time deadline = absl::Now() + absl::Seconds(60);  // denials are told of a bit later
  while (Bursar({"explain", "refused"}).exit_code != 0 && absl::Now() < deadline) {
    absl::SleepFor(kPoll);
  }
  const Finished refused = Bursar({"explain", "refused"});
  EXPECT_EQ(refused.exit_code, 0);
  const std::string raise =
      "bursar budgets raise user-day --group user=carol --to 1.10 --for 4h --reason WHY";
  EXPECT_THAT(refused.output, HasSubstr(raise));
  EXPECT_THAT(Bursar({"explain", "held"}).output, HasSubstr("active: it holds until"));
  EXPECT_EQ(Bursar({"explain", "never-asked"}).exit_code, 1);
  EXPECT_EQ(Json({"events", "--kind", "denied"})["events"][0]["requestId"], "refused");

  // The remedy does what it says, to the nano-dollar.
  const std::string global = " --endpoint " + server_.address() + " --api-key-file " + key_;
  EXPECT_EQ(RunProgram({"/bin/sh", "-c", ProgramPath(raise) + global}).exit_code, 0);
  EXPECT_EQ(Bursar({"check", "--user", "carol", "--cost", "0.200000001"}).exit_code, 3);
  EXPECT_EQ(Bursar({"check", "--user", "carol", "--cost", "0.20", "--id", "refused"}).exit_code, 0);
  EXPECT_EQ(Bursar({"record", "--reservation", "held", "--cost", "0.5"}).exit_code, 0);
  EXPECT_THAT(Bursar({"explain", "held"}).output, HasSubstr("settled: what was used"));
  EXPECT_THAT(Bursar({"verify", "--page-size", "1"}).output, HasSubstr("checked: no breach"));
  // A ledger that somebody tampered with is found out.
  ASSERT_TRUE(database_.Connect()->Execute("UPDATE counter SET spent = spent + 1").ok());
  const Finished breached = Bursar({"verify"});
  EXPECT_EQ(breached.exit_code, 1);
  EXPECT_THAT(breached.output, HasSubstr("I5"));
}

TEST_F(CommandTest, TheQuickstartProgramRunsAgainstTheServer) {
  const std::string environment =
      "BURSAR_ENDPOINT=" + server_.address() + " BURSAR_API_KEY_FILE=" + key_ + " ";
  const Finished quickstart =
      RunProgram({"/bin/sh", "-c", environment + ProgramPath("bursar-quickstart")});
  EXPECT_EQ(quickstart.exit_code, 0) << quickstart.output;
  EXPECT_THAT(quickstart.output, HasSubstr("openai/gpt-4o | 1,200 in, 350 out | $0.0065"));
  EXPECT_EQ(Json({"costs"})["total"]["costNanousd"], "6500000");
}

// What `bursar-demo --keep` left: stopped and removed at the latest with this object.
class KeptServer {
 public:
  explicit KeptServer(const std::string& said)
      : address_(WordAfter(said, "The server stays at ")),
        folder_(WordAfter(said, " && rm -rf ")),
        key_file_(WordAfter(said, "BURSAR_API_KEY_FILE=")) {
    const std::string pid = WordAfter(said, "stop it: kill ");
    if (!pid.empty()) pid_ = std::stoi(pid);
  }
  ~KeptServer() {
    Stop();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  const std::string& address() const { return address_; }
  const std::string& key_file() const { return key_file_; }
  const std::string& folder() const { return folder_; }
  bool Runs() const {
    std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
    std::string number, name, state;
    stat >> number >> name >> state;
    return pid_ > 0 && !state.empty() && state != "Z";
  }
  void Stop() const {
    if (!Runs()) return;
    kill(pid_, SIGTERM);
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (Runs() && absl::Now() < deadline) absl::SleepFor(kPoll);
  }

 private:
  static std::string WordAfter(const std::string& text, const std::string& mark) {
    const size_t at = text.find(mark);
    std::istringstream words(at == std::string::npos ? "" : text.substr(at + mark.size()));
    std::string word;
    words >> word;
    return word;
  }

  const std::string address_, folder_, key_file_;
  pid_t pid_ = -1;
};

TEST(Demo, KeepLeavesAServerThatAnswersAndCanBeStopped) {
  const Finished demo = RunProgram({ProgramPath("bursar-demo"), "--calls", "50", "--keep"});
  const KeptServer server(demo.output);
  ASSERT_EQ(demo.exit_code, 0) << demo.output;
  ASSERT_TRUE(server.Runs()) << demo.output;
  const std::vector<std::string> budgets = {
      ProgramPath("bursar"), "budgets",        "list",           "--endpoint",
      server.address(),      "--api-key-file", server.key_file()};
  const Finished listed = RunProgram(budgets);
  EXPECT_EQ(listed.exit_code, 0) << listed.output;
  EXPECT_THAT(listed.output, HasSubstr("fleet-month"));
  const std::string postmaster = server.folder() + "/data/postgres/postmaster.pid";
  EXPECT_TRUE(std::filesystem::exists(postmaster));
  server.Stop();  // as the demo says: kill PID
  EXPECT_FALSE(server.Runs());
  EXPECT_FALSE(std::filesystem::exists(postmaster));  // its PostgreSQL too
  EXPECT_EQ(RunProgram(budgets).exit_code, 1);
}

TEST(Demo, PlaysItsFleetAndItsSumsAgreeWithSql) {
  const Finished demo = RunProgram({ProgramPath("bursar-demo"), "--calls", "300"});
  EXPECT_EQ(demo.exit_code, 0) << demo.output;
  EXPECT_THAT(demo.output, HasSubstr("sums agree"));
  EXPECT_THAT(demo.output, HasSubstr("Costs by agent"));
}

}  // namespace
}  // namespace bursar::testing
