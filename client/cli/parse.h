#pragma once

#include <bursar/status.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bursar/v1/types.pb.h"

// Texts of the command line to values. Each error is INVALID_ARGUMENT with one sentence that names
// the text and what would be right.
namespace bursar::cli {

Status WrongValue(std::string_view text, std::string_view why, std::string_view right);

StatusOr<int64_t> ParseCount(std::string_view text);                              // "1200"
StatusOr<int32_t> ParseRows(std::string_view text);                               // 1 to 10000
StatusOr<double> ParseFraction(std::string_view text);                            // "0.8"
StatusOr<std::chrono::nanoseconds> ParseDuration(std::string_view text);          // "850ms", "7d"
StatusOr<std::pair<std::string, std::string>> ParseLabel(std::string_view text);  // "env=prod"
StatusOr<v1::Filter> ParseFilter(std::string_view text);          // "user=a,b", "team!=x"
StatusOr<std::vector<int>> ParsePercents(std::string_view text);  // "75,90"

std::string Lower(std::string_view text);
std::vector<std::string> SplitCommas(std::string_view text);

// Words to choose from, and what each means.
template <typename T>
using Choices = std::vector<std::pair<const char*, T>>;

const Choices<v1::Window::Kind>& WindowKinds();
const Choices<v1::EnforcementMode>& EnforcementModes();
const Choices<v1::Outcome>& Outcomes();
const Choices<v1::Budget::State>& BudgetStates();

// The value of the choice that `text` names. Case-insensitive; '-' and '_' are the same.
template <typename T>
StatusOr<T> ParseChoice(std::string_view text, const Choices<T>& choices) {
  std::string wanted = Lower(text);
  for (char& c : wanted) c = c == '_' ? '-' : c;
  std::string names;
  for (const auto& [name, value] : choices) {
    if (wanted == name) return value;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return WrongValue(text, "is unknown", "one of " + names);
}

}  // namespace bursar::cli
