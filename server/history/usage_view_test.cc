#include "history/usage_view.h"

#include <gtest/gtest.h>

#include "usage/field_error.h"

namespace bursar::history {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'795'356'000);
constexpr absl::Duration kDay = absl::Hours(24);

// "field: what is wrong"; empty for a question that can be answered.
template <typename Query>
std::string Wrong(const Query& query) {
  const absl::Status status = Validate(query, kNow);
  EXPECT_EQ(status.ok(), !usage::FieldOf(status).has_value()) << status;
  return std::string(status.message());
}

UsageQuery Usage(absl::Time start, absl::Time end = absl::InfiniteFuture()) {
  UsageQuery query;
  query.start = start;
  query.end = end;
  return query;
}

TEST(UsageQuery, NeedsAStartOrATrace) {
  UsageQuery query;
  EXPECT_EQ(Wrong(query), "start_time: is missing; the range needs a start, or a trace_id");
  query.trace_id = "0af7";
  EXPECT_EQ(Wrong(query), "");
  query.end = kNow;
  EXPECT_EQ(Wrong(query), "");
  query.trace_id = std::string(65, 'a');
  EXPECT_EQ(Wrong(query).substr(0, 9), "trace_id:");
  query.trace_id = std::string("a\0b", 3);
  EXPECT_EQ(Wrong(query).substr(0, 9), "trace_id:");
  query.trace_id = "\xc3\x28";
  EXPECT_EQ(Wrong(query).substr(0, 9), "trace_id:");
}

TEST(UsageQuery, EndsAfterItsStartAndWithinTwentyYears) {
  EXPECT_EQ(Wrong(Usage(kNow - kDay)), "");
  EXPECT_EQ(Wrong(Usage(kNow + kDay)), "") << "nothing is there yet";
  EXPECT_EQ(Wrong(Usage(kNow, kNow)), "end_time: must be after start_time");
  EXPECT_EQ(Wrong(Usage(kNow, kNow - kDay)), "end_time: must be after start_time");
  EXPECT_EQ(Wrong(Usage(kNow - 366 * 20 * kDay, kNow)), "");
  const char kTooLong[] = "start_time: is more than 20 years before the end; ask for less";
  EXPECT_EQ(Wrong(Usage(kNow - 366 * 20 * kDay - absl::Seconds(1), kNow)), kTooLong);
  EXPECT_EQ(Wrong(Usage(kNow - 100 * 365 * kDay)), kTooLong) << "until now, too";
}

TEST(UsageQuery, KnowsTheDimensionsOfARecord) {
  UsageQuery query = Usage(kNow - kDay);
  query.filters = {{"label:env", {"prod"}}, {"guardrail", {"pii"}, true}, {"cost_basis", {"X"}}};
  EXPECT_EQ(Wrong(query), "");
  query.filters.push_back({"usr", {"x"}});
  EXPECT_EQ(Wrong(query).substr(0, 56),
            "filters[3].dimension: is \"usr\"; allowed are project, tea");
  query.filters = {{"user", {}}};
  EXPECT_EQ(Wrong(query), "filters[0].values: has 0 values; allowed are 1 to 1000");
}

TEST(RunQuery, BeginsSevenDaysAgoUnlessToldOtherwise) {
  RunQuery query;
  EXPECT_EQ(Wrong(query), "");
  query.end = kNow - 6 * kDay;
  EXPECT_EQ(Wrong(query), "");
  query.end = kNow - 8 * kDay;
  EXPECT_EQ(Wrong(query),
            "end_time: is more than 7 days ago, where a range starts that has no start_time; give "
            "one");
  query.start = kNow - 9 * kDay;
  EXPECT_EQ(Wrong(query), "");
  query.start = query.end;
  EXPECT_EQ(Wrong(query), "end_time: must be after start_time");
  query.start = kNow - 100 * 365 * kDay;
  EXPECT_EQ(Wrong(query), "start_time: is more than 20 years before the end; ask for less");
}

TEST(RunQuery, KnowsTheDimensionsOfASubjectAndOfAModelByName) {
  RunQuery query;
  for (const char* known : {"project", "team", "user", "agent", "workflow", "tool", "run",
                            "parent_run", "root_run", "provider", "model"}) {
    query.filters = {{known, {"x"}}};
    EXPECT_EQ(Wrong(query), "") << known;
  }
  for (const char* unknown : {"label:env", "outcome", "event_type", "region", "budget", ""}) {
    query.filters = {{unknown, {"x"}}};
    EXPECT_NE(Wrong(query).find("root_run, provider, model"), std::string::npos) << unknown;
  }
}

}  // namespace
}  // namespace bursar::history
