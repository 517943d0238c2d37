#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace re2 {
class RE2;
}

namespace bursar::usage {

// Which names are meant: of models, of providers, of the parts of a provider's answer. The case of
// letters makes no difference.
class NamePattern {
 public:
  enum class Kind { kExact, kPrefix, kSuffix, kContains, kRegex };

  // INVALID_ARGUMENT: the text is no regular expression of RE2.
  static absl::StatusOr<NamePattern> Make(Kind kind, absl::string_view text);

  Kind kind() const { return kind_; }
  const std::string& text() const { return text_; }  // as it was given
  const std::string& lowered() const { return lowered_; }
  // `lowered`: the name in lower case.
  bool Matches(absl::string_view lowered) const;

  bool operator==(const NamePattern& other) const {
    return kind_ == other.kind_ && text_ == other.text_;
  }

 private:
  Kind kind_ = Kind::kExact;
  std::string text_, lowered_;
  std::shared_ptr<const re2::RE2> regex_;  // of kRegex; shared by copies
};

// Any of these, each of them all of its patterns.
using NameRule = std::vector<std::vector<NamePattern>>;
bool Matches(const NameRule& rule, absl::string_view lowered);

}  // namespace bursar::usage
