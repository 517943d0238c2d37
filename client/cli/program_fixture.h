#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "cli/program.h"
#include "testing/fake_server.h"

// The whole command against a server in this process.
namespace bursar::cli {

using Words = std::vector<std::string>;

// An answer that is always the same.
template <typename Message>
auto Say(const std::string& text) {
  return [text](const auto&, Message* response) {
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, response)) << text;
    return grpc::Status::OK;
  };
}

class ProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Neither the user's own key nor file may take part.
    setenv("HOME", ::testing::TempDir().c_str(), 1);
    for (const char* name :
         {"BURSAR_ENDPOINT", "BURSAR_API_KEY", "BURSAR_API_KEY_FILE", "BURSAR_RUN",
          "BURSAR_ROOT_RUN", "BURSAR_TLS", "BURSAR_TLS_CA_FILE", "BURSAR_TLS_CERTIFICATE_FILE",
          "BURSAR_TLS_KEY_FILE", "BURSAR_TLS_SERVER_NAME"}) {
      unsetenv(name);
    }
  }

  int Run(Words words) {
    out_.str("");
    err_.str("");
    words.insert(words.end(), {"--endpoint", server_.endpoint()});
    return RunProgram(words, out_, err_);
  }

  testing::FakeServer server_;
  std::ostringstream out_;
  std::ostringstream err_;
};

}  // namespace bursar::cli
