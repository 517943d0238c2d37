// bursar run: a real command under a cap, against a server in this process.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <mutex>

#include "cli/program_fixture.h"
#include "testing/certificates.h"
#include "testing/temporary_folder.h"

namespace bursar::cli {
namespace {

constexpr int64_t kLimit = 500'000'000;

class RunTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    server_.create_budget = [this](const v1::CreateBudgetRequest& request,
                                   v1::CreateBudgetResponse* response) {
      created_ = request;
      *response->mutable_budget() = request.budget();
      response->mutable_budget()->mutable_create_time()->set_seconds(1795356000);
      return grpc::Status::OK;
    };
    server_.status = [this](const v1::GetBudgetStatusRequest& request,
                            v1::GetBudgetStatusResponse* response) {
      asked_ = request;
      ++looks_;
      if (away_) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Connection refused");
      AddStatus("budgets/" + created_.budget_id(), kLimit, spent_, response);
      if (tighter_ > 0) AddStatus("budgets/run-cap", tighter_, 0, response);
      return grpc::Status::OK;
    };
    server_.costs = [this](const v1::QueryCostsRequest& request, v1::QueryCostsResponse* response) {
      queried_ = request;
      response->mutable_total()->set_calls(12);
      return grpc::Status::OK;
    };
    server_.delete_budget = [this](const v1::DeleteBudgetRequest& request, auto*) {
      deleted_ = request.name();
      return grpc::Status::OK;
    };
  }

  static void AddStatus(const std::string& name, int64_t limit, int64_t spent,
                        v1::GetBudgetStatusResponse* response) {
    v1::BudgetStatus* status = response->add_budgets();
    status->set_budget(name);
    status->set_unit(v1::UNIT_COST);
    status->set_mode(v1::ENFORCEMENT_MODE_HARD);
    status->set_limit(limit);
    status->set_spent(spent);
    status->set_remaining(limit - spent);
  }

  // `bursar run --budget 0.50 --run r FLAGS -- sh -c SCRIPT`
  int RunScript(const std::string& script, Words flags = {}) {
    Words words = {"run", "--budget", "0.50", "--run", "r", "--endpoint", server_.endpoint()};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {"--", "sh", "-c", script});
    out_.str("");
    err_.str("");
    return RunProgram(words, out_, err_);
  }

  // A script that ends only when the file `name` is there, or after a minute.
  std::string WaitFor(const std::string& name) const {
    return "i=0; while [ ! -e " + Path(name) +
           " ] && [ $i -lt 1200 ]; do sleep 0.05; i=$((i+1)); "
           "done; ";
  }
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }

  testing::TemporaryFolder folder_;
  v1::CreateBudgetRequest created_;
  v1::GetBudgetStatusRequest asked_;
  v1::QueryCostsRequest queried_;
  std::string deleted_;
  std::atomic<int64_t> spent_ = 0;
  std::atomic<int64_t> tighter_ = 0;
  std::atomic<bool> away_ = false;
  std::atomic<int> looks_ = 0;
};

TEST_F(RunTest, GivesTheCommandARunAndACapAndSaysWhatItCost) {
  spent_ = 43'120'000;
  EXPECT_EQ(RunScript("exit 7"), 7);
  EXPECT_EQ(created_.ShortDebugString(),
            "budget { display_name: \"cap of one run\" selector { dimension: \"root_run\" values: "
            "\"r\" } limit_nanousd: 500000000 window { kind: KIND_LIFETIME } mode: "
            "ENFORCEMENT_MODE_HARD threshold_percents: 75 threshold_percents: 90 "
            "threshold_percents: 100 } budget_id: \"run-r\"");
  EXPECT_EQ(asked_.ShortDebugString(), "subject { run: \"r\" root_run: \"r\" }");
  EXPECT_EQ(queried_.ShortDebugString(),
            "start_time { seconds: 1795356000 } filters { dimension: \"root_run\" values: \"r\" }");
  EXPECT_EQ(deleted_, "budgets/run-r");
  EXPECT_EQ(err_.str(), "bursar: the run r cost $0.04312 (12 calls)\n");
  EXPECT_EQ(out_.str(), "") << "standard output is the command's";
  EXPECT_EQ(RunScript("kill -9 $$"), 128 + SIGKILL);
  EXPECT_EQ(RunScript("exit 0", {"--json"}), 0);
  EXPECT_EQ(err_.str(),
            "{\"run\":\"r\",\"budget\":\"run-r\",\"costNanousd\":\"43120000\",\"calls\":12,"
            "\"endedByCap\":false,\"exitCode\":0}\n");
}

