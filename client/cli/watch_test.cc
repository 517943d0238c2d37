// --watch: the same again and again, until a signal; and what a terminal is sent.
#include "cli/watch.h"

#include <unistd.h>

#include <csignal>

#include "cli/program_fixture.h"
#include "testing/terminal.h"

namespace bursar::cli {
namespace {

using testing::Terminal;

class WatchTest : public ProgramTest {
 protected:
  // Answers `answers` one after the other, and with the last sends this process a signal.
  void AnswerAndEnd(std::vector<StatusOr<std::string>> answers, int signal = SIGINT) {
    server_.status = [this, answers, signal](const auto& request, auto* response) {
      const auto& answer = answers[std::min(asked_, answers.size() - 1)];
      if (++asked_ >= answers.size()) kill(getpid(), signal);
      if (answer.ok()) return Say<v1::GetBudgetStatusResponse>(*answer)(request, response);
      return grpc::Status(static_cast<grpc::StatusCode>(answer.status().code()),
                          answer.status().message());
    };
  }

  size_t asked_ = 0;
};

constexpr char kOne[] = R"pb(budgets { budget: "budgets/one" unit: UNIT_CALLS limit: 10 })pb";
constexpr char kTwo[] = R"pb(budgets { budget: "budgets/two" unit: UNIT_CALLS limit: 10 })pb";
constexpr char kOneTable[] =
    "  BUDGET  GROUP   USED    SPENT     HELD     LEFT     LIMIT  WINDOW ENDS\n"
    "  one            0.0 %  0 calls  0 calls  0 calls  10 calls  never\n";
constexpr char kTwoTable[] =
    "  BUDGET  GROUP   USED    SPENT     HELD     LEFT     LIMIT  WINDOW ENDS\n"
    "  two            0.0 %  0 calls  0 calls  0 calls  10 calls  never\n";

TEST_F(WatchTest, PrintsABlockEachTimeAndEndsWith0OnASignal) {
  for (const int signal : {SIGINT, SIGTERM}) {
    asked_ = 0;
    // The look during which the signal comes may or may not be shown.
    AnswerAndEnd({std::string(kOne), std::string(kTwo), std::string("")}, signal);
    EXPECT_EQ(Run({"status", "--watch", "100ms"}), 0) << err_.str();
    const std::string both = std::string(kOneTable) + "\n" + kTwoTable;
    EXPECT_EQ(out_.str().substr(0, both.size()), both);
  }
}

TEST_F(WatchTest, WithJsonEachLookIsALine) {
  AnswerAndEnd(
      {std::string("budgets { limit: 1 }"), std::string("budgets { limit: 2 }"), std::string("")});
  EXPECT_EQ(Run({"status", "--watch", "100ms", "--json"}), 0);
  std::istringstream lines(out_.str());
  std::string line;
  for (const char* limit : {"\"limit\":\"1\"", "\"limit\":\"2\""}) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(line.substr(0, 12), "{\"budgets\":[");
    EXPECT_EQ(line.substr(line.size() - 3), "}]}");
    EXPECT_NE(line.find(limit), std::string::npos) << line;
  }
}

TEST_F(WatchTest, AFailedLookIsToldOnceAndDoesNotEndIt) {
  const Status away(StatusCode::kInternal, "something broke");
  AnswerAndEnd(
      {std::string(kOne), away, away, std::string(kTwo), away, std::string(""), std::string("")});
  EXPECT_EQ(Run({"status", "--watch", "100ms"}), 0);
  EXPECT_EQ(err_.str(), "bursar: something broke\nbursar: something broke\n");
  EXPECT_NE(out_.str().find(kTwoTable), std::string::npos);
}

TEST_F(WatchTest, EndsWhereWaitingChangesNothing) {
  const std::pair<StatusCode, int> kCases[] = {{StatusCode::kInvalidArgument, 2},
                                               {StatusCode::kUnauthenticated, 1},
                                               {StatusCode::kPermissionDenied, 1}};
  for (const auto& [code, exit_code] : kCases) {
    asked_ = 0;
    AnswerAndEnd({Status(code, "no"), std::string(""), std::string("")});
    EXPECT_EQ(Run({"status", "--watch", "100ms"}), exit_code);
    EXPECT_EQ(asked_, 1u);
  }
}

TEST_F(WatchTest, ASignalEndsALookThatHangs) {
  std::atomic<bool> over = false;
  server_.status = [&](const auto&, auto*) {
    kill(getpid(), SIGTERM);
    while (!over) usleep(1000);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"status", "--watch", "--timeout", "1h"}), 0);
  over = true;
}

TEST_F(WatchTest, CostsCanBeWatchedAndNotFailOverAtOnce) {
  server_.costs = [](const auto&, v1::QueryCostsResponse* response) {
    response->mutable_total()->set_calls(7);
    kill(getpid(), SIGINT);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"costs", "--watch"}), 0);
  EXPECT_EQ(Run({"costs", "--watch", "--fail-over", "1"}), 2);
  EXPECT_EQ(err_.str(),
            "bursar: --fail-over and --watch exclude each other; one of them would be right\n");
  EXPECT_EQ(Run({"costs", "--watch", "soon"}), 2);
  EXPECT_EQ(Run({"costs", "--watch", "1ms"}), 2);
  EXPECT_EQ(err_.str(), "bursar: --watch: \"1ms\" is too short; 100ms or more would be right\n");
}

TEST_F(WatchTest, ATerminalIsRedrawnInPlaceAndLeftAsItWas) {
  AnswerAndEnd({std::string(kOne), Status(StatusCode::kInternal, "broke"), std::string(kTwo),
                std::string("")});
  {
    const Terminal terminal;  // which would also take what a failed test says
    EXPECT_EQ(Run({"status", "--watch", "100ms"}), 0);
  }
  const std::string sent = out_.str();
  EXPECT_EQ(sent.find("\033[?1049h\033[?25l\033[?7l\033[H"), 0u) << "another screen, no cursor";
  const size_t leave = sent.find("\033[?7h\033[?25h\033[?1049l");
  ASSERT_NE(leave, std::string::npos);
  EXPECT_EQ(sent.find("\033[?1049", leave + 20), std::string::npos) << "left once";
  EXPECT_NE(sent.find("bursar: broke"), std::string::npos) << "shown at the foot" << sent;
  // What was seen last is still there to be read, on the screen that was there before.
  const std::string after = sent.substr(leave);
  EXPECT_NE(after.find("two"), std::string::npos) << after;
  EXPECT_EQ(err_.str(), "");
}

TEST_F(WatchTest, ATerminalGetsColoursUnlessNoColorIsSet) {
  server_.status = Say<v1::GetBudgetStatusResponse>(kOne);
  std::vector<bool> coloured;
  const auto look = [&] {
    Run({"status"});
    coloured.push_back(out_.str().find("\033[") != std::string::npos);
  };
  look();
  {
    const Terminal terminal;
    look();
    setenv("NO_COLOR", "1", 1);
    look();
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    look();
  }
  EXPECT_EQ(coloured, (std::vector<bool>{false, true, false, false}));
}

}  // namespace
}  // namespace bursar::cli
