// The flags that every command has: what they make of the environment's options, and the whole
// command against a server with TLS.
#include "cli/global_flags.h"

#include "cli/program_fixture.h"
#include "testing/certificates.h"
#include "testing/temporary_folder.h"

namespace bursar::cli {
namespace {

ClientOptions Over(const ClientOptions& base, const std::string& words) {
  CLI::App app;
  GlobalFlags flags;
  flags.AddTo(app, "10s");
  app.parse(words);
  return flags.Over(base);
}

ClientOptions OptionsWithTls() {
  ClientOptions options;
  options.tls = true;
  options.tls_ca_file = "/env/ca.pem";
  options.tls_certificate_file = "/env/client.pem";
  options.tls_key_file = "/env/client.key";
  options.tls_server_name = "env";
  return options;
}

TEST(GlobalFlags, LeaveTlsAsItIsWhereNoneSpeaksOfIt) {
  EXPECT_FALSE(Over({}, "--endpoint purse:1 --json").tls);
  const ClientOptions same = Over(OptionsWithTls(), "--endpoint purse:1");
  EXPECT_TRUE(same.tls);
  EXPECT_EQ(same.tls_ca_file, "/env/ca.pem");
  EXPECT_EQ(same.tls_server_name, "env");
}

TEST(GlobalFlags, EachOfTlsReplacesItsOwnAndSwitchesItOn) {
  EXPECT_TRUE(Over({}, "--tls").tls);
  const std::pair<const char*, std::string ClientOptions::*> kCases[] = {
      {"--tls-ca-file", &ClientOptions::tls_ca_file},
      {"--tls-certificate-file", &ClientOptions::tls_certificate_file},
      {"--tls-key-file", &ClientOptions::tls_key_file},
      {"--tls-server-name", &ClientOptions::tls_server_name},
  };
  for (const auto& [flag, field] : kCases) {
    const ClientOptions options = Over({}, std::string(flag) + " x");
    EXPECT_TRUE(options.tls) << flag;
    ClientOptions replaced = Over(OptionsWithTls(), std::string(flag) + " x");
    EXPECT_EQ(replaced.*field, "x") << flag;
    replaced.*field = OptionsWithTls().*field;
    for (const auto& [other, other_field] : kCases) {
      EXPECT_EQ(replaced.*other_field, OptionsWithTls().*other_field) << flag << " and " << other;
    }
  }
}

TEST(GlobalFlags, TheSwitchForTlsBeatsItsFiles) {
  EXPECT_FALSE(Over(OptionsWithTls(), "--tls=false").tls);
  EXPECT_FALSE(Over({}, "--tls=false --tls-ca-file x").tls);
}

class TlsFlagsTest : public ProgramTest {
 protected:
  TlsFlagsTest() {
    secure_.status = Say<v1::GetBudgetStatusResponse>("");
    secure_.Require("Bearer bsr_1");
  }

  static std::shared_ptr<grpc::ServerCredentials> Credentials(const testing::Certificates& made) {
    grpc::SslServerCredentialsOptions ssl(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    ssl.pem_root_certs = testing::ReadFile(made.Pem("ca"));
    ssl.pem_key_cert_pairs.push_back(
        {testing::ReadFile(made.Key("server")), testing::ReadFile(made.Pem("server"))});
    return grpc::SslServerCredentials(ssl);
  }

  int Status(const Words& flags) {
    Words words = {"status", "--endpoint", secure_.endpoint(), "--api-key", "bsr_1"};
    words.insert(words.end(), flags.begin(), flags.end());
    out_.str("");
    err_.str("");
    return RunProgram(words, out_, err_);
  }

  const testing::TemporaryFolder folder_;
  const testing::Certificates certificates_{folder_.path()};
  testing::FakeServer secure_{Credentials(certificates_)};
};

TEST_F(TlsFlagsTest, TheCommandReachesAServerThatWantsItsCertificate) {
  const std::string ca = certificates_.Pem("ca");
  const Words proof = {"--tls-certificate-file", certificates_.Pem("client"), "--tls-key-file",
                       certificates_.Key("client")};
  Words all = {"--tls-ca-file", ca, "--tls-server-name", "purse"};
  all.insert(all.end(), proof.begin(), proof.end());
  EXPECT_EQ(Status(all), 0) << err_.str();
  EXPECT_EQ(out_.str(), "no budget applies to this subject\n");

  setenv("BURSAR_TLS", "0", 1);  // a flag beats the environment
  setenv("BURSAR_TLS_CA_FILE", ca.c_str(), 1);
  setenv("BURSAR_TLS_SERVER_NAME", "purse", 1);
  EXPECT_EQ(Status(proof), 0) << err_.str();
  all.emplace_back("--tls=false");
  EXPECT_EQ(Status(all), 1);
}

TEST_F(TlsFlagsTest, WhatIsWrongWithTlsIsNamed) {
  const std::string missing = folder_.path() + "/none.pem";
  EXPECT_EQ(Status({"--tls-ca-file", missing}), 2);
  EXPECT_EQ(err_.str(), "bursar: tls_ca_file " + missing + " does not exist\n");
  EXPECT_EQ(Status({"--tls-key-file", certificates_.Key("client")}), 2);

  const auto unreachable = [&](const Words& flags) {
    EXPECT_EQ(Status(flags), 1);
    const std::string start = "bursar: cannot reach the server at " + secure_.endpoint() + ": ";
    EXPECT_EQ(err_.str().find(start), 0u) << err_.str();
    return err_.str().substr(std::min(start.size(), err_.str().size()));
  };
  EXPECT_EQ(unreachable({"--tls-ca-file", certificates_.Pem("ca")}),
            "its certificate is for another name; --tls-server-name NAME would say which\n");
  EXPECT_EQ(
      unreachable({"--tls-ca-file", certificates_.Pem("client"), "--tls-server-name", "purse"}),
      "its certificate is of an authority that is not trusted; --tls-ca-file FILE would name "
      "one\n");
  unreachable({"--tls-ca-file", certificates_.Pem("ca"), "--tls-server-name", "purse"});
  unreachable({});
  EXPECT_EQ(Run({"status", "--tls"}), 1);
  EXPECT_EQ(err_.str(), "bursar: cannot reach the server at " + server_.endpoint() +
                            ": it does not speak TLS; --tls=false would do without\n");
}

}  // namespace
}  // namespace bursar::cli
