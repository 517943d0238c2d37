#include "cli/remedies.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "absl/strings/str_join.h"

namespace bursar::cli {
namespace {

// What is said of a denial, where the budgets that apply stand like `now`.
std::string Remedies(const std::string& denial, const std::vector<std::string>& now) {
  DeniedCheck check;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(denial, &check.denial)) << denial;
  for (const std::string& text : now) {
    check.now.emplace_back();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &check.now.back())) << text;
  }
  return absl::StrJoin(RemediesFor(check), "\n");
}

constexpr char kTokens[] = R"pb(
  reason: "BUDGET_HELD"
  amount: 50
  status { budget: "budgets/t" unit: UNIT_TOKENS limit: 100 spent: 60 reserved: 30 })pb";

TEST(Remedies, RaiseEveryBudgetThatHasNoRoom) {
  EXPECT_EQ(
      Remedies(kTokens,
               {R"pb(budget: "budgets/t" unit: UNIT_TOKENS limit: 100 spent: 60 remaining: 40)pb",
                R"pb(budget: "budgets/small"
                     group { key: "label:env" value: "it's" }
                     group { key: "root_run" value: "r 1" }
                     unit: UNIT_TOKENS
                     limit: 20
                     reserved: 20)pb",
                R"pb(budget: "budgets/soft" unit: UNIT_TOKENS mode: ENFORCEMENT_MODE_SOFT)pb",
                R"pb(budget: "budgets/money" unit: UNIT_COST limit: 1)pb",
                R"pb(budget: "budgets/wide" unit: UNIT_TOKENS limit: 50)pb"}),
      "raise the limit of t from 100 tokens to at least 110 tokens: bursar budgets raise t "
      "--to 110 --for 4h --reason WHY\n"
      "ask for less: 40 tokens is left of t\n"
      "raise the limit of small for label:env=it's, root_run=r 1 from 20 tokens to at least "
      "70 tokens: bursar budgets raise small --group 'label:env=it'\\''s' --group "
      "'root_run=r 1' --to 70 --for 4h --reason WHY\n"
      "waiting does not help: the call alone needs 50 tokens, more than the whole limit");
}

TEST(Remedies, WaitForHoldsOnlyWhereThatHelps) {
  EXPECT_EQ(Remedies(kTokens, {R"pb(budget: "budgets/t"
                                    group { key: "label:env" value: "x" }
                                    group { key: "parent_run" value: "p" }
                                    unit: UNIT_TOKENS
                                    limit: 100
                                    spent: 50
                                    reserved: 50)pb"}),
            "raise the limit of t for label:env=x, parent_run=p from 100 tokens to at least 150 "
            "tokens: bursar budgets raise t --group label:env=x --group parent_run=p --to 150 "
            "--for 4h --reason WHY\n"
            "wait until calls under way are settled: they hold 50 tokens of t for label:env=x, "
            "parent_run=p: bursar holds --budget t --label env=x --parent-run p");
}

TEST(Remedies, SayThatItFitsByNowOrNoLongerApplies) {
  EXPECT_EQ(
      Remedies(kTokens, {R"pb(budget: "budgets/t" unit: UNIT_TOKENS limit: 100 remaining: 100)pb"}),
      "it fits by now: 100 tokens is left of t; ask again, under the same request id if you "
      "like");
  EXPECT_EQ(Remedies(kTokens, {}),
            "t no longer applies to this call; ask again, under the same request id if you like");
}

TEST(Remedies, OfEveryOtherReason) {
  EXPECT_EQ(Remedies("reason: \"BUDGET_FROZEN\" status { budget: \"budgets/b\" }", {}),
            "b is no longer frozen; ask again, under the same request id if you like");
  DeniedCheck frozen{.frozen = true};
  frozen.denial.set_reason("BUDGET_FROZEN");
  frozen.denial.mutable_status()->set_budget("budgets/b");
  EXPECT_EQ(RemediesFor(frozen).at(0),
            "unfreeze b, when what it was stopped for is mended: bursar budgets unfreeze b");
  EXPECT_NE(Remedies("reason: \"PRICE_UNKNOWN\" model { provider: \"x\" name: \"y\" }", {})
                .find("add a price for x/y"),
            std::string::npos);
  EXPECT_NE(Remedies("reason: \"TOKENS_UNKNOWN\"", {}).find("give the check its tokens"),
            std::string::npos);
  EXPECT_NE(Remedies("reason: \"SUBJECT_INCOMPLETE\"", {}).find("a value for what is missing"),
            std::string::npos);
  EXPECT_EQ(Remedies("reason: \"RESERVATION_ENDED\"", {}), "ask with a new request id");
}

}  // namespace
}  // namespace bursar::cli
