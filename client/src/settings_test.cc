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

TEST(LoadClientOptions, ReadsEverySettingOfTheTable) {
  const auto options = LoadClientOptions(Source({{"HOME", "/home/ada"},
                                                 {"BURSAR_TLS_CA_FILE", "~/ca.pem"},
                                                 {"BURSAR_TLS_SERVER_NAME", "purse"},
                                                 {"BURSAR_OFFLINE_ALLOWANCE_USD", "2.50"},
                                                 {"BURSAR_RUN", "r1"},
                                                 {"BURSAR_ROOT_RUN", "r0"},
                                                 {"BURSAR_DISABLED", "0"}},
                                                {{kConfig,
                                                  "journal_folder = ~/journal\n"
                                                  "tls_certificate_file = /c.pem\n"
                                                  "tls_key_file = /k.pem\n"
                                                  "offline_allowance_usd = 9\n"
                                                  "offline_call_usd = 0.05\n"}}));
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_TRUE(options->tls);
  EXPECT_EQ(options->tls_ca_file, "/home/ada/ca.pem");
  EXPECT_EQ(options->tls_certificate_file, "/c.pem");
  EXPECT_EQ(options->tls_key_file, "/k.pem");
  EXPECT_EQ(options->tls_server_name, "purse");
  EXPECT_EQ(options->recorder.journal_folder, "/home/ada/journal");
  EXPECT_EQ(options->failure_policy, FailurePolicy::kFailOpen);
  EXPECT_EQ(options->offline_allowance_nanousd, 2'500'000'000);
  EXPECT_EQ(options->offline_call_nanousd, 50'000'000);
  EXPECT_EQ(options->subject.run, "r1");
  EXPECT_EQ(options->subject.root_run, "r0");
  EXPECT_FALSE(options->disabled);
}

TEST(LoadClientOptions, TheSwitchForTlsBeatsItsFiles) {
  const auto options =
      LoadClientOptions(Source({{"BURSAR_TLS_CA_FILE", "/ca.pem"}, {"BURSAR_TLS", "0"}}, {}));
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->tls);
}

TEST(LoadClientOptions, AWrongValueIsNamedWithItsPlace) {
  const auto from_environment = LoadClientOptions(Source({{"BURSAR_DISABLED", "yes"}}, {}));
  EXPECT_EQ(from_environment.status().ToString(),
            "INVALID_ARGUMENT: BURSAR_DISABLED: \"yes\" is neither 1 nor 0");
  const auto from_file = LoadClientOptions(
      Source({{"HOME", "/home/ada"}}, {{kConfig, "\noffline_allowance_usd = lots\n"}}));
  EXPECT_EQ(from_file.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(from_file.status().message().find("config line 2: "), std::string::npos)
      << from_file.status().message();
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

TEST(LoadClientOptions, AWrongLineThatCanBeAKeyIsNotRepeated) {
  for (const std::string line :
       {"api_key bursar_t_k_secret", "api_key: secret", "bursar_t_k_secret",
        "bursar_t1_k_secret=", "api_key secret=", "Secret="}) {
    const auto options =
        LoadClientOptions(Source({{"HOME", "/home/ada"}}, {{kConfig, "\n" + line + "\n"}}));
    ASSERT_EQ(options.status().code(), StatusCode::kInvalidArgument) << line;
    const std::string& message = options.status().message();
    EXPECT_NE(message.find("config line 2: "), std::string::npos) << message;
    EXPECT_EQ(message.find("ecret"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace bursar::internal
