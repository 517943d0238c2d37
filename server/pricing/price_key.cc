#include "pricing/price_key.h"

#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pricing/name_index.h"

namespace bursar::pricing {
namespace {

using Kind = usage::NamePattern::Kind;

std::string HoursText(const std::optional<DailyHours>& daily) {
  if (!daily) return "";
  return absl::StrCat(HourText(daily->start), "-", HourText(daily->end));
}

}  // namespace

std::string TextOf(const usage::NamePattern& pattern) {
  switch (pattern.kind()) {
    case Kind::kExact:
      break;
    case Kind::kPrefix:
      return absl::StrCat(pattern.text(), "*");
    case Kind::kSuffix:
      return absl::StrCat("*", pattern.text());
    case Kind::kContains:
      return absl::StrCat("*", pattern.text(), "*");
    case Kind::kRegex:
      return absl::StrCat("regex:", pattern.text());
  }
  return pattern.text();
}

std::string NameOf(const Price& price) {
  return absl::StrCat(price.provider, "/", TextOf(price.model));
}

std::string RowName(const Price& price) {
  std::string name = NameOf(price);
  if (!price.service_tier.empty()) absl::StrAppend(&name, ", tier ", price.service_tier);
  if (!price.region.empty()) absl::StrAppend(&name, ", region ", price.region);
  if (price.min_input_tokens > 0) {
    absl::StrAppend(&name, ", from ", price.min_input_tokens, " input tokens");
  }
  if (price.effective_time != absl::InfinitePast()) {
    absl::StrAppend(&name, ", from ", TimeText(price.effective_time));
  }
  if (price.daily) absl::StrAppend(&name, ", ", HoursText(price.daily), " UTC");
  return name;
}

std::string ModelKey(const Price& price) {
  const auto& model = price.model;
  return absl::StrCat(absl::AsciiStrToLower(price.provider), "\n", static_cast<int>(model.kind()),
                      "\n", model.kind() == Kind::kRegex ? model.text() : model.lowered());
}

std::string RowKey(const Price& price) {
  return absl::StrCat(ModelKey(price), "\n", absl::AsciiStrToLower(price.service_tier), "\n",
                      absl::AsciiStrToLower(price.region), "\n", price.min_input_tokens, "\n",
                      TimeText(price.effective_time), "\n", HoursText(price.daily));
}

bool ListedBefore(const Price& a, const Price& b) {
  const std::string provider_a = absl::AsciiStrToLower(a.provider);
  const std::string provider_b = absl::AsciiStrToLower(b.provider);
  if (provider_a != provider_b) return provider_a < provider_b;
  if (NameIndex::Before(a.model, b.model)) return true;
  if (NameIndex::Before(b.model, a.model)) return false;
  const auto rank = [](const Price& p) {
    return std::make_tuple(absl::AsciiStrToLower(p.service_tier), absl::AsciiStrToLower(p.region),
                           p.effective_time, HoursText(p.daily), p.min_input_tokens);
  };
  return rank(a) < rank(b);
}

std::string TimeText(absl::Time time) {
  if (time == absl::InfinitePast()) return "";
  return absl::FormatTime("%E4Y-%m-%d%ET%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

std::string HourText(absl::Duration since_midnight) {
  const int64_t seconds = absl::ToInt64Seconds(since_midnight);
  std::string text = absl::StrFormat("%02d:%02d", seconds / 3600, seconds / 60 % 60);
  if (seconds % 60 != 0) absl::StrAppendFormat(&text, ":%02d", seconds % 60);
  return text;
}

}  // namespace bursar::pricing
