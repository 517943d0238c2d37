// The script ./dev, as somebody who has just cloned the project meets it.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

namespace bursar::tidy {
namespace {

struct Answered {
  std::string text;  // of both streams
  int exit_code;
};

Answered Dev(const std::string& words) {
  const std::string line = "cd / && " BURSAR_SOURCE_DIR "/dev " + words + " 2>&1";
  FILE* pipe = popen(line.c_str(), "r");
  Answered answered{"", -1};
  char part[512];
  for (size_t size; (size = fread(part, 1, sizeof part, pipe)) > 0;)
    answered.text.append(part, size);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) answered.exit_code = WEXITSTATUS(status);
  return answered;
}

// The first words of its indented lines.
std::vector<std::string> VerbsIn(const std::string& help) {
  std::istringstream lines(help);
  std::vector<std::string> verbs;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("  ", 0) == 0) verbs.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  return verbs;
}

const std::vector<std::string> kVerbs = {"setup", "build", "test",    "soak", "fuzz", "run",
                                         "demo",  "bench", "package", "fmt",  "tidy"};

TEST(Dev, HelpListsEveryVerb) {
  const Answered help = Dev("help");
  EXPECT_EQ(help.exit_code, 0) << help.text;
  EXPECT_EQ(VerbsIn(help.text), kVerbs) << help.text;
}

TEST(Dev, AnUnknownVerbIsNamedAndExitsWith2) {
  for (const std::string word : {"frobnicate", "run_server", "compile", "--help"}) {
    const Answered refused = Dev(word);
    EXPECT_EQ(refused.exit_code, 2) << refused.text;
    EXPECT_EQ(refused.text.find("./dev: there is no verb \"" + word + "\"\n"), 0u) << refused.text;
    EXPECT_EQ(VerbsIn(refused.text), kVerbs) << refused.text;
  }
}

}  // namespace
}  // namespace bursar::tidy
