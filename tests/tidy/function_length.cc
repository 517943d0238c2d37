#include <re2/re2.h>

#include <string>
#include <vector>

#include "tidy/rules.h"

namespace bursar::tidy {
namespace {

constexpr int kFunctionLines = 70;

enum class Block { kScope, kFunction, kOther };

// What the text before an opening brace, back to the last statement, says about the block.
Block KindOf(const std::string& head) {
  static const RE2 scope(R"(\b(namespace|extern|class|struct|union|enum)\b)");
  int depth = 0;
  bool assigned = false;   // `= {`: a table or another value
  bool arguments = false;  // `(...)`
  for (size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '(') ++depth;
    if (head[i] == ')') --depth;
    arguments |= head[i] == ')';
    const bool compares = i + 1 < head.size() && head[i + 1] == '=';
    assigned |= head[i] == '=' && depth == 0 && !compares &&
                head.find("operator") == std::string::npos && head.find('<') == std::string::npos;
  }
  if (assigned) return Block::kOther;
  if (!arguments && RE2::PartialMatch(head, scope)) return Block::kScope;
  return Block::kFunction;
}

// Follows the braces of a file. Bodies are measured at the level of namespaces and classes; what a
// body holds belongs to it. (A member's initialiser `a_{1}` there is a short body of its own:
// harmless.)
class Measure {
 public:
  explicit Measure(const SourceFile& file) : file_(file) {
    for (size_t i = 0; i < file.code.size(); ++i) {
      line_ = static_cast<int>(i) + 1;
      for (char c : file.code[i]) Read(c);
      head_ += ' ';
    }
  }

  Findings findings;

 private:
  struct Open {
    Block block;
    int line;
  };

  void Read(char c) {
    if (c == '{') {
      const bool at_scope = open_.empty() || open_.back().block == Block::kScope;
      open_.push_back({at_scope ? KindOf(head_) : Block::kOther, line_});
    } else if (c == '}' && !open_.empty()) {
      Close(open_.back());
      open_.pop_back();
    }
    if (c == '{' || c == '}' || c == ';') {
      head_.clear();
    } else {
      head_ += c;
    }
  }

  void Close(const Open& closed) {
    const int lines = line_ - closed.line + 1;
    if (closed.block != Block::kFunction || lines <= kFunctionLines) return;
    findings.push_back({file_.path, closed.line,
                        "this function has " + std::to_string(lines) +
                            " lines, 70 are allowed: "
                            "give one of its steps a name and a function"});
  }

  const SourceFile& file_;
  std::string head_;
  std::vector<Open> open_;
  int line_ = 1;
};

}  // namespace

Findings FunctionLength(const SourceFile& file) { return Measure(file).findings; }

}  // namespace bursar::tidy
