#include "package/trial.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

namespace bursar::testing {

std::string MustRun(const std::string& command) {
  const Finished finished = RunProgram({"/bin/sh", "-c", command});
  EXPECT_EQ(finished.exit_code, 0) << command << "\n" << finished.output;
  return finished.output;
}

std::string Configure(const std::string& source, const std::string& build,
                      const std::string& flags) {
  return BURSAR_CMAKE " -G '" BURSAR_GENERATOR "' -S " + source + " -B " + build +
         " -DCMAKE_CXX_COMPILER=" BURSAR_CXX " -DCMAKE_CXX_FLAGS='" BURSAR_CXX_FLAGS "' " + flags;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    const size_t first = line.find_first_not_of(' ');
    if (first == std::string::npos) continue;
    lines.push_back(line.substr(first, line.find_last_not_of(' ') - first + 1));
  }
  return lines;
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(file.good()) << "cannot read " << path;
  return text.str();
}

void Trial::SetUpTestSuite() { shared_ = std::make_unique<Shared>(); }
void Trial::TearDownTestSuite() { shared_.reset(); }

void Trial::ExpectAgentRuns(const std::string& program) {
  const std::string output = MustRun("BURSAR_ENDPOINT=" + shared_->server.address() +
                                     " BURSAR_API_KEY_FILE=" + shared_->key + " " + program);
  EXPECT_THAT(output, ::testing::HasSubstr("openai/gpt-4o | 1,200 in, 350 out | $0.0065"));
}

}  // namespace bursar::testing
