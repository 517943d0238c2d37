#include "usage/name_pattern.h"

#include <re2/re2.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "usage/field_error.h"

namespace bursar::usage {
namespace {

// Compiled, one expression is at most this large: a feed may hold thousands.
constexpr int64_t kRegexBytesMax = 1 << 18;

absl::StatusOr<std::shared_ptr<const re2::RE2>> Compile(const std::string& text) {
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_case_sensitive(false);
  options.set_max_mem(kRegexBytesMax);
  auto regex = std::make_shared<const re2::RE2>(text, options);
  if (!regex->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text.substr(0, 80),
                     "\" is no regular expression of RE2: ", regex->error().substr(0, 120)));
  }
  return regex;
}

}  // namespace

absl::StatusOr<NamePattern> NamePattern::Make(Kind kind, absl::string_view text) {
  NamePattern pattern;
  pattern.kind_ = kind;
  pattern.text_ = std::string(text);
  pattern.lowered_ = absl::AsciiStrToLower(text);
  if (kind == Kind::kRegex) {
    auto regex = Compile(pattern.text_);
    if (!regex.ok()) return regex.status();
    pattern.regex_ = *std::move(regex);
  }
  return pattern;
}

bool NamePattern::Matches(absl::string_view lowered) const {
  switch (kind_) {
    case Kind::kExact:
      return lowered == absl::string_view(lowered_);
    case Kind::kPrefix:
      return absl::StartsWith(lowered, lowered_);
    case Kind::kSuffix:
      return absl::EndsWith(lowered, lowered_);
    case Kind::kContains:
      return absl::StrContains(lowered, lowered_);
    case Kind::kRegex:
      return re2::RE2::PartialMatch(re2::StringPiece(lowered.data(), lowered.size()), *regex_);
  }
  return false;
}

bool Matches(const NameRule& rule, absl::string_view lowered) {
  return std::any_of(rule.begin(), rule.end(), [&](const std::vector<NamePattern>& all) {
    return std::all_of(all.begin(), all.end(),
                       [&](const NamePattern& pattern) { return pattern.Matches(lowered); });
  });
}

}  // namespace bursar::usage