TEST_F(RunTest, TheCommandFindsItsRunAndItsServer) {
  testing::WriteFile(Path("agent.key"), "agent-key\n");
  const std::string print =
      "echo \"$BURSAR_RUN,$BURSAR_ROOT_RUN,$BURSAR_PARENT_RUN,$BURSAR_ENDPOINT,$BURSAR_API_KEY,"
      "$BURSAR_API_KEY_FILE\" >" +
      Path("out");
  const std::string at = server_.endpoint();
  EXPECT_EQ(RunScript(print), 0);
  EXPECT_EQ(testing::ReadFile(Path("out")), "r,r,," + at + ",,\n");
  EXPECT_EQ(RunScript(print, {"--api-key", "admin-key"}), 0);
  EXPECT_EQ(testing::ReadFile(Path("out")), "r,r,," + at + ",admin-key,\n");
  EXPECT_EQ(RunScript(print, {"--api-key", "admin-key", "--child-key-file", Path("agent.key")}), 0);
  EXPECT_EQ(testing::ReadFile(Path("out")), "r,r,," + at + ",," + Path("agent.key") + "\n");
}

TEST_F(RunTest, TheCommandGetsTheFlagsOfTls) {
  const testing::Certificates certificates(folder_.path());
  grpc::SslServerCredentialsOptions ssl;
  ssl.pem_key_cert_pairs.push_back({testing::ReadFile(certificates.Key("server")),
                                    testing::ReadFile(certificates.Pem("server"))});
  testing::FakeServer secure(grpc::SslServerCredentials(ssl));
  secure.create_budget = server_.create_budget;
  secure.status = server_.status;
  secure.costs = server_.costs;
  secure.delete_budget = server_.delete_budget;
  const std::string print =
      "echo \"$BURSAR_TLS,$BURSAR_TLS_CA_FILE,$BURSAR_TLS_SERVER_NAME,$BURSAR_TLS_KEY_FILE\" >" +
      Path("out");
  const std::string near = std::filesystem::relative(certificates.Pem("ca"));
  EXPECT_EQ(RunProgram({"run", "--budget", "0.50", "--endpoint", secure.endpoint(), "--tls-ca-file",
                        near, "--tls-server-name", "purse", "--", "sh", "-c", print},
                       out_, err_),
            0)
      << err_.str();
  const std::string whole = std::filesystem::absolute(near);
  EXPECT_EQ(testing::ReadFile(Path("out")), "1," + whole + ",purse,\n");
  EXPECT_EQ(RunScript(print), 0);
  EXPECT_EQ(testing::ReadFile(Path("out")), ",,,\n");
}

TEST_F(RunTest, ARunWithinARunStaysBelowTheOuterCap) {
  setenv("BURSAR_RUN", "outer", 1);
  setenv("BURSAR_ROOT_RUN", "top", 1);
  const std::string print =
      "echo \"$BURSAR_RUN,$BURSAR_ROOT_RUN,$BURSAR_PARENT_RUN\" >" + Path("out");
  EXPECT_EQ(RunScript(print), 0);
  EXPECT_EQ(testing::ReadFile(Path("out")), "r,top,outer\n");
  EXPECT_EQ(created_.budget().selector(0).dimension(), "run");
  EXPECT_EQ(asked_.ShortDebugString(),
            "subject { run: \"r\" parent_run: \"outer\" root_run: \"top\" }");
  unsetenv("BURSAR_RUN");
  unsetenv("BURSAR_ROOT_RUN");
}

TEST_F(RunTest, PassesWordsOnAsTheyAre) {
  Words words = {"run",
                 "--budget",
                 "1",
                 "--endpoint",
                 server_.endpoint(),
                 "--",
                 "sh",
                 "-c",
                 "for w in \"$@\"; do echo \"<$w>\"; done >" + Path("out"),
                 "sh"};
  const Words passed = {"[a,b]", "", "--", "--json", "check", "-h", "{}", "two words"};
  words.insert(words.end(), passed.begin(), passed.end());
  EXPECT_EQ(RunProgram(words, out_, err_), 0) << err_.str();
  EXPECT_EQ(testing::ReadFile(Path("out")),
            "<[a,b]>\n<>\n<-->\n<--json>\n<check>\n<-h>\n<{}>\n<two words>\n");
}

