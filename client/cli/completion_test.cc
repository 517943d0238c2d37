// bursar completion bash, as bash itself runs it.
#include <fstream>

#include "cli/program_fixture.h"
#include "testing/temporary_folder.h"

namespace bursar::cli {
namespace {

class CompletionTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    ASSERT_EQ(RunProgram({"completion", "bash"}, out_, err_), 0) << err_.str();
    testing::WriteFile(folder_.path() + "/script", out_.str());
    // What the script runs to learn the names of budgets.
    testing::WriteFile(folder_.path() + "/bursar",
                       "#!/bin/bash\n"
                       "[ \"$*\" = 'budgets list --timeout 1s' ] || exit 1\n"
                       "printf 'ID       LIMIT\\nrun-cap  $0.50\\nuser-day $1.00\\n'\n");
    std::filesystem::permissions(folder_.path() + "/bursar", std::filesystem::perms::owner_all);
    testing::WriteFile(folder_.path() + "/prices.json", "");
  }

  // What bash offers at the end of these words, the last of which is being typed; with blanks
  // between.
  std::string Complete(const Words& words) {
    const std::string out = folder_.path() + "/out";
    std::string script = "cd " + folder_.path() + "; PATH=.:$PATH; source ./script; COMP_WORDS=(";
    for (const std::string& word : words) script += "'" + word + "' ";
    script += "); COMP_CWORD=" + std::to_string(words.size() - 1) +
              "; _bursar; echo \"${COMPREPLY[*]}\" >out";
    const std::string command = "bash --norc --noprofile -c \"$SCRIPT\"";
    setenv("SCRIPT", script.c_str(), 1);
    EXPECT_EQ(std::system(command.c_str()), 0) << script;
    std::string text = testing::ReadFile(out);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(CompletionTest, KnowsCommandsAndFlags) {
  const std::pair<Words, const char*> kCases[] = {
      {{"bursar", "co"}, "costs completion"},
      {{"bursar", "budgets", "un"}, "unfreeze"},
      {{"bursar", "completion", ""}, "bash"},
      {{"bursar", "--json", "--endpoint", "check", "ver"}, "verify"},
      {{"bursar", "costs", "--b"}, "--by --bucket --bars"},
      {{"bursar", "costs", "--summary", "--m"}, "--min-success --max-p95 --max-daily"},
      {{"bursar", "prices", "import", "--r"}, "--replace"},
      {{"bursar", "--ver"}, "--version"},
      {{"bursar", "status", "--tls-s"}, "--tls-server-name"},
      {{"bursar", "frobnicate", "--use"}, ""},
      {{"bursar", "costs", ""}, ""},
  };
  for (const auto& [words, offered] : kCases) EXPECT_EQ(Complete(words), offered) << words.back();
}

TEST_F(CompletionTest, KnowsTheWordsThatFlagsTake) {
  const std::pair<Words, const char*> kCases[] = {
      {{"bursar", "costs", "--bucket", ""}, "hour day week month"},
      {{"bursar", "costs", "--bucket", "=", "d"}, "day"},
      {{"bursar", "costs", "--period", ""}, "today 7d 30d month"},
      {{"bursar", "costs", "--bucket", "="}, "hour day week month"},
      {{"bursar", "costs", "--by", "mo"}, "model"},
      {{"bursar", "costs", "--by", "model,us"}, "model,user"},
      {{"bursar", "holds", "--state", "s"}, "settled"},
      {{"bursar", "record", "--outcome", "not"}, "not-executed"},
      {{"bursar", "costs", "--watch", "--bu"}, "--bucket"},
      {{"bursar", "check", "--user", "co"}, ""},
      {{"bursar", "check", "--user", "costs", "--run"}, "--run"},
      {{"bursar", "status", "--budget", "u"}, "user-day"},
      {{"bursar", "budgets", "freeze", ""}, "run-cap user-day"},
      {{"bursar", "budgets", "create", ""}, ""},
      {{"bursar", "prices", "import", "pr"}, "prices.json"},
      {{"bursar", "status", "--tls-ca-file", "pri"}, "prices.json"},
      {{"bursar", "status", "--tls", "--tls-server-name", "pri"}, ""},
      {{"bursar", "budgets", "apply", "-f", "pri"}, "prices.json"},
      {{"bursar", "run", "--budget", "1", "--", "bursa"}, "bursar"},
      {{"bursar", "run", "--", "cat", "--json", "pri"}, "prices.json"},
  };
  for (const auto& [words, offered] : kCases) EXPECT_EQ(Complete(words), offered) << words.back();
}

TEST_F(CompletionTest, NeedsNeitherServerNorAReadableConfiguration) {
  testing::WriteFile(folder_.path() + "/key", "");
  setenv("BURSAR_API_KEY_FILE", (folder_.path() + "/key").c_str(), 1);
  EXPECT_EQ(RunProgram({"status"}, out_, err_), 2);
  EXPECT_EQ(RunProgram({"completion", "bash"}, out_, err_), 0);
  unsetenv("BURSAR_API_KEY_FILE");
  EXPECT_EQ(RunProgram({"completion"}, out_, err_), 2);
}

}  // namespace
}  // namespace bursar::cli
