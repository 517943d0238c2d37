#include "tidy/rules.h"

#include <re2/re2.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

namespace bursar::tidy {
namespace {

constexpr size_t kFileLines = 600;
constexpr size_t kTestFileLines = 900;
constexpr size_t kLineColumns = 100;

// The house in the order of the data's way. A folder or loose file may include what is lower than
// it.
const std::map<std::string, int> kRanks = {
    {"usage", 1},   {"metrics", 1}, {"access", 1},   {"pricing", 2}, {"ledger", 3},
    {"history", 4}, {"alert", 4},   {"postgres", 5}, {"rpc", 5},     {"http", 5},
    {"config", 6},  {"app", 7},     {"main", 8},
};
constexpr int kLooseRank = 0;  // clock, log and their like, which know nothing

struct Place {
  std::string folder;  // empty for a loose file
  int rank;
};

// Where "ledger/lane.h" or "log.h" stands; nothing for a folder that the house does not have.
std::optional<Place> PlaceOf(const std::filesystem::path& path) {
  const std::string folder = path.has_parent_path() ? path.begin()->string() : "";
  std::string key = folder.empty() ? path.stem().string() : folder;
  if (folder.empty() && key.ends_with("_test")) key.resize(key.size() - 5);
  const auto rank = kRanks.find(key);
  if (rank != kRanks.end()) return Place{folder, rank->second};
  if (folder.empty()) return Place{folder, kLooseRank};
  return std::nullopt;
}

// The target of an #include with its quotes or brackets: "\"log.h\"" or "<vector>".
std::optional<std::string> IncludeOf(const std::string& line) {
  static const RE2 include(R"(^\s*#\s*include\s*(<[^>]+>|"[^"]+"))");
  std::string target;
  if (!RE2::PartialMatch(line, include, &target)) return std::nullopt;
  return target;
}

std::string Unquoted(const std::string& include) { return include.substr(1, include.size() - 2); }

int Number(size_t index) { return static_cast<int>(index) + 1; }

bool IsInOneOf(const SourceFile& file, std::initializer_list<const char*> folders) {
  return std::any_of(folders.begin(), folders.end(),
                     [&](const char* folder) { return file.IsIn(folder); });
}

size_t ColumnsOf(const std::string& line) {  // characters, not the bytes of UTF-8
  return std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// "PgUsageStore" or "pg_usage_store" as pg, usage, store.
std::vector<std::string> WordsOf(const std::string& name) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    const bool after_lower = i > 0 && std::islower(static_cast<unsigned char>(name[i - 1])) != 0;
    if (std::isalnum(c) == 0 || (std::isupper(c) != 0 && after_lower)) words.emplace_back();
    if (std::isalnum(c) != 0) words.back() += static_cast<char>(std::tolower(c));
  }
  return words;
}

// The word of a name that says nothing; empty if there is none.
std::string EmptyWordOf(const std::string& name) {
  if (name == "TraceContext") return "";  // the W3C's name of the thing
  static const std::set<std::string> banned = {
      "manager", "util",    "utils",   "helper",    "helpers", "common",  "base",
      "impl",    "context", "factory", "processor", "handler", "handlers"};
  for (const std::string& word : WordsOf(name)) {
    if (banned.count(word) > 0) return word;
  }
  return "";
}

std::string RenameAdvice(const std::string& name, const std::string& word) {
  return "\"" + name + "\" is named by \"" + word +
         "\", which says nothing: name it for what it is in the field (reservation, window, price "
         "book) or does";
}

}  // namespace

Findings IncludeDirection(const SourceFile& file) {
  if (!file.IsCpp() || !file.IsIn("server/")) return {};
  const std::optional<Place> own = PlaceOf(file.path.substr(7));
  if (!own) {
    return {
        {file.path, 1, "this folder has no rank: give it one in kRanks of tests/tidy/rules.cc"}};
  }
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::optional<std::string> include = IncludeOf(file.lines[i]);
    if (!include || include->front() != '"') continue;
    const std::optional<Place> other = PlaceOf(Unquoted(*include));
    if (!other || other->rank < own->rank) continue;
    if (other->folder == own->folder && (!own->folder.empty() || other->rank == own->rank))
      continue;
    findings.push_back({file.path, Number(i),
                        "includes " + *include +
                            ", which is not lower in the data's way: move the type down, or "
                            "let this folder declare an interface that the other fulfils"});
  }
  return findings;
}

