#include "cli/parse.h"

#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"

namespace bursar::cli {
namespace {

constexpr int64_t kRowsMax = 10000;

}  // namespace

Status WrongValue(std::string_view text, std::string_view why, std::string_view right) {
  return {StatusCode::kInvalidArgument, "\"" + std::string(text) + "\" " + std::string(why) + "; " +
                                            std::string(right) + " would be right"};
}

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(absl::string_view(text.data(), text.size()));
}

std::vector<std::string> SplitCommas(std::string_view text) {
  std::vector<std::string> parts;
  for (absl::string_view part : absl::StrSplit(absl::string_view(text.data(), text.size()), ',')) {
    parts.emplace_back(absl::StripAsciiWhitespace(part));
  }
  return parts;
}

StatusOr<int64_t> ParseCount(std::string_view text) {
  int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, count);
  if (error == std::errc::result_out_of_range) {
    return WrongValue(text, "is too much", "at most 9223372036854775807");
  }
  if (error != std::errc() || at != end) {
    return WrongValue(text, "is no whole number", "digits like 1200");
  }
  if (count < 0) return WrongValue(text, "is negative", "0 or more");
  return count;
}

StatusOr<int32_t> ParseRows(std::string_view text) {
  const auto rows = ParseCount(text);
  if (!rows.ok()) return rows.status();
  if (*rows < 1 || *rows > kRowsMax) return WrongValue(text, "is out of range", "1 to 10000 rows");
  return static_cast<int32_t>(*rows);
}

StatusOr<double> ParseFraction(std::string_view text) {
  double fraction = 0;
  if (!absl::SimpleAtod(absl::string_view(text.data(), text.size()), &fraction) ||
      !(fraction >= 0 && fraction <= 1000)) {
    return WrongValue(text, "is no fraction", "0.8 for 80 %");
  }
  return fraction;
}

StatusOr<std::chrono::nanoseconds> ParseDuration(std::string_view text) {
  constexpr std::string_view kRight = "a length of time like 850ms, 30s, 5m, 1h30m or 7d";
  absl::Duration duration;
  if (!text.empty() && text.back() == 'd') {  // days, which abseil does not read
    const auto days = ParseCount(text.substr(0, text.size() - 1));
    if (days.ok() && *days <= 366) return std::chrono::nanoseconds(std::chrono::hours(24 * *days));
  }
  if (!absl::ParseDuration(absl::string_view(text.data(), text.size()), &duration)) {
    return WrongValue(text, "is no length of time", kRight);
  }
  if (duration < absl::ZeroDuration()) return WrongValue(text, "is negative", kRight);
  if (duration > absl::Hours(24 * 366)) return WrongValue(text, "is too long", kRight);
  return absl::ToChronoNanoseconds(duration);
}

StatusOr<std::pair<std::string, std::string>> ParseLabel(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return WrongValue(text, "is no label", "name=value like env=prod");
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

StatusOr<v1::Filter> ParseFilter(std::string_view text) {
  const size_t equals = text.find('=');
  const bool exclude = equals != std::string_view::npos && equals > 0 && text[equals - 1] == '!';
  const size_t name_end = exclude ? equals - 1 : equals;
  if (equals == std::string_view::npos || name_end == 0) {
    return WrongValue(text, "is no filter", "dimension=value,value or dimension!=value");
  }
  v1::Filter filter;
  filter.set_dimension(std::string(text.substr(0, name_end)));
  filter.set_exclude(exclude);
  for (std::string& value : SplitCommas(text.substr(equals + 1))) {
    filter.add_values(std::move(value));
  }
  return filter;
}

StatusOr<std::vector<int>> ParsePercents(std::string_view text) {
  std::vector<int> percents;
  for (const std::string& part : SplitCommas(text)) {
    const auto percent = ParseCount(part);
    if (!percent.ok() || *percent < 1 || *percent > 1000) {
      return WrongValue(text, "is no list of percentages", "numbers like 75,90");
    }
    percents.push_back(static_cast<int>(*percent));
  }
  return percents;
}

const Choices<v1::Window::Kind>& WindowKinds() {
  static const Choices<v1::Window::Kind> kinds = {
      {"lifetime", v1::Window::KIND_LIFETIME}, {"minute", v1::Window::KIND_MINUTE},
      {"hour", v1::Window::KIND_HOUR},         {"day", v1::Window::KIND_DAY},
      {"week", v1::Window::KIND_WEEK},         {"month", v1::Window::KIND_MONTH}};
  return kinds;
}

const Choices<v1::EnforcementMode>& EnforcementModes() {
  static const Choices<v1::EnforcementMode> modes = {{"hard", v1::ENFORCEMENT_MODE_HARD},
                                                     {"soft", v1::ENFORCEMENT_MODE_SOFT},
                                                     {"observe", v1::ENFORCEMENT_MODE_OBSERVE}};
  return modes;
}

const Choices<v1::Outcome>& Outcomes() {
  static const Choices<v1::Outcome> outcomes = {{"succeeded", v1::OUTCOME_SUCCEEDED},
                                                {"failed", v1::OUTCOME_FAILED},
                                                {"cancelled", v1::OUTCOME_CANCELLED},
                                                {"not-executed", v1::OUTCOME_NOT_EXECUTED},
                                                {"unknown", v1::OUTCOME_UNKNOWN}};
  return outcomes;
}

const Choices<v1::Budget::State>& BudgetStates() {
  static const Choices<v1::Budget::State> states = {{"active", v1::Budget::STATE_ACTIVE},
                                                    {"frozen", v1::Budget::STATE_FROZEN}};
  return states;
}

}  // namespace bursar::cli
