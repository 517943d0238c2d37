#include "cli/budget_file.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/parse.h"
#include "cli/period.h"
#include "cli/render.h"
#include "cli/unknown_field.h"

namespace bursar::cli {
namespace {

using Json = nlohmann::json;

constexpr size_t kIdBytesMax = 63;

Status Wrong(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

// nlohmann keeps the last of two equal keys, and a limit that was given twice must not pass.
StatusOr<Json> ParseStrictly(const std::string& text) {
  std::vector<std::set<std::string>> keys;
  std::string twice;
  const auto watch = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      twice = value.get<std::string>();
    }
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, watch);
  } catch (const Json::parse_error& error) {
    const size_t end = std::min(error.byte, text.size());
    const auto line = std::count(text.begin(), text.begin() + static_cast<long>(end), '\n') + 1;
    return Wrong("this is no JSON: line " + std::to_string(line) +
                 " cannot be read; "
                 "{\"budgets\": [{\"id\": \"user-day\", ...}]} would be right");
  }
  if (!twice.empty()) return Wrong("\"" + twice + "\" is given twice in one object");
  return json;
}

// protobuf says "(window.kind): invalid value "X" for type type.googleapis.com/..."; people know
// fields, not types.
std::string WithoutType(const std::string& message) {
  return message.substr(0, message.find(" for type type.googleapis.com"));
}

bool IsBudgetId(const std::string& id) {
  const auto small = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !id.empty() && id.size() <= kIdBytesMax && small(id[0]) &&
         std::all_of(id.begin(), id.end(),
                     [&](char c) { return small(c) || c == '-' || c == '_' || c == '.'; });
}

// Takes "id" and "name" out of `entry`; each says the same.
StatusOr<std::string> TakeId(const std::string& where, Json* entry) {
  std::string found;
  for (const char* key : {"id", "name"}) {
    if (!entry->contains(key)) continue;
    const Json value = (*entry)[key];
    entry->erase(key);
    if (!value.is_string()) return Wrong(where + ": \"" + key + "\" must be a text");
    const std::string id = BudgetId(value.get<std::string>());
    if (!found.empty() && id != found) {
      return Wrong(where + ": its id is \"" + found + "\" and its name \"" + id +
                   "\"; one of them would be right");
    }
    found = id;
  }
  if (found.empty()) return Wrong(where + " has no \"id\"; one like \"user-day\" would be right");
  if (!IsBudgetId(found)) {
    return Wrong(where + ": its id is \"" + found.substr(0, 80) +
                 "\"; 1 to 63 of a-z, 0-9, - _ "
                 "and ., a letter or digit first, would be right");
  }
  return found;
}

Status CheckNumbers(const v1::Budget& budget) {
  if (budget.limit_case() == v1::Budget::LIMIT_NOT_SET) {
    return Wrong("has no limit; limitNanousd, limitTokens or limitCalls would be right");
  }
  if (budget.limit_nanousd() < 0 || budget.limit_tokens() < 0 || budget.limit_calls() < 0) {
    return Wrong("has a negative limit; 0 or more would be right");
  }
  for (const int percent : budget.threshold_percents()) {
    if (percent < 1 || percent > 1000) {
      return Wrong("has a threshold of " + std::to_string(percent) +
                   " %; 1 to 1000 would be right");
    }
  }
  return {};
}

Status CheckOverrides(const v1::Budget& budget) {
  const std::set<std::string> group_by(budget.group_by().begin(), budget.group_by().end());
  for (const v1::LimitOverride& entry : budget.overrides()) {
    std::set<std::string> given;
    for (const auto& [dimension, value] : entry.group()) given.insert(dimension);
    if (given != group_by) {
      return Wrong(
          "has an override whose group does not name each dimension of groupBy, and no "
          "other");
    }
    if (entry.limit() < 0) return Wrong("has an override with a negative limit");
  }
  return {};
}

// What the server would refuse too; here nothing has been changed yet.
Status CheckBudget(const v1::Budget& budget) {
  if (Status status = CheckNumbers(budget); !status.ok()) return status;
  if (Status status = CheckOverrides(budget); !status.ok()) return status;
  if (budget.window().kind() == v1::Window::KIND_UNSPECIFIED) {
    return Wrong("has no window; {\"kind\": \"KIND_MONTH\"} or another kind would be right");
  }
  if (const auto zone = LoadZone(budget.window().time_zone()); !zone.ok()) {
    return Wrong("has a wrong window: " + zone.status().message());
  }
  for (const v1::Filter& filter : budget.selector()) {
    if (filter.dimension().empty() || filter.values().empty()) {
      return Wrong("has a selector without dimension or values");
    }
  }
  return {};
}

int CountLimits(const Json& entry) {
  int count = 0;
  for (const char* key : {"limitNanousd", "limit_nanousd", "limitTokens", "limit_tokens",
                          "limitCalls", "limit_calls"}) {
    count += entry.contains(key) ? 1 : 0;
  }
  return count;
}

StatusOr<WantedBudget> ReadOne(const std::string& where, Json entry) {
  if (!entry.is_object()) return Wrong(where + " is no object like {\"id\": \"user-day\", ...}");
  const auto id = TakeId(where, &entry);
  if (!id.ok()) return id.status();
  const std::string budget_name = "budget \"" + *id + "\"";
  for (const char* key : {"etag", "createTime", "create_time", "updateTime", "update_time"}) {
    entry.erase(key);
  }
  const std::string unknown = UnknownField(entry, *v1::Budget::descriptor(), "a budget");
  if (!unknown.empty()) return Wrong(budget_name + ": " + unknown);
  if (CountLimits(entry) > 1) return Wrong(budget_name + " has two limits; one would be right");
  const auto names = [&](const char* key) { return entry.contains(key) && !entry[key].is_null(); };
  WantedBudget wanted{.names_state = names("state"), .names_overrides = names("overrides")};
  const auto status = google::protobuf::util::JsonStringToMessage(entry.dump(), &wanted.budget);
  if (!status.ok()) return Wrong(budget_name + ": " + WithoutType(std::string(status.message())));
  wanted.budget.set_name(BudgetName(*id));
  if (const Status wrong = CheckBudget(wanted.budget); !wrong.ok()) {
    return Wrong(budget_name + " " + wrong.message());
  }
  return wanted;
}

}  // namespace

StatusOr<std::vector<WantedBudget>> ReadBudgets(const std::string& text) {
  const auto json = ParseStrictly(text);
  if (!json.ok()) return json.status();
  if (!json->is_object() || !json->contains("budgets") || !(*json)["budgets"].is_array()) {
    return Wrong(
        "there is no list \"budgets\"; {\"budgets\": [{\"id\": \"user-day\", ...}]} would be "
        "right");
  }
  for (const auto& [key, value] : json->items()) {
    if (key == "budgets" || (key == "nextPageToken" && value == "")) continue;
    return Wrong("\"" + key + "\" is unknown beside \"budgets\"; nothing else belongs there");
  }
  std::vector<WantedBudget> wanted;
  std::set<std::string> names;
  for (const Json& entry : (*json)["budgets"]) {
    auto one = ReadOne("budgets[" + std::to_string(wanted.size()) + "]", entry);
    if (!one.ok()) return one.status();
    if (!names.insert(one->budget.name()).second) {
      return Wrong("budget \"" + BudgetId(one->budget.name()) + "\" is there twice");
    }
    wanted.push_back(*std::move(one));
  }
  return wanted;
}

}  // namespace bursar::cli