TEST_F(RunTest, WarnsAtEachPercentageOnce) {
  std::atomic<bool> steps_done = false;
  const auto look = server_.status;
  server_.status = [&](const v1::GetBudgetStatusRequest& request,
                       v1::GetBudgetStatusResponse* response) {
    const int64_t kSpent[] = {0,
                              kLimit * 74 / 100,
                              kLimit * 762 / 1000,
                              kLimit * 80 / 100,
                              kLimit * 95 / 100,
                              kLimit * 96 / 100};
    spent_ = kSpent[std::min(looks_.load(), 5)];
    if (looks_ == 5) steps_done = true;
    if (steps_done) testing::WriteFile(Path("end"), "");
    return look(request, response);
  };
  EXPECT_EQ(RunScript(WaitFor("end")), 0);
  EXPECT_EQ(err_.str(),
            "bursar: the run r has spent 76.2 % of its $0.50\n"
            "bursar: the run r has spent 95.0 % of its $0.50\n"
            "bursar: the run r cost $0.48 (12 calls)\n");
}

TEST_F(RunTest, TwoPercentagesAtOnceAreOneWarning) {
  const auto look = server_.status;
  server_.status = [&](const v1::GetBudgetStatusRequest& request,
                       v1::GetBudgetStatusResponse* response) {
    if (looks_ == 1) spent_ = kLimit * 95 / 100;  // from nothing, past 75 % and 90 %
    if (looks_ == 3) testing::WriteFile(Path("end"), "");
    return look(request, response);
  };
  EXPECT_EQ(RunScript(WaitFor("end")), 0);
  EXPECT_EQ(err_.str(),
            "bursar: the run r has spent 95.0 % of its $0.50\n"
            "bursar: the run r cost $0.475 (12 calls)\n");
}

