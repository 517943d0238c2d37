#include "pricing/feed_price.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "embedded/ProviderNames.h"
#include "pricing/exact_json.h"
#include "pricing/feeds.h"
#include "pricing/money.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::pricing {
namespace {

using Json = nlohmann::json;

constexpr size_t kRowsShown = 5;
constexpr int kExponentMax = 300;  // as far as a double goes

bool IsDigits(absl::string_view text) {
  return text.find_first_not_of("0123456789") == absl::string_view::npos;
}

// "2.5e-06" shifted by 6 is "2.5"; nullopt: the text is no such number.
std::optional<std::string> PlainDecimal(absl::string_view number, int shift) {
  int exponent = 0;
  const size_t e = number.find_first_of("eE");
  if (e != absl::string_view::npos) {
    if (!absl::SimpleAtoi(number.substr(e + 1), &exponent)) return std::nullopt;
    if (exponent > kExponentMax || exponent < -kExponentMax) return std::nullopt;
    number = number.substr(0, e);
  }
  const size_t point = number.find('.');
  const absl::string_view whole = number.substr(0, point);
  const absl::string_view fraction =
      point == absl::string_view::npos ? absl::string_view() : number.substr(point + 1);
  if (!IsDigits(whole) || !IsDigits(fraction) || whole.size() + fraction.size() == 0) {
    return std::nullopt;
  }
  // Of all digits, so many stand before the point.
  std::string digits = absl::StrCat(whole, fraction);
  int before = static_cast<int>(whole.size()) + exponent + shift;
  if (before < 0) {
    digits.insert(0, static_cast<size_t>(-before), '0');
    before = 0;
  }
  if (static_cast<size_t>(before) > digits.size()) digits.resize(static_cast<size_t>(before), '0');
  return absl::StrCat(digits.substr(0, before), ".", digits.substr(before));
}

}  // namespace

absl::StatusOr<Json> ParseFeed(absl::string_view text) {
  if (text.size() > kFeedBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the feed has ", text.size(), " bytes; at most 16 MiB are allowed"));
  }
  return ParseExactJson(text);
}

absl::Status CheckFeedRows(size_t rows) {
  if (rows <= kFeedRowsMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the feed comes to more than ", kFeedRowsMax, " rows of prices"));
}

void FeedWarnings::Add(absl::string_view what, absl::string_view row) {
  Rows& rows = rows_[std::string(what)];
  if (++rows.count <= kRowsShown) rows.first.emplace_back(row);
}

std::vector<std::string> FeedWarnings::Texts() const {
  std::vector<std::string> texts;
  for (const auto& [what, rows] : rows_) {
    texts.push_back(absl::StrCat(what, ": ", absl::StrJoin(rows.first, ", ")));
    if (rows.count > kRowsShown)
      absl::StrAppend(&texts.back(), " and ", rows.count - kRowsShown, " more");
  }
  return texts;
}

absl::StatusOr<int64_t> ReadNanoUsd(const Json& value, int shift, bool* rounded) {
  std::optional<std::string> plain;
  std::string shown = absl::StrCat("an ", value.type_name());
  if (value.is_number() || value.is_boolean()) shown = value.dump();
  if (value.is_number_unsigned()) plain = PlainDecimal(shown, shift);
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    plain = text.size() > 400 ? std::nullopt : PlainDecimal(text, shift);
    shown = absl::StrCat("\"", usage::Shortened(text, 40), "\"");
  }
  if (!plain) {
    return usage::FieldError(
        "", absl::StrCat("is ", shown, "; must be a number of USD that is not negative"));
  }
  auto nanousd = ParseUsd(*plain, rounded);
  if (!nanousd.ok()) {
    return usage::FieldError("", absl::StrCat("is ", shown, "; that is too large for a price"));
  }
  return nanousd;
}

absl::StatusOr<std::string> ReadFeedText(const Json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end()) return usage::FieldError(field, "is missing; it must be text");
  if (!found->is_string()) return usage::FieldError(field, "must be text");
  const auto& text = found->get_ref<const std::string&>();
  RETURN_IF_ERROR(usage::ValidateText(field, text, 1, usage::kDimensionBytesMax));
  return text;
}

std::string PrintableText(const Json& value) {
  if (!value.is_string()) return "";
  const absl::string_view text =
      usage::Shortened(value.get_ref<const std::string&>(), usage::kDimensionBytesMax);
  return usage::ValidateText("source", text, 0, text.size()).ok() ? std::string(text) : "";
}

void SetPrice(absl::string_view token_class, int64_t nanousd_per_million, Price& price) {
  for (int i = 0; i < usage::kTokenClasses; ++i) {
    absl::string_view name = usage::TokenClassName(static_cast<usage::TokenClass>(i));
    if (!absl::ConsumeSuffix(&name, "_tokens") || name != token_class) continue;
    price.per_million[i] = nanousd_per_million;
    return;
  }
  price.other[std::string(token_class)] = nanousd_per_million;
}

const std::map<std::string, std::vector<std::string>>& ProviderNames() {
  static const auto* names = [] {
    const auto text = bursar::ProviderNames().front().text;
    return new std::map<std::string, std::vector<std::string>>(
        Json::parse(text).get<std::map<std::string, std::vector<std::string>>>());
  }();
  return *names;
}

}  // namespace bursar::pricing
