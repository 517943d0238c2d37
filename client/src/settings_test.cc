#include "src/settings.h"

#include <gtest/gtest.h>

#include <map>

namespace bursar::internal {
namespace {

using Texts = std::map<std::string, std::string>;

SettingsSource Source(Texts environment, Texts files) {
  return {[environment](const std::string& name) -> std::optional<std::string> {
            const auto found = environment.find(name);
            if (found == environment.end()) return std::nullopt;
            return found->second;
          },
          [files](const std::string& path) -> StatusOr<std::optional<std::string>> {
            const auto found = files.find(path);
            if (found == files.end()) return std::optional<std::string>();
            return std::optional<std::string>(found->second);
          }};
}

constexpr char kConfig[] = "/home/ada/.config/bursar/config";

TEST(LoadClientOptions, DefaultsWhereNothingIsSet) {
  const auto options = LoadClientOptions(Source({{"HOME", "/home/ada"}}, {}));
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->endpoint, "127.0.0.1:50051");
  EXPECT_EQ(options->api_key, "");
  EXPECT_EQ(options->check_timeout, std::chrono::milliseconds(250));
}

TEST(LoadClientOptions, ReadsTheFileWithCommentsAndHome) {
  const auto options = LoadClientOptions(
      Source({{"HOME", "/home/ada"}}, {{kConfig,
                                        "# where\n\n  endpoint=purse:50051\r\n"
                                        "api_key_file = ~/.config/bursar/admin.key\n"}}));
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_EQ(options->endpoint, "purse:50051");
  EXPECT_EQ(options->api_key_file, "/home/ada/.config/bursar/admin.key");
}

TEST(LoadClientOptions, TheEnvironmentBeatsTheFileAndAKeyReplacesBothOfItsKeys) {
  const Texts files = {{kConfig, "endpoint = purse:50051\napi_key = old\n"}};
  const auto options = LoadClientOptions(
      Source({{"HOME", "/home/ada"}, {"BURSAR_API_KEY_FILE", "/run/key"}}, files));
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->endpoint, "purse:50051");
  EXPECT_EQ(options->api_key, "");
  EXPECT_EQ(options->api_key_file, "/run/key");
}

TEST(LoadClientOptions, AWrongLineIsNamedWithoutItsValue) {
  const auto options =
      LoadClientOptions(Source({{"HOME", "/home/ada"}}, {{kConfig, "\napi-key = s3cret\n"}}));
  ASSERT_FALSE(options.ok());
  EXPECT_EQ(options.status().code(), StatusCode::kInvalidArgument);
  const std::string& message = options.status().message();
  EXPECT_NE(message.find("config line 2: \"api-key\""), std::string::npos) << message;
  EXPECT_EQ(message.find("s3cret"), std::string::npos) << message;
}

TEST(LoadApiKey, TakesTheFirstLineOfTheFile) {
  ClientOptions options;
  options.api_key_file = "/run/key";
  EXPECT_EQ(*LoadApiKey(options, Source({}, {{"/run/key", " bsr_abc \nsecond"}})), "bsr_abc");
  options.api_key = "direct";
  EXPECT_EQ(*LoadApiKey(options, Source({}, {})), "direct");
  EXPECT_EQ(*LoadApiKey({}, Source({}, {})), "");
}

TEST(LoadApiKey, RefusesAMissingAnEmptyAndAnImpossibleKey) {
  ClientOptions options;
  options.api_key_file = "/run/key";
  EXPECT_EQ(LoadApiKey(options, Source({}, {})).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(LoadApiKey(options, Source({}, {{"/run/key", "\n"}})).status().code(),
            StatusCode::kFailedPrecondition);
  options.api_key = "two words";
  EXPECT_EQ(LoadApiKey(options, Source({}, {})).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace bursar::internal
