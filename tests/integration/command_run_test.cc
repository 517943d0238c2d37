// What the command does over a longer time, against a real server: imports a log while the server
// is restarted, runs another command under a cap, watches, and fails over a sum.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "integration/started_program.h"

namespace bursar::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kLines = 20'000;

class CommandRunTest : public ::testing::Test {
 protected:
  // To be run by a shell: `bursar` is found, and finds the server.
  Finished Shell(const std::string& script) {
    return RunProgram({"/bin/sh", "-c",
                       "PATH=" BURSAR_BINARY_DIR ":$PATH; export BURSAR_ENDPOINT=" +
                           fleet_.server(0).address() + "; " + script});
  }
  std::vector<std::string> Words(std::vector<std::string> words) {
    words.insert(words.begin(), ProgramPath("bursar"));
    words.insert(words.end(), {"--endpoint", fleet_.server(0).address()});
    return words;
  }
  int64_t Records() const { return fleet_.Number("SELECT count(*) FROM usage_record"); }
  int64_t Sum() const { return fleet_.Number("SELECT sum(cost_nanousd) FROM usage_record"); }

  TemporaryFolder folder_;
  Fleet fleet_{1};
};

// Line `i` costs i nano-USD; every tenth has an id of its own, and some say just the same.
std::string Line(int i) {
  std::string line = "{";
  if (i % 10 == 0) line += "\"usage_id\": \"own-" + std::to_string(i) + "\", ";
  return line + "\"costNanousd\": \"" + std::to_string(i / 2) + "\", \"subject\": {\"user\": \"u" +
         std::to_string(i % 7) + "\"}}\n";
}

std::string LinesFrom(int first, int last) {
  std::string text;
  for (int i = first; i < last; ++i) text += Line(i);
  return text;
}

bool Until(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!condition() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(20));
  return condition();
}

TEST_F(CommandRunTest, ImportsALogOnceThroughARestartAndAgain) {
  constexpr int64_t kSum = int64_t{kLines / 2} * (kLines / 2 - 1);  // 2 x (0 + ... + 9,999)
  const std::string log = folder_.path() + "/log";
  std::ofstream(log) << LinesFrom(0, kLines);

  StartedProgram import(Words({"record", "--stdin"}));
  // The last quarter comes after the restart, so that the server dies in the middle.
  std::thread writer([&] { EXPECT_TRUE(import.Write(LinesFrom(0, kLines * 3 / 4))); });
  ASSERT_TRUE(Until([&] { return Records() >= 2000; })) << import.output();
  fleet_.server(0).Signal(SIGKILL);
  fleet_.server(0).Wait();
  ASSERT_TRUE(Until([&] { return import.output().find("trying again") != std::string::npos; }));
  fleet_.Restart(0);
  writer.join();
  EXPECT_TRUE(import.Write(LinesFrom(kLines * 3 / 4, kLines)));
  const Finished first = import.Wait();
  EXPECT_EQ(first.exit_code, 0) << first.output;
  EXPECT_THAT(first.output, HasSubstr("20,000 lines: "));
  EXPECT_THAT(first.output, HasSubstr(" there already, 0 refused; $0.0999"));
  EXPECT_EQ(Records(), kLines);
  EXPECT_EQ(Sum(), kSum);

  const Finished second = Shell("bursar record --stdin <" + log);
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_THAT(second.output, HasSubstr("20,000 lines: 0 recorded, 20,000 there already, 0 refused; "
                                       "$0.00 charged\n"));
  EXPECT_EQ(Records(), kLines);
  EXPECT_EQ(Sum(), kSum);
  fleet_.ExpectConserved();
}

