#include "log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace bursar {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { ConfigureLog(LogLevel::kInfo, LogFormat::kJson); }
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  CaptureStderr();
  Log(LogLevel::kInfo, "started",
      {{"listen", "127.0.0.1:50051"}, {"pid", int64_t{7}}, {"seconds", 0.5}, {"embedded", true}});
  const std::string line = GetCapturedStderr();
  EXPECT_THAT(line,
              HasSubstr("\"level\":\"info\",\"event\":\"started\",\"listen\":"
                        "\"127.0.0.1:50051\",\"pid\":7,\"seconds\":0.5,\"embedded\":true}\n"));
  const nlohmann::json json = nlohmann::json::parse(line);
  EXPECT_THAT(json["time"].get<std::string>(), MatchesRegex("....-..-..T..:..:..[.]......Z"));
}

TEST_F(LogTest, KeepsALineALineWhateverAValueHolds) {
  CaptureStderr();
  Log(LogLevel::kError, "odd", {{"text", "a\n\"b\"\\ \x01 caf\xC3\xA9"}, {"broken", "\xFF\xFE"}});
  const std::string line = GetCapturedStderr();
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const nlohmann::json json = nlohmann::json::parse(line);
  EXPECT_EQ(json["text"], "a\n\"b\"\\ \x01 caf\xC3\xA9");
  EXPECT_EQ(json["broken"], "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  ConfigureLog(LogLevel::kWarning, LogFormat::kJson);
  CaptureStderr();
  Log(LogLevel::kDebug, "a");
  Log(LogLevel::kInfo, "b");
  EXPECT_EQ(GetCapturedStderr(), "");
  CaptureStderr();
  Log(LogLevel::kWarning, "c");
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("\"event\":\"c\"}"));
}

TEST_F(LogTest, WritesTextForPeople) {
  ConfigureLog(LogLevel::kInfo, LogFormat::kText);
  CaptureStderr();
  Log(LogLevel::kWarning, "odd",
      {{"plain", "a/b"}, {"quoted", "two words"}, {"none", ""}, {"count", int64_t{3}}});
  EXPECT_THAT(GetCapturedStderr(),
              HasSubstr("Z warning odd plain=a/b quoted=\"two words\" none=\"\" count=3\n"));
}

TEST_F(LogTest, KeepsTheLinesOfThreadsApart) {
  CaptureStderr();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int n = 0; n < 100; ++n) Log(LogLevel::kInfo, "tick", {{"n", int64_t{n}}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::istringstream lines(GetCapturedStderr());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
  EXPECT_EQ(count, 400);
}

}  // namespace
}  // namespace bursar
