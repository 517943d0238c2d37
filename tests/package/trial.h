#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/server_process.h"
#include "support/test_database.h"

namespace bursar::testing {

// Runs a line of shell; the test fails, with what was written, if it does not end with 0.
std::string MustRun(const std::string& command);

// The command line that configures the project in `source`, into `build`, with this build's
// compiler and flags (the sanitizers of a library must be those of its user).
std::string Configure(const std::string& source, const std::string& build,
                      const std::string& flags = "");

// The lines of a text without the blanks around them, empty ones left out.
std::vector<std::string> LinesOf(const std::string& text);
std::string ReadText(const std::string& path);

// Tests that share a folder and a server with keys, and run agents against it.
class Trial : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  static const std::string& folder() { return shared_->folder.path(); }
  // README's program, built in some way, checks and settles one call.
  static void ExpectAgentRuns(const std::string& program);

 private:
  struct Shared {
    TemporaryFolder folder;
    TestDatabase database;
    std::string key = folder.path() + "/admin.key";
    ServerProcess server{{"--database-url", database.url(), "--admin-key-file", key}};
  };
  static inline std::unique_ptr<Shared> shared_;
};

}  // namespace bursar::testing
