#include "config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace bursar {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() { setenv("HOME", "/nowhere/somebody", 1); }
  ~ConfigTest() override {
    for (const std::string& name : set_) unsetenv(name.c_str());
    std::filesystem::remove(path_);
  }

  void Set(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    set_.push_back(name);
  }

  std::string File(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }

  absl::StatusOr<Config> Parse(const std::vector<std::string>& flags) {
    std::vector<const char*> argv = {"bursar-server"};
    for (const std::string& flag : flags) argv.push_back(flag.c_str());
    argv.push_back(nullptr);
    return ParseConfig(static_cast<int>(argv.size()) - 1, argv.data());
  }

  std::string ErrorOf(const std::vector<std::string>& flags) {
    const absl::StatusOr<Config> config = Parse(flags);
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << config.status();
    return std::string(config.status().message());
  }

 private:
  std::vector<std::string> set_;
  std::string path_ = ::testing::TempDir() + "bursar-config-" + std::to_string(getpid());
};

TEST_F(ConfigTest, NeedsNoFlags) {
  const absl::StatusOr<Config> config = Parse({});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->database_url, "");
  EXPECT_EQ(config->data_dir, "bursar-data");
  EXPECT_EQ(config->listen, "127.0.0.1:50051");
  EXPECT_EQ(config->http, "127.0.0.1:9464");
  EXPECT_EQ(config->admin_key_file, "bursar-data/admin.key");
  EXPECT_EQ(config->migrate, MigrateMode::kAuto);
  EXPECT_FALSE(config->insecure_no_auth);
  EXPECT_FALSE(config->pgbouncer);
  EXPECT_EQ(config->ledger_horizon, absl::Hours(45 * 24));
}

TEST_F(ConfigTest, ReadsEveryFlag) {
  const absl::StatusOr<Config> config =
      Parse({"--database-url", "postgresql://db/x", "--listen=[::1]:0", "--http=off",
             "--admin-key-file=k", "--migrate=only", "--insecure-no-auth",
             "--database-connections=64", "--ledger-horizon=1d12h", "--drain-timeout=500ms",
             "--log-level=debug", "--log-format=text", "--pgbouncer"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->database_url, "postgresql://db/x");
  EXPECT_EQ(config->listen, "[::1]:0");
  EXPECT_EQ(config->http, "");
  EXPECT_EQ(config->admin_key_file, "k");
  EXPECT_EQ(config->migrate, MigrateMode::kOnly);
  EXPECT_TRUE(config->insecure_no_auth);
  EXPECT_EQ(config->database_connections, 64);
  EXPECT_EQ(config->ledger_horizon, absl::Hours(36));
  EXPECT_EQ(config->drain_timeout, absl::Milliseconds(500));
  EXPECT_EQ(config->log_level, LogLevel::kDebug);
  EXPECT_EQ(config->log_format, LogFormat::kText);
  EXPECT_TRUE(config->pgbouncer);
}

TEST_F(ConfigTest, AFlagBeatsTheEnvironmentWhichBeatsTheFile) {
  const std::string file = File(
      "# a comment\n"
      "listen = 127.0.0.1:1\n"
      "  http=127.0.0.1:1  \n"
      "\n"
      "data-dir = \"in file\"\n"
      "insecure-no-auth = true\n");
  Set("BURSAR_LISTEN", "127.0.0.1:2");
  Set("BURSAR_HTTP", "127.0.0.1:2");
  Set("BURSAR_MIGRATE", "");
  const absl::StatusOr<Config> config = Parse({"--config", file, "--listen", "127.0.0.1:3"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->listen, "127.0.0.1:3");
  EXPECT_EQ(config->http, "127.0.0.1:2");
  EXPECT_EQ(config->data_dir, "in file");
  EXPECT_EQ(config->admin_key_file, "in file/admin.key");
  EXPECT_TRUE(config->insecure_no_auth);
  Set("BURSAR_CONFIG", file);
  Set("BURSAR_INSECURE_NO_AUTH", "0");
  EXPECT_EQ(Parse({})->data_dir, "in file");
  EXPECT_FALSE(Parse({})->insecure_no_auth);
  EXPECT_TRUE(Parse({"--insecure-no-auth"})->insecure_no_auth);
  EXPECT_FALSE(Parse({"--insecure-no-auth=false"})->insecure_no_auth);
}

TEST_F(ConfigTest, ReadsTheDatabaseUrlFromAFile) {
  Set("BURSAR_DATABASE_URL_FILE", File("postgresql://bursar:secret@db/x\n"));
  const absl::StatusOr<Config> config = Parse({});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->database_url, "postgresql://bursar:secret@db/x");
  EXPECT_EQ(config->admin_key_file, "/nowhere/somebody/.config/bursar/admin.key");
  EXPECT_EQ(Parse({"--database-url=postgresql://other"})->database_url, "postgresql://other");
  Set("BURSAR_DATABASE_URL", "postgresql://x");
  EXPECT_EQ(ErrorOf({}),
            "BURSAR_DATABASE_URL and BURSAR_DATABASE_URL_FILE are both set: unset one");
}

TEST_F(ConfigTest, ReadsTimes) {
  struct Case {
    const char* text;
    absl::Duration duration;
  };
  for (const Case& c :
       {Case{"45d", absl::Hours(45 * 24)}, Case{"1h", absl::Hours(1)}, Case{"12h", absl::Hours(12)},
        Case{"1d1h", absl::Hours(25)}, Case{"90m", absl::Minutes(90)},
        Case{"7200s", absl::Hours(2)}, Case{"3650d", absl::Hours(3650 * 24)}}) {
    const auto config = Parse({absl::StrCat("--ledger-horizon=", c.text)});
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->ledger_horizon, c.duration) << c.text;
  }
  for (const char* text : {"45", "d", "-1d", "1.5d", "30m", "3651d", "inf", "1d2", "45 days"}) {
    EXPECT_THAT(ErrorOf({absl::StrCat("--ledger-horizon=", text)}),
                HasSubstr("give 1h to 3650d, for example 45d"))
        << text;
  }
}

