// The house rules that a compiler does not know, as tests that say what to do instead.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidy/rules.h"
#include "tidy/source_file.h"

namespace bursar::tidy {
namespace {

struct NamedRule {
  const char* name;
  Rule rule;
};

void PrintTo(const NamedRule& rule, std::ostream* out) { *out << rule.name; }

const std::vector<NamedRule> kRules = {
    {"IncludeDirection", &IncludeDirection},
    {"SqlInItsPlace", &SqlInItsPlace},
    {"GrpcInItsPlace", &GrpcInItsPlace},
    {"PublicHeaders", &PublicHeaders},
    {"FileLength", &FileLength},
    {"LineLength", &LineLength},
    {"FunctionLength", &FunctionLength},
    {"Names", &Names},
    {"NoMachinePaths", &NoMachinePaths},
    {"NoTabs", &NoTabs},
};

const std::vector<SourceFile>& Tree() {
  static const std::vector<SourceFile> tree = ReadTree(BURSAR_SOURCE_DIR);
  return tree;
}

class Tidy : public ::testing::TestWithParam<NamedRule> {};

TEST_P(Tidy, HoldsInTheWholeTree) {
  ASSERT_GT(Tree().size(), 10u) << "no sources below " << BURSAR_SOURCE_DIR;
  for (const SourceFile& file : Tree()) {
    for (const Finding& finding : GetParam().rule(file)) ADD_FAILURE() << finding.ToString();
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, Tidy, ::testing::ValuesIn(kRules),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

// --- the rules themselves ---

std::string Repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

struct Sample {
  Rule rule;
  const char* path;
  std::string text;
  int line;  // where it must bite; 0: it must not
};

// Each sample must give exactly one finding, at its line, or none.
void ExpectBites(const std::vector<Sample>& samples) {
  for (const Sample& s : samples) {
    const Findings findings = s.rule(MakeSourceFile(s.path, s.text));
    if (s.line == 0) {
      EXPECT_TRUE(findings.empty()) << findings.front().ToString() << "\nin:\n" << s.text;
      continue;
    }
    ASSERT_EQ(findings.size(), 1u) << s.path << ":\n" << s.text;
    EXPECT_EQ(findings[0].line, s.line) << findings[0].ToString() << "\nin:\n" << s.text;
    EXPECT_EQ(findings[0].path, s.path);
    EXPECT_NE(findings[0].advice.find(": "), std::string::npos) << "says what to do instead";
  }
}

TEST(TidyRules, AboutPlacesBiteWhereTheyShouldAndNowhereElse) {
  ExpectBites({
      {&IncludeDirection, "server/pricing/a.cc", "\n#include \"ledger/lane.h\"\n", 2},
      {&IncludeDirection, "server/usage/a.cc", "#include \"metrics/metrics.h\"\n", 1},
      {&IncludeDirection, "server/rpc/a.cc", "#include \"postgres/session.h\"\n", 1},
      {&IncludeDirection, "server/log.cc", "#include \"usage/record.h\"\n", 1},
      {&IncludeDirection, "server/ledger/a.cc", "#include \"config.h\"\n", 1},
      {&IncludeDirection, "server/config.cc", "#include \"app.h\"\n", 1},
      {&IncludeDirection, "server/misc/a.cc", "int a;\n", 1},
      {&IncludeDirection, "server/ledger/a.cc",
       "#include \"ledger/b.h\"\n#include \"log.h\"\n#include \"pricing/money.h\"\n"
       "#include \"absl/status/status.h\"\n",
       0},
      {&IncludeDirection, "server/app.cc", "#include \"app.h\"\n#include \"rpc/a.h\"\n", 0},
      {&IncludeDirection, "server/app_test.cc", "#include \"app.h\"\n", 0},
      {&IncludeDirection, "server/log.cc", "#include \"log.h\"\n#include \"clock.h\"\n", 0},
      {&IncludeDirection, "tests/a.cc", "#include \"app.h\"\n", 0},

      {&SqlInItsPlace, "server/ledger/a.cc", "int a;\nauto s = \"SELECT 1\";\n", 2},
      {&SqlInItsPlace, "server/ledger/a.cc", "auto s = R\"(\n  INSERT INTO x\n)\";\n", 2},
      {&SqlInItsPlace, "server/app.cc", "#include <libpq-fe.h>\n", 1},
      {&SqlInItsPlace, "server/ledger/a.cc", "// as SELECT does\n", 0},
      {&SqlInItsPlace, "server/postgres/a.cc", "auto s = \"SELECT 1\";\n", 0},
      {&SqlInItsPlace, "tests/contract/a.cc", "auto s = \"SELECT 1\";\n", 0},

      {&GrpcInItsPlace, "server/app.cc", "#include <grpcpp/grpcpp.h>\n", 1},
      {&GrpcInItsPlace, "server/usage/a.h", "#include \"bursar/v1/types.pb.h\"\n", 1},
      {&GrpcInItsPlace, "server/rpc/a.cc", "#include <grpcpp/grpcpp.h>\n", 0},
      {&GrpcInItsPlace, "client/src/a.cc", "#include \"bursar/v1/types.pb.h\"\n", 0},

      {&PublicHeaders, "client/include/bursar/a.h", "#include \"absl/time/time.h\"\n", 1},
      {&PublicHeaders, "client/include/bursar/a.h", "#include <grpcpp/channel.h>\n", 1},
      {&PublicHeaders, "client/include/bursar/a.h", "#include <stdint.h>\n", 1},
      {&PublicHeaders, "client/include/bursar/a.h", "#include <gmock/gmock.h>\n", 1},
      {&PublicHeaders, "client/include/bursar/mocks/a.h", "#include <gmock/gmock.h>\n", 0},
      {&PublicHeaders, "client/include/bursar/a.h", "#include \"bursar/v1/a.pb.h\"\n", 1},
      {&PublicHeaders, "client/include/bursar/a.h",
       "#include <string>\n#include \"bursar/client.h\"\n", 0},
  });
}

TEST(TidyRules, AboutSizesAndNamesBiteWhereTheyShouldAndNowhereElse) {
  const std::string long_body = "{\n" + Repeated("  x();\n", 69) + "}\n";  // 71 lines
  const std::string fair_body = "{\n" + Repeated("  x();\n", 68) + "}\n";
  ExpectBites({
      {&FileLength, "server/a.cc", Repeated("\n", 601), 600 + 1},
      {&FileLength, "server/a.cc", Repeated("\n", 600), 0},
      {&FileLength, "server/a_test.cc", Repeated("\n", 900), 0},
      {&FileLength, "tests/a.cc", Repeated("\n", 901), 900 + 1},
      {&FileLength, "docs/a.md", Repeated("\n", 1000), 0},

      {&LineLength, "server/a.cc", "\n" + std::string(101, 'x') + "\n", 2},
      {&LineLength, "server/a.cc", Repeated("\xC3\xA9", 100) + "\n", 0},
      {&LineLength, "docs/a.md", std::string(200, 'x') + "\n", 0},

      {&FunctionLength, "server/a.cc", "namespace a {\nint F(int a = 1) " + long_body + "}\n", 2},
      {&FunctionLength, "server/a.cc", "namespace a {\nint F(int a = 1) " + fair_body + "}\n", 0},
      {&FunctionLength, "server/a.cc",
       "struct A {\n  template <class T = int>\n  void F()\n" + long_body + "};\n", 4},
      {&FunctionLength, "server/a.cc", "A::A(int x) : a_{x}, b_(x) " + long_body, 1},
      {&FunctionLength, "server/a.cc", "bool operator==(A a, B b) " + long_body, 1},
      {&FunctionLength, "server/a.cc", "TEST(A, B) " + long_body, 1},
      {&FunctionLength, "server/a.cc", "const int kTable[] = " + long_body, 0},
      {&FunctionLength, "server/a.cc", "class A : public B<int> " + long_body, 0},
      {&FunctionLength, "server/a.cc", "enum class A " + long_body, 0},
      {&FunctionLength, "server/a.cc",
       "#define A \\\n  {\nchar c = '{';\nauto s = \"{\"; // {\nauto r = R\"x({)x\";\nint n = "
       "1'000;\nvoid F() {}\n" +
           Repeated("int a;\n", 80),
       0},

      {&Names, "server/lane_manager.cc", "", 1},
      {&Names, "server/util/a.cc", "", 1},
      {&Names, "server/a.h", "\nclass LaneContext final {\n", 2},
      {&Names, "server/a.h", "struct Lane::Impl {\n", 1},
      {&Names, "server/a.h", "class BaseStore : public Store {\n", 1},
      {&Names, "server/database.h",
       "class Database {\nstruct TraceContext {\nclass ServerContext;\ntemplate <class "
       "Factory>\n// class Helper {\n"
       "void F(grpc::ServerContext& c) {\nauto s = \"class Util {\";\n",
       0},

      {&NoMachinePaths, "docs/a.md", "\nsee /home/me/bursar\n", 2},
      {&NoMachinePaths, "client/src/a_test.cc", "auto home = \"/home/me/x\";\n", 0},
      {&NoMachinePaths, "server/a.cc", "auto p = \"/home/somebody/bursar\";\n", 1},
      {&NoMachinePaths, "docs/a.md", "~/work/x, docs/work/x and /usr/lib/x\n", 0},

      {&NoTabs, "server/a.cc", "\n\tint a;\n", 2},
      {&NoTabs, "server/a.cc", "auto s = \"\\t\";\n", 0},
  });
}

}  // namespace
}  // namespace bursar::tidy