TEST_F(CommandRunTest, ARunIsEndedWhenItsCapIsSpent) {
  // Calls that are let through for $0.15, and cost what they cost.
  const auto run = [&](const std::string& id, const std::string& cost, const std::string& denied) {
    return Shell("bursar run --budget 0.50 --run " + id +
                 " -- sh -c 'i=0; while [ $i -lt 100 ]; do i=$((i+1)); bursar check --cost 0.15 "
                 "--id $BURSAR_RUN/$i >>" +
                 folder_.path() + "/checks || " + denied +
                 "; bursar record --reservation $BURSAR_RUN/$i --cost " + cost +
                 " >/dev/null; done'");
  };
  const Finished obedient = run("obedient", "0.15", "exit 42");
  EXPECT_EQ(obedient.exit_code, 42) << "a command that stops by itself when it is denied";
  EXPECT_THAT(obedient.output, HasSubstr("bursar: the run obedient cost $0.45 (3 calls)\n"));

  const Finished stubborn = run("stubborn", "0.30", "continue");
  EXPECT_EQ(stubborn.exit_code, 3) << stubborn.output;
  EXPECT_THAT(stubborn.output,
              HasSubstr("bursar: the run stubborn has spent $0.60 of its $0.50 and is ended\n"));
  EXPECT_THAT(stubborn.output, HasSubstr("bursar: the run stubborn cost $0.60 (2 calls)\n"));
  EXPECT_EQ(Sum(), 1'050'000'000);
  std::ifstream checks(folder_.path() + "/checks");
  std::ostringstream said;
  said << checks.rdbuf();
  EXPECT_THAT(said.str(), HasSubstr("BUDGET_EXHAUSTED"));
  const Finished budgets = Shell("bursar budgets list");
  EXPECT_THAT(budgets.output, Not(HasSubstr("run-obedient")));
  EXPECT_THAT(budgets.output, Not(HasSubstr("run-stubborn")));
  fleet_.ExpectConserved();
}

TEST_F(CommandRunTest, CostsFailOverASumAndNotAtIt) {
  const std::string costs = "bursar costs --fail-over 10 --filter user=carol";
  EXPECT_EQ(Shell("bursar record --user carol --cost 10").exit_code, 0);
  EXPECT_EQ(Shell("bursar record --user dan --cost 10").exit_code, 0);
  EXPECT_EQ(Shell(costs).exit_code, 0) << "exactly 10 is not over";
  EXPECT_EQ(Shell("bursar record --user carol --cost 0.000000001").exit_code, 0);
  const Finished over = Shell(costs);
  EXPECT_EQ(over.exit_code, 4);
  EXPECT_THAT(over.output, HasSubstr("$10.000000001\n"));
  EXPECT_THAT(over.output, HasSubstr("bursar: $10.000000001 is $0.000000001 over the $10.00 of "
                                     "--fail-over\n"));
  EXPECT_EQ(Shell(costs + " --json 2>/dev/null | grep -q 10000000001").exit_code, 0);
}

TEST_F(CommandRunTest, WatchShowsWhatChangesUntilASignal) {
  StartedProgram watch(Words({"costs", "--watch", "200ms", "--json"}));
  const auto seen = [&](const std::string& cost) {
    return Until([&] {
      return watch.output().find("\"costNanousd\":\"" + cost + "\"") != std::string::npos;
    });
  };
  EXPECT_TRUE(seen("0"));
  EXPECT_EQ(Shell("bursar record --cost 0.25").exit_code, 0);
  EXPECT_TRUE(seen("250000000")) << watch.output();
  fleet_.server(0).Signal(SIGKILL);
  fleet_.server(0).Wait();
  EXPECT_TRUE(Until([&] { return watch.output().find("bursar: ") != std::string::npos; }));
  fleet_.Restart(0);
  EXPECT_EQ(Shell("bursar record --cost 0.50").exit_code, 0);
  EXPECT_TRUE(seen("750000000")) << watch.output();
  watch.Signal(SIGINT);
  const Finished ended = watch.Wait();
  EXPECT_EQ(ended.exit_code, 0);
  std::istringstream lines(ended.output);
  int documents = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("bursar: ", 0) == 0) continue;
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
    ++documents;
  }
  EXPECT_GE(documents, 3);
}

}  // namespace
}  // namespace bursar::testing
