// What takes minutes: the .deb files of a release, and builds of the client from nothing. Run by
// ./dev package, which says in BURSAR_PACKAGES where the files are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "package/trial.h"

namespace bursar::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kSource = BURSAR_SOURCE_DIR;
const std::string kBuild = BURSAR_CMAKE " --build ";

class Shipped : public Trial {
 protected:
  static void SetUpTestSuite() {
    if (Asked()) Trial::SetUpTestSuite();
  }
  void SetUp() override {
    if (!Asked()) GTEST_SKIP() << "takes minutes: ./dev package";
  }

  static bool Asked() { return std::getenv("BURSAR_PACKAGES") != nullptr; }
  // The file of a package; its name has the machine's architecture.
  static std::string Deb(const std::string& package) {
    return std::string(std::getenv("BURSAR_PACKAGES")) + "/" + package + "_" BURSAR_VERSION +
           "_*.deb";
  }
  static std::string Field(const std::string& package, const std::string& field) {
    return MustRun("dpkg-deb -f " + Deb(package) + " " + field);
  }
  // Where the package's files are, unpacked.
  static std::string Unpack(const std::string& package) {
    const std::string root = folder() + "/" + package;
    MustRun("dpkg-deb -x " + Deb(package) + " " + root);
    return root;
  }
};

TEST_F(Shipped, PackagesNameWhatTheyNeedAndCanBeInstalled) {
  EXPECT_THAT(Field("libbursar-client-dev", "Depends"),
              AllOf(HasSubstr("libgrpc++-dev (>= 1."), HasSubstr("libprotobuf-dev (>= "),
                    HasSubstr("libabsl-dev (>= "), HasSubstr("zlib1g-dev")));
  EXPECT_THAT(Field("bursar", "Depends"), AllOf(HasSubstr("libgrpc++1."), HasSubstr("libc6"),
                                                HasSubstr("tzdata"), Not(HasSubstr("libpq"))));
  EXPECT_THAT(Field("bursar-server", "Depends"),
              AllOf(HasSubstr("libgrpc++1."), HasSubstr("libpq5"), HasSubstr("tzdata")));
  EXPECT_THAT(Field("bursar-server", "Recommends"), HasSubstr("postgresql"));
  MustRun("apt-get install --simulate --no-install-recommends " + Deb("libbursar-client-dev") +
          " " + Deb("bursar") + " " + Deb("bursar-server"));
  for (const std::string package : {"libbursar-client-dev", "bursar", "bursar-server"}) {
    EXPECT_THAT(MustRun("dpkg-deb -c " + Deb(package)),
                AllOf(HasSubstr("root/root"), HasSubstr("share/doc/" + package + "/copyright"),
                      Not(HasSubstr(".pb."))));
  }
}

TEST_F(Shipped, TheProgramsOfThePackagesRun) {
  EXPECT_THAT(MustRun(Unpack("bursar") + "/usr/bin/bursar --version"), HasSubstr(BURSAR_VERSION));
  EXPECT_THAT(MustRun(Unpack("bursar-server") + "/usr/bin/bursar-server --version"),
              HasSubstr(BURSAR_VERSION));
}

TEST_F(Shipped, TheClientsPackageWorksWhereItIsUnpacked) {
  const std::string root = Unpack("libbursar-client-dev"), build = folder() + "/of_deb";
  MustRun(Configure(kSource + "/client/quickstart", build, "-DCMAKE_PREFIX_PATH=" + root + "/usr"));
  EXPECT_THAT(ReadText(build + "/CMakeCache.txt"), HasSubstr("bursar_DIR:PATH=" + root));
  MustRun(kBuild + build);
  ExpectAgentRuns(build + "/bursar-quickstart");
}

TEST_F(Shipped, TheClientAloneBuildsFromNothingAndInstalls) {
  const std::string build = folder() + "/alone", prefix = folder() + "/alone_prefix",
                    agent = folder() + "/alone_agent";
  MustRun(Configure(kSource, build, "-DBURSAR_CLIENT_ONLY=ON"));
  MustRun(kBuild + build);
  MustRun(BURSAR_CMAKE " --install " + build + " --prefix " + prefix);
  MustRun(Configure(kSource + "/client/quickstart", agent, "-DCMAKE_PREFIX_PATH=" + prefix));
  MustRun(kBuild + agent);
  ExpectAgentRuns(agent + "/bursar-quickstart");
}

TEST_F(Shipped, AProjectThatTakesTheSourceInBuildsItFromNothing) {
  const std::string build = folder() + "/part";
  MustRun(Configure(kSource + "/tests/package/part_of_another", build,
                    "-DAGENT_BURSAR_SOURCE=" + kSource));
  MustRun(kBuild + build);
  ExpectAgentRuns(build + "/agent");
}

}  // namespace
}  // namespace bursar::testing
