// The client as it is installed from this build, and as projects use it that never saw this tree.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "package/trial.h"

namespace bursar::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

const std::string kSource = BURSAR_SOURCE_DIR;
const std::string kBuild = BURSAR_CMAKE " --build ";

// Every file below a folder, by its path from there.
std::vector<std::string> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), folder));
  }
  return files;
}

void Install(const std::string& component, const std::string& prefix) {
  MustRun(BURSAR_CMAKE " --install " BURSAR_BUILD_DIR " --component " + component + " --prefix " +
          prefix);
}

class Package : public Trial {
 protected:
  static void SetUpTestSuite() {
    Trial::SetUpTestSuite();
    Install("client", prefix());
  }
  static std::string prefix() { return folder() + "/prefix"; }
  static std::string pc_folder() {
    for (const std::string& file : FilesBelow(prefix())) {
      if (file.ends_with("/bursar.pc")) return (fs::path(prefix()) / file).parent_path();
    }
    return "";
  }
  static std::string PkgConfig(const std::string& flags) {
    return "PKG_CONFIG_PATH=" + pc_folder() + " pkg-config " + flags + " bursar";
  }
};

TEST_F(Package, AComponentHasItsFilesAndNoOthers) {
  const std::vector<std::string> client = FilesBelow(prefix());
  EXPECT_THAT(client, Each(AnyOf(StartsWith("include/bursar/"), StartsWith("lib"),
                                 "share/doc/libbursar-client-dev/copyright")));
  for (const std::string name :
       {"include/bursar/client.h", "libbursar_client.a", "libbursar_protos.a", "bursar.pc",
        "bursarConfig.cmake", "bursarConfigVersion.cmake", "copyright"}) {
    EXPECT_THAT(client, Contains(EndsWith(name)));
  }
  EXPECT_THAT(client, Each(Not(HasSubstr(".pb."))));

  Install("command", folder() + "/command");
  EXPECT_THAT(FilesBelow(folder() + "/command"),
              UnorderedElementsAre("bin/bursar", "share/doc/bursar/copyright"));
  EXPECT_THAT(MustRun(folder() + "/command/bin/bursar --version"), HasSubstr(BURSAR_VERSION));
  Install("server", folder() + "/server");
  EXPECT_THAT(FilesBelow(folder() + "/server"),
              UnorderedElementsAre("bin/bursar-server", "share/doc/bursar-server/copyright"));
  EXPECT_THAT(MustRun(folder() + "/server/bin/bursar-server --version"), HasSubstr(BURSAR_VERSION));
}

TEST_F(Package, EveryHeaderCompilesAloneAndReachesNoLibraryButTheStandardOne) {
  const std::string headers = prefix() + "/include";
  std::string sources;
  for (const std::string& header : FilesBelow(headers)) {
    const std::string text = ReadText(headers + "/" + header);
    for (const std::string word : {"grpc", "google/", "absl/"}) {
      EXPECT_EQ(text.find(word), std::string::npos) << header << " has " << word;
    }
    std::string name = header;
    std::replace(name.begin(), name.end(), '/', '_');
    const std::string source = folder() + "/alone_" + name + ".cc";
    std::ofstream(source) << "#include <" << header << ">\n";
    sources += " " + source;
  }
  ASSERT_NE(sources, "");
  const std::string included = MustRun(
      "echo" + sources +
      " | xargs -P 2 -n 4 " BURSAR_CXX
      " -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only -H -I " +
      headers);
  EXPECT_THAT(included, HasSubstr(headers + "/bursar/status.h"));
  EXPECT_THAT(included,
              AllOf(Not(HasSubstr("/grpc")), Not(HasSubstr("/google/")), Not(HasSubstr("/absl/"))));
}

TEST_F(Package, FindPackageIsEnoughForTheQuickstart) {
  const std::string build = folder() + "/by_cmake";
  MustRun(Configure(kSource + "/client/quickstart", build, "-DCMAKE_PREFIX_PATH=" + prefix()));
  EXPECT_THAT(ReadText(build + "/CMakeCache.txt"), HasSubstr("bursar_DIR:PATH=" + prefix()));
  MustRun(kBuild + build);
  ExpectAgentRuns(build + "/bursar-quickstart");
}

TEST_F(Package, PkgConfigIsEnoughForTheQuickstart) {
  const std::string program = folder() + "/by_pkg_config";
  MustRun(BURSAR_CXX " -std=c++20 " BURSAR_CXX_FLAGS " " + kSource +
          "/client/quickstart/quickstart.cc -o " + program + " $(" +
          PkgConfig("--cflags --libs --static") + ")");
  ExpectAgentRuns(program);
}

