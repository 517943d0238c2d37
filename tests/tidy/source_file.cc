#include "tidy/source_file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

namespace bursar::tidy {
namespace {

namespace fs = std::filesystem;

const std::set<std::string> kSkipped = {"build", ".git",        ".cache",
                                        "data",  "bursar-data", "node_modules"};

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Reads C++ once, character by character, and blanks out what is no code. Line breaks stay.
class Blanker {
 public:
  explicit Blanker(const std::string& text) : text_(text) {
    without_comments = code = text;
    while (at_ < text_.size()) Step();
  }

  std::string without_comments;
  std::string code;

 private:
  bool Next(std::string_view token) const { return text_.compare(at_, token.size(), token) == 0; }

  void Step() {
    if (Next("//")) {
      BlankTo(EndOf("\n", 0), true);
    } else if (Next("/*")) {
      BlankTo(EndOf("*/", 2), true);
    } else if (Next("R\"") && !AfterName()) {
      const size_t open = text_.find('(', at_);
      const std::string close = ")" + text_.substr(at_ + 2, open - at_ - 2) + "\"";
      BlankTo(EndOf(close, close.size()), false);
    } else if (text_[at_] == '"' || (text_[at_] == '\'' && !AfterName())) {
      BlankTo(EndOfQuote(), false);
    } else if (text_[at_] == '#' && FirstOfItsLine()) {
      BlankDirective();
    } else {
      ++at_;
    }
  }

  // In 1'000 or L'x' the quote follows a letter or digit; only the first kind occurs here.
  bool AfterName() const {
    return at_ > 0 &&
           (std::isalnum(static_cast<unsigned char>(text_[at_ - 1])) != 0 || text_[at_ - 1] == '_');
  }

  bool FirstOfItsLine() const {
    const size_t line = text_.rfind('\n', at_);
    const size_t begin = line == std::string::npos ? 0 : line + 1;
    return text_.find_first_not_of(" \t", begin) == at_;
  }

  size_t EndOf(const std::string& token, size_t length) const {
    const size_t end = text_.find(token, at_ + (length == 0 ? 0 : 1));
    return end == std::string::npos ? text_.size() : end + length;
  }

  size_t EndOfQuote() const {
    const char quote = text_[at_];
    for (size_t end = at_ + 1; end < text_.size(); ++end) {
      if (text_[end] == '\\') {
        ++end;
      } else if (text_[end] == quote || text_[end] == '\n') {
        return end + 1;
      }
    }
    return text_.size();
  }

  // A directive reaches over lines that end with a backslash. Its comment is left to Step().
  void BlankDirective() {
    while (at_ < text_.size() && text_[at_] != '\n' && !Next("//")) {
      if (Next("\\\n")) ++at_;
      if (text_[at_] != '\n') code[at_] = ' ';
      ++at_;
    }
  }

  void BlankTo(size_t end, bool comment) {
    for (; at_ < end; ++at_) {
      if (text_[at_] == '\n') continue;
      code[at_] = ' ';
      if (comment) without_comments[at_] = ' ';
    }
  }

  const std::string& text_;
  size_t at_ = 0;
};

std::string ReadText(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

}  // namespace

SourceFile MakeSourceFile(std::string path, const std::string& text) {
  SourceFile file{std::move(path), Split(text), {}, {}};
  if (!file.IsCpp()) return file;
  const Blanker blanker(text);
  file.without_comments = Split(blanker.without_comments);
  file.code = Split(blanker.code);
  return file;
}

std::vector<SourceFile> ReadTree(const std::string& root) {
  std::vector<SourceFile> files;
  for (fs::recursive_directory_iterator entry(root), end; entry != end; ++entry) {
    if (kSkipped.count(entry->path().filename().string()) > 0) {
      entry.disable_recursion_pending();
      continue;  // .git is a file where the tree is one of several of a repository
    }
    if (!entry->is_regular_file()) continue;
    const std::string text = ReadText(entry->path());
    if (text.find('\0') != std::string::npos) continue;  // a picture, say
    files.push_back(MakeSourceFile(fs::relative(entry->path(), root).string(), text));
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace bursar::tidy