TEST_F(RunTest, EndsTheCommandAndAllThatItStartedWhenTheCapIsSpent) {
  spent_ = kLimit + 20'000'000;
  // The child of the command does not hear SIGTERM; its process group is ended after the grace.
  const std::string script = "(trap '' TERM; " + WaitFor("never") + ") & echo $! >" + Path("pid") +
                             "; " + WaitFor("never") + "exit 0";
  EXPECT_EQ(RunScript(script, {"--grace", "300ms"}), 3);
  EXPECT_EQ(err_.str(),
            "bursar: the run r has spent $0.52 of its $0.50 and is ended\n"
            "bursar: the run r cost $0.52 (12 calls)\n");
  const pid_t left = std::stoi(testing::ReadFile(Path("pid")));
  for (int i = 0; i < 200 && kill(left, 0) == 0; ++i) usleep(10'000);
  std::ifstream stat("/proc/" + std::to_string(left) + "/stat");
  std::string number, name, state;
  stat >> number >> name >> state;
  EXPECT_TRUE(state.empty() || state == "Z") << state;
  EXPECT_EQ(deleted_, "budgets/run-r");
}

TEST_F(RunTest, WhatTheCommandLeavesToUsIsNotWaitedForOnceItIsDead) {
  // As process 1 of a container: what outlives its parent becomes ours.
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  spent_ = kLimit;
  const auto begin = std::chrono::steady_clock::now();
  const std::string script = "trap 'exit 0' TERM; (trap 'sleep 0.3; exit 0' TERM; " +
                             WaitFor("never") + ") & " + WaitFor("never");
  EXPECT_EQ(RunScript(script, {"--grace", "60s"}), 3);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(40));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a zombie is left";
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_F(RunTest, ACommandIsWaitedForWhereWhoStartedUsIgnoredTheEndOfChildren) {
  const auto before = signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(RunScript("exit 7"), 7);
  EXPECT_EQ(signal(SIGCHLD, before), SIG_IGN) << "and is put back";
}

TEST_F(RunTest, WhoNoLongerReadsWhatItSaysEndsNothing) {
  EXPECT_EQ(RunScript("trap 'exit 9' PIPE; kill -PIPE $PPID; sleep 0.3; exit 5"), 5);
  EXPECT_EQ(deleted_, "budgets/run-r");
}

TEST_F(RunTest, NoKillLetsItGoOn) {
  spent_ = kLimit;
  EXPECT_EQ(RunScript("sleep 0.3; exit 5", {"--no-kill"}), 5);
  EXPECT_EQ(err_.str(),
            "bursar: the run r has spent $0.50 of its $0.50; --no-kill lets it go on\n"
            "bursar: the run r cost $0.50 (12 calls)\n");
}

TEST_F(RunTest, AHoldThatFillsTheCapIsNoReasonToEndIt) {
  const auto look = server_.status;
  server_.status = [&](const auto& request, v1::GetBudgetStatusResponse* response) {
    const grpc::Status status = look(request, response);
    response->mutable_budgets(0)->set_reserved(kLimit);
    response->mutable_budgets(0)->set_remaining(0);
    response->mutable_budgets(0)->set_used_fraction(1);
    return status;
  };
  EXPECT_EQ(RunScript("sleep 0.3"), 0);
  EXPECT_EQ(err_.str(), "bursar: the run r cost $0.00 (12 calls)\n");
}

TEST_F(RunTest, PassesSignalsOn) {
  for (const char* signal : {"TERM", "INT", "HUP", "QUIT", "USR1", "USR2"}) {
    const std::string script = std::string("trap 'exit 9' ") + signal + "; kill -" + signal +
                               " $PPID; " + WaitFor("never");
    EXPECT_EQ(RunScript(script), 9) << signal;
  }
}

TEST_F(RunTest, AServerThatGoesAwayIsToldOfOnceAndEndsNothing) {
  const auto look = server_.status;
  server_.status = [&](const auto& request, auto* response) {
    away_ = looks_ >= 1 && looks_ < 4;
    if (looks_ == 5) testing::WriteFile(Path("end"), "");
    return look(request, response);
  };
  EXPECT_EQ(RunScript(WaitFor("end")), 0);
  EXPECT_EQ(err_.str(),
            "bursar: what the run r spends is not known for now, and it goes on: cannot reach the "
            "server at " +
                server_.endpoint() +
                ": connection refused; start it with `bursar-server` or set BURSAR_ENDPOINT\n"
                "bursar: the run r is watched again\n"
                "bursar: the run r cost $0.00 (12 calls)\n");
}

TEST_F(RunTest, SaysWhichBudgetIsTighterThanTheCap) {
  tighter_ = kLimit / 5;
  EXPECT_EQ(RunScript("sleep 0.2"), 0);
  EXPECT_EQ(err_.str().find("bursar: the run r has $0.10 left in the budget run-cap, which holds "
                            "too and is tighter than its cap\n"),
            0u)
      << err_.str();
}

TEST_F(RunTest, RunsNothingWithoutACap) {
  const auto create = [&](grpc::StatusCode code) {
    server_.create_budget = [code](const auto&, auto*) { return grpc::Status(code, "refused"); };
    std::filesystem::remove(Path("ran"));
    const int exit_code = RunScript("touch " + Path("ran"));
    EXPECT_FALSE(std::filesystem::exists(Path("ran")));
    return exit_code;
  };
  EXPECT_EQ(create(grpc::StatusCode::PERMISSION_DENIED), 2);
  EXPECT_EQ(err_.str(),
            "bursar: this key may not create budgets, and the cap of a run is one; an admin's key "
            "would be right\n");
  EXPECT_EQ(create(grpc::StatusCode::ALREADY_EXISTS), 1);
  EXPECT_EQ(
      err_.str(),
      "bursar: there is a budget run-r already: the run is under way, or was killed before it "
      "could be tidied up; another --run, or `bursar budgets delete run-r`, would be right\n");
  EXPECT_EQ(create(grpc::StatusCode::UNAUTHENTICATED), 1);
}

TEST_F(RunTest, ACommandThatCannotBeRunLeavesNoCap) {
  const auto run = [&](const std::string& command) {
    out_.str("");
    err_.str("");
    deleted_.clear();
    return RunProgram(
        {"run", "--budget", "1", "--run", "r", "--endpoint", server_.endpoint(), "--", command},
        out_, err_);
  };
  EXPECT_EQ(run("no-such-command-here"), 127);
  EXPECT_EQ(err_.str().find("bursar: cannot run no-such-command-here: No such file or directory\n"),
            0u)
      << err_.str();
  EXPECT_EQ(deleted_, "budgets/run-r");
  EXPECT_EQ(run("/etc/hostname"), 126);
}

TEST_F(RunTest, SaysWhatIsMissing) {
  const std::pair<Words, const char*> kCases[] = {
      {{"run", "--budget", "1"},
       "run what? `bursar run --budget 0.50 -- COMMAND ARGUMENTS` would be right"},
      {{"run", "--budget", "1", "sleep", "5"},
       "run what? `bursar run --budget 0.50 -- COMMAND ARGUMENTS` would be right"},
      {{"run", "--", "sleep"},
       "how much may it spend? `bursar run --budget 0.50 -- sleep` would be right"},
      {{"run", "--budget", "0", "--", "sleep"}, "--budget: is 0; more, like 0.50, would be right"},
      {{"run", "--budget", "1", "--run", "A/b", "--", "sleep"},
       "--run: \"A/b\" cannot be part of a budget's id; 1 to 59 of a-z 0-9 - _ . would be right"},
      {{"run", "--budget", "1", "--warn", "50,100", "--", "sleep"},
       "--warn: at 100 % the cap itself speaks; less, like 75,90, would be right"},
  };
  for (const auto& [words, message] : kCases) {
    err_.str("");
    EXPECT_EQ(RunProgram(words, out_, err_), 2);
    EXPECT_EQ(err_.str(), "bursar: " + std::string(message) + "\n");
  }
}

}  // namespace
}  // namespace bursar::cli
