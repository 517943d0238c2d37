#include "cli/budget_file.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

namespace bursar::cli {
namespace {

std::string File(const std::string& budget) { return "{\"budgets\": [" + budget + "]}"; }

TEST(BudgetFile, IsProtobufsJsonAndAnId) {
  const auto wanted = ReadBudgets(R"({"budgets": [
    {"id": "user-day", "limitNanousd": 20000000001, "groupBy": ["user"],
     "window": {"kind": "KIND_DAY", "timeZone": "Europe/Berlin"},
     "selector": [{"dimension": "team", "values": ["a", "b"], "exclude": true}],
     "thresholdPercents": [50], "mode": "ENFORCEMENT_MODE_SOFT", "displayName": "Day",
     "requireGroup": true, "expireTime": "2027-01-01T00:00:00Z"},
    {"name": "budgets/snake", "limit_tokens": "9223372036854775807",
     "window": {"kind": "KIND_HOUR"},
     "overrides": [{"limit": 5, "reason": "r"}], "state": "STATE_FROZEN", "etag": "e",
     "createTime": "2026-01-01T00:00:00Z", "update_time": "never"}],
    "nextPageToken": ""})");
  ASSERT_TRUE(wanted.ok()) << wanted.status().ToString();
  ASSERT_EQ(wanted->size(), 2u);
  const auto expect = [](const WantedBudget& one, const std::string& text) {
    v1::Budget expected;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &expected));
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(one.budget, expected))
        << one.budget.DebugString();
  };
  expect((*wanted)[0], R"pb(
    name: "budgets/user-day"
    display_name: "Day"
    selector { dimension: "team" values: "a" values: "b" exclude: true }
    group_by: "user"
    require_group: true
    limit_nanousd: 20000000001
    window { kind: KIND_DAY time_zone: "Europe/Berlin" }
    mode: ENFORCEMENT_MODE_SOFT
    threshold_percents: 50
    expire_time { seconds: 1798761600 })pb");
  EXPECT_FALSE((*wanted)[0].names_state);
  EXPECT_FALSE((*wanted)[0].names_overrides);
  expect((*wanted)[1], R"pb(
    name: "budgets/snake"
    limit_tokens: 9223372036854775807
    window { kind: KIND_HOUR }
    overrides { limit: 5 reason: "r" }
    state: STATE_FROZEN)pb");
  EXPECT_TRUE((*wanted)[1].names_state);
  EXPECT_TRUE((*wanted)[1].names_overrides);
}

TEST(BudgetFile, SaysWhichBudgetIsWrongAndHow) {
  const std::string kRest = R"("limitCalls": 1, "window": {"kind": "KIND_DAY"})";
  const std::pair<std::string, std::string> kCases[] = {
      {"{\"budgets\":\n\n[}",
       "this is no JSON: line 3 cannot be read; "
       "{\"budgets\": [{\"id\": \"user-day\", ...}]} would be right"},
      {"",
       "this is no JSON: line 1 cannot be read; {\"budgets\": [{\"id\": \"user-day\", ...}]} "
       "would be right"},
      {"[]",
       "there is no list \"budgets\"; {\"budgets\": [{\"id\": \"user-day\", ...}]} would be "
       "right"},
      {R"({"budgets": [], "version": 2})",
       "\"version\" is unknown beside \"budgets\"; nothing else belongs there"},
      {R"({"budgets": [], "nextPageToken": "x"})",
       "\"nextPageToken\" is unknown beside \"budgets\"; nothing else belongs there"},
      {File("1"), "budgets[0] is no object like {\"id\": \"user-day\", ...}"},
      {File("{" + kRest + "}"), "budgets[0] has no \"id\"; one like \"user-day\" would be right"},
      {File(R"({"id": 7, )" + kRest + "}"), "budgets[0]: \"id\" must be a text"},
      {File(R"({"id": "User", )" + kRest + "}"),
       "budgets[0]: its id is \"User\"; 1 to 63 of a-z, 0-9, - _ and ., a letter or digit first, "
       "would be right"},
      {File(R"({"id": "a", "name": "budgets/b", )" + kRest + "}"),
       "budgets[0]: its id is \"a\" and its name \"b\"; one of them would be right"},
      {File(R"({"id": "a", )" + kRest + R"(},{"name": "budgets/a", )" + kRest + "}"),
       "budget \"a\" is there twice"},
      {File(R"({"id": "a", "limitCalls": 2, )" + kRest + "}"),
       "\"limitCalls\" is given twice in one object"},
      {File(R"({"id": "a", "limit": 2, )" + kRest + "}"),
       "budget \"a\": \"limit\" is no field of a budget"},
      {File(R"({"id": "a", "limitNanoUsd": 2, )" + kRest + "}"),
       "budget \"a\": \"limitNanoUsd\" is no field of a budget; did you mean \"limitNanousd\"?"},
      {File(R"({"id": "a", "limitCalls": 2, "window": {"knd": "KIND_DAY"}})"),
       "budget \"a\": \"window.knd\" is no field of a budget; did you mean \"kind\"?"},
      {File(R"({"id": "a", "overrides": [{"limit": 1}, {"until": 2}], )" + kRest + "}"),
       "budget \"a\": \"overrides.until\" is no field of a budget"},
      {File(R"({"id": "a", "limitCalls": 1, "window": {"kind": "MONTHLY"}})"),
       "budget \"a\": (window.kind): invalid value \"MONTHLY\""},
      {File(R"({"id": "a", "limitNanousd": 1, )" + kRest + "}"),
       "budget \"a\" has two limits; one would be right"},
      {File(R"({"id": "a", "window": {"kind": "KIND_DAY"}})"),
       "budget \"a\" has no limit; limitNanousd, limitTokens or limitCalls would be right"},
      {File(R"({"id": "a", "limitCalls": -1, "window": {"kind": "KIND_DAY"}})"),
       "budget \"a\" has a negative limit; 0 or more would be right"},
      {File(R"({"id": "a", "limitCalls": 1})"),
       "budget \"a\" has no window; {\"kind\": \"KIND_MONTH\"} or another kind would be right"},
      {File(R"({"id": "a", "limitCalls": 1, "window": {"kind": "KIND_DAY", "timeZone": "Mars"}})"),
       "budget \"a\" has a wrong window: \"Mars\" is no known time zone; an IANA name like "
       "Europe/Berlin would be right"},
      {File(R"({"id": "a", "thresholdPercents": [0], )" + kRest + "}"),
       "budget \"a\" has a threshold of 0 %; 1 to 1000 would be right"},
      {File(R"({"id": "a", "groupBy": ["user"], "overrides": [{"limit": 1}], )" + kRest + "}"),
       "budget \"a\" has an override whose group does not name each dimension of groupBy, and no "
       "other"},
      {File(R"({"id": "a", "overrides": [{"limit": -1}], )" + kRest + "}"),
       "budget \"a\" has an override with a negative limit"},
      {File(R"({"id": "a", "selector": [{"dimension": "user"}], )" + kRest + "}"),
       "budget \"a\" has a selector without dimension or values"},
  };
  for (const auto& [text, message] : kCases) {
    const auto wanted = ReadBudgets(text);
    EXPECT_EQ(wanted.status().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(wanted.status().message(), message);
  }
}

}  // namespace
}  // namespace bursar::cli