TEST_F(ConfigTest, SaysInOneSentenceWhatIsWrong) {
  const std::string file = File("listen = 127.0.0.1:1\nhttpp = x\n");
  const std::string no_value = file + "-missing";
  struct Case {
    std::vector<std::string> flags;
    std::string error;
  };
  for (
      const Case& c : std::vector<Case>{
          {{"--listen", "foo"}, "--listen is \"foo\": give host:port, for example 127.0.0.1:50051"},
          {{"--listen="}, "--listen needs a value: give HOST:PORT"},
          {{"--listen"}, "--listen needs a value: give HOST:PORT"},
          {{"--http=9464"}, "--http is \"9464\": give host:port, for example 127.0.0.1:9464"},
          {{"--migrate=maybe"}, "--migrate is \"maybe\": give auto, only or off"},
          {{"--log-level=loud"}, "--log-level is \"loud\": give debug, info, warning or error"},
          {{"--log-format=xml"}, "--log-format is \"xml\": give json or text"},
          {{"--database-connections=0"}, "--database-connections is \"0\": give 1 to 64"},
          {{"--database-connections=many"}, "--database-connections is \"many\": give 1 to 64"},
          {{"--drain-timeout=2h"}, "--drain-timeout is \"2h\": give 0s to 1h, for example 20s"},
          {{"--insecure-no-auth=maybe"},
           "--insecure-no-auth is \"maybe\": give true, false, 1 or 0"},
          {{"--data-dir", ""}, "--data-dir is \"\": give a folder"},
          {{"--listn", "127.0.0.1:1"}, "there is no flag --listn: did you mean --listen?"},
          {{"--databse_url=postgresql://me:pw@db"},
           "there is no flag --databse_url: did you mean --database-url?"},
          {{"--colour"}, "there is no flag --colour: bursar-server --help lists all"},
          {{"serve"}, "\"serve\" is no flag: bursar-server --help lists all"},
          {{"-x"}, "there is no flag -x: bursar-server --help lists all"},
          {{"--config", file},
           "there is no setting httpp (" + file + ", line 2): did you mean http?"},
          {{"--config", no_value},
           "--config is \"" + no_value + "\", which cannot be read: give a file of settings"},
          {{"--database-url=postgresql://db", "--data-dir=d"},
           "--database-url and --data-dir are both given: with a database URL there is no data "
           "directory; give one"},
          {{"--pgbouncer"},
           "--pgbouncer without a database URL: give the one that leads to pgbouncer, for example "
           "--database-url postgresql://bursar@db.example.com:6432/bursar"},
          {{"--pgbouncer=perhaps"}, "--pgbouncer is \"perhaps\": give true, false, 1 or 0"},
          {{"--insecure-no-auth", "--listen=0.0.0.0:50051"},
           "--insecure-no-auth with --listen 0.0.0.0:50051 would let every machine that reaches it "
           "spend: listen on 127.0.0.1, or use API keys"},
      }) {
    EXPECT_EQ(ErrorOf(c.flags), c.error);
  }
  Set("BURSAR_LISTEN", "bar");
  EXPECT_THAT(ErrorOf({}), HasSubstr("BURSAR_LISTEN is \"bar\": give host:port"));
}

TEST_F(ConfigTest, PrintsHelpAndVersion) {
  const absl::Status help = Parse({"--help"}).status();
  EXPECT_EQ(help.code(), absl::StatusCode::kOutOfRange);
  for (const char* part : {"--listen", "--database-url", "--insecure-no-auth", "--config",
                           "BURSAR_LIKE_THIS", "[45d]"}) {
    EXPECT_THAT(std::string(help.message()), HasSubstr(part));
  }
  const absl::Status version = Parse({"--version"}).status();
  EXPECT_EQ(version.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(version.message()), ::testing::StartsWith("bursar-server "));
}

}  // namespace
}  // namespace bursar