Findings SqlInItsPlace(const SourceFile& file) {
  static const RE2 sql(
      R"(\bSELECT\b|\bINSERT INTO\b|\bDELETE FROM\b|\bCREATE TABLE\b|\bUPDATE \w+ SET\b)");
  if (!file.IsCpp() || IsInOneOf(file, {"server/postgres/", "client/demo/", "tests/"})) return {};
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::optional<std::string> include = IncludeOf(file.lines[i]);
    const bool libpq = include && (include->find("libpq") != std::string::npos ||
                                   include->find("<pqxx") != std::string::npos);
    if (!libpq && !RE2::PartialMatch(file.without_comments[i], sql)) continue;
    findings.push_back({file.path, Number(i),
                        "speaks SQL: declare what is needed in this folder's *_store.h and write "
                        "the SQL in server/postgres"});
  }
  return findings;
}

Findings GrpcInItsPlace(const SourceFile& file) {
  const bool home =
      IsInOneOf(file, {"server/rpc/", "client/src/", "client/cli/", "client/testing/", "tests/"});
  if (!file.IsCpp() || home) return {};
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::optional<std::string> include = IncludeOf(file.lines[i]);
    if (!include) continue;
    const std::string name = Unquoted(*include);
    if (!name.starts_with("grpc") && !name.starts_with("google/protobuf/") &&
        !name.ends_with(".pb.h")) {
      continue;
    }
    findings.push_back({file.path, Number(i),
                        "includes " + *include +
                            ": take a type of this folder instead, and "
                            "convert in server/rpc (or client/src)"});
  }
  return findings;
}

Findings PublicHeaders(const SourceFile& file) {
  if (!file.IsCpp() || !file.IsIn("client/include/")) return {};
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::optional<std::string> include = IncludeOf(file.lines[i]);
    if (!include) continue;
    const std::string name = Unquoted(*include);
    const bool standard = include->front() == '<' && name.find_first_of("./") == std::string::npos;
    const bool own = name.starts_with("bursar/") && !name.ends_with(".pb.h");
    const bool mock = file.IsIn("client/include/bursar/mocks/") && name == "gmock/gmock.h";
    if (standard || own || mock) continue;
    findings.push_back({file.path, Number(i),
                        "includes " + *include +
                            ": a client's program has only the standard "
                            "library; hide the type behind a pointer in client/src"});
  }
  return findings;
}

Findings FileLength(const SourceFile& file) {
  if (!file.IsCpp()) return {};
  const size_t most = file.IsTest() ? kTestFileLines : kFileLines;
  if (file.lines.size() <= most) return {};
  return {{file.path, Number(most),
           "has " + std::to_string(file.lines.size()) + " lines, " + std::to_string(most) +
               " are allowed: move one of its subjects to a file of its own"}};
}

Findings LineLength(const SourceFile& file) {
  if (!file.IsCpp()) return {};
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const size_t columns = ColumnsOf(file.lines[i]);
    if (columns <= kLineColumns) continue;
    findings.push_back({file.path, Number(i),
                        "has " + std::to_string(columns) +
                            " columns, 100 are allowed: run ./dev "
                            "fmt, or break it by hand"});
  }
  return findings;
}

Findings Names(const SourceFile& file) {
  static const RE2 definition(
      R"(\b(?:class|struct|union)\s+([A-Za-z_][\w:]*)\s*(?:final\s*)?[:{])");
  Findings findings;
  for (const std::filesystem::path& part : std::filesystem::path(file.path)) {
    const std::string word = EmptyWordOf(part.string());
    if (!word.empty()) findings.push_back({file.path, 1, RenameAdvice(part.string(), word)});
  }
  for (size_t i = 0; i < file.code.size(); ++i) {
    std::string name;
    if (!RE2::PartialMatch(file.code[i], definition, &name)) continue;
    const std::string word = EmptyWordOf(name);
    if (!word.empty()) findings.push_back({file.path, Number(i), RenameAdvice(name, word)});
  }
  return findings;
}

Findings NoMachinePaths(const SourceFile& file) {
  static const RE2 anywhere(R"((^|[^\w.~])/(home|root|Users|work)/)");
  static const RE2 in_tests(R"((^|[^\w.~])/(root|Users|work)/)");  // they may make up a $HOME
  const RE2& path = file.IsTest() ? in_tests : anywhere;
  if (IsInOneOf(file, {"tests/tidy/", "docker/"})) return {};
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    if (!RE2::PartialMatch(file.lines[i], path)) continue;
    findings.push_back({file.path, Number(i),
                        "names a folder of one machine: take it from the source tree, $HOME or a "
                        "flag"});
  }
  return findings;
}

Findings NoTabs(const SourceFile& file) {
  if (file.path.ends_with(".tsv") || file.path.ends_with("Makefile")) return {};
  Findings findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    if (file.lines[i].find('\t') == std::string::npos) continue;
    findings.push_back({file.path, Number(i), "has a tab: indent by blanks, write \\t in a text"});
  }
  return findings;
}

}  // namespace bursar::tidy