TEST_F(Package, AnotherGrpcThanItWasBuiltWithIsRefusedInOneSentence) {
  const std::string other = folder() + "/other";
  fs::create_directory(other);
  std::ofstream(other + "/grpc++.pc") << "Name: gRPC++\nDescription: another\nVersion: 1.999.0\n";
  const Finished cmake =
      RunProgram({"/bin/sh", "-c",
                  "PKG_CONFIG_PATH=" + other + " " +
                      Configure(kSource + "/client/quickstart", folder() + "/other_build",
                                "-DCMAKE_PREFIX_PATH=" + prefix())});
  EXPECT_NE(cmake.exit_code, 0);
  EXPECT_THAT(cmake.output, HasSubstr("bursar::client was built with gRPC 1."));
  EXPECT_THAT(cmake.output, HasSubstr("\"1.999.0\" is here"));
  EXPECT_NE(RunProgram({"/bin/sh", "-c",
                        "PKG_CONFIG_PATH=" + other + ":" + pc_folder() +
                            " pkg-config --static --libs bursar"})
                .exit_code,
            0);
  EXPECT_THAT(MustRun(PkgConfig("--modversion")), HasSubstr(BURSAR_VERSION));
}

// A file without its symbols, in bytes.
uintmax_t StrippedSize(const std::string& program) {
  MustRun("strip -o " + program + ".stripped " + program);
  return fs::file_size(program + ".stripped");
}

TEST_F(Package, AddsAtMostFiveMegabytesToAProgram) {
#ifndef NDEBUG
  GTEST_SKIP() << "said of release builds: ./dev package";
#endif
  constexpr uintmax_t kMostBytes = 5 << 20;
  std::ofstream(folder() + "/empty.cc") << "int main() {}\n";
  const std::string compile = BURSAR_CXX " -std=c++20 " BURSAR_CXX_FLAGS " -o " + folder();
  MustRun(compile + "/empty " + folder() + "/empty.cc");
  MustRun(compile + "/agent " + kSource + "/client/quickstart/quickstart.cc $(" +
          PkgConfig("--cflags --libs --static") + ")");
  const uintmax_t empty = StrippedSize(folder() + "/empty");
  const uintmax_t agent = StrippedSize(folder() + "/agent");
  std::cout << "quickstart, stripped: " << agent << " bytes; an empty program: " << empty
            << "; the client adds " << agent - empty << "\n";
  EXPECT_LE(agent - empty, kMostBytes);
}

TEST(ClientOnly, LooksForNothingButWhatTheClientNeeds) {
  const TemporaryFolder build;
  MustRun(Configure(kSource, build.path(), "-DBURSAR_CLIENT_ONLY=ON"));
  const std::vector<std::string> allowed = {"CMAKE_",
                                            "_",
                                            "BURSAR_",
                                            "bursar_",
                                            "absl_DIR:",
                                            "Protobuf_",
                                            "ZLIB_",
                                            "PKG_CONFIG_",
                                            "FIND_PACKAGE_MESSAGE_DETAILS_PkgConfig:",
                                            "FIND_PACKAGE_MESSAGE_DETAILS_Protobuf:",
                                            "FIND_PACKAGE_MESSAGE_DETAILS_Threads:",
                                            "FIND_PACKAGE_MESSAGE_DETAILS_ZLIB:"};
  for (const std::string& line : LinesOf(ReadText(build.path() + "/CMakeCache.txt"))) {
    if (line.starts_with("#") || line.starts_with("//")) continue;
    EXPECT_TRUE(std::any_of(allowed.begin(), allowed.end(), [&](const std::string& prefix) {
      return line.starts_with(prefix);
    })) << line;
    EXPECT_THAT(line, Not(StartsWith("__pkg_config_checked_")));  // pkg_check_modules
  }
}

TEST(PartOfAnother, LeavesTheProjectAroundItAsItWas) {
  const TemporaryFolder folder;
  const std::string build = folder.path() + "/build", prefix = folder.path() + "/prefix";
  MustRun(Configure(kSource + "/tests/package/part_of_another", build,
                    "-DAGENT_BURSAR_SOURCE=" + kSource));
  MustRun(BURSAR_CMAKE " --install " + build + " --prefix " + prefix);
  EXPECT_THAT(FilesBelow(prefix), ::testing::IsEmpty());
}

// The lines of README's first block of a language that has `mark`.
std::vector<std::string> ReadmeBlock(const std::string& language, const std::string& mark) {
  const std::string readme = ReadText(kSource + "/README.md");
  const std::string fence = "```" + language + "\n";
  for (size_t at = readme.find(fence); at != std::string::npos; at = readme.find(fence, at + 1)) {
    const size_t begin = at + fence.size();
    const std::string block = readme.substr(begin, readme.find("```", begin) - begin);
    if (block.find(mark) != std::string::npos) return LinesOf(block);
  }
  ADD_FAILURE() << "README has no block of " << language << " with " << mark;
  return {};
}

TEST(Readme, ItsLinesAreThoseOfTheQuickstart) {
  const std::vector<std::string> sample = ReadmeBlock("cpp", "bursar::Guard");
  const std::vector<std::string> program =
      LinesOf(ReadText(kSource + "/client/quickstart/quickstart.cc"));
  EXPECT_NE(std::search(program.begin(), program.end(), sample.begin(), sample.end()),
            program.end());
  const std::vector<std::string> project =
      LinesOf(ReadText(kSource + "/client/quickstart/CMakeLists.txt"));
  EXPECT_THAT(project, Contains(ReadmeBlock("cmake", "find_package").front()));
}

}  // namespace
}  // namespace bursar::testing
