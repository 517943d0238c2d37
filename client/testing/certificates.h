#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace bursar::testing {

// An authority and, signed by it, a certificate for a server called "purse" and one for a client:
// NAME.pem and NAME.key in a folder, made by openssl.
class Certificates {
 public:
  explicit Certificates(const std::string& folder) : folder_(folder) {
    Run("req -x509 -subj /CN=authority -keyout " + Key("ca") + " -out " + Pem("ca") + kNewKey);
    Sign("server", "subjectAltName=DNS:purse");
    Sign("client", "subjectAltName=DNS:agent");
  }

  std::string Pem(const std::string& name) const { return folder_ + "/" + name + ".pem"; }
  std::string Key(const std::string& name) const { return folder_ + "/" + name + ".key"; }

 private:
  static constexpr char kNewKey[] = " -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";

  void Sign(const std::string& name, const std::string& extension) {
    Run("req -x509 -subj /CN=" + name + " -CA " + Pem("ca") + " -CAkey " + Key("ca") + " -addext " +
        extension + " -addext basicConstraints=CA:FALSE -keyout " + Key(name) + " -out " +
        Pem(name) + kNewKey);
  }
  static void Run(const std::string& arguments) {
    const std::string command = "openssl " + arguments + " >/dev/null 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }

  const std::string folder_;
};

}  // namespace bursar::testing
