#pragma once

#include <string>
#include <vector>

namespace bursar::tidy {

// One text file of the tree, as the rules see it.
struct SourceFile {
  std::string path;                // from the project's root: "server/ledger/lane.cc"
  std::vector<std::string> lines;  // as written
  // For C++: the same lines with comments blanked out, and below with the contents of string and
  // character literals and preprocessor lines blanked out too. Else empty.
  std::vector<std::string> without_comments;
  std::vector<std::string> code;

  bool IsCpp() const { return path.ends_with(".cc") || path.ends_with(".h"); }
  bool IsTest() const { return IsIn("tests/") || path.ends_with("_test.cc"); }
  bool IsIn(const std::string& folder) const { return path.starts_with(folder); }
};

SourceFile MakeSourceFile(std::string path, const std::string& text);

// All text files below the root, without build/, .git/ and recorded data, sorted by path.
std::vector<SourceFile> ReadTree(const std::string& root);

}  // namespace bursar::tidy
