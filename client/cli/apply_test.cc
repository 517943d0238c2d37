// budgets apply: what it plans, and what it sends.
#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <fstream>
#include <map>

#include "cli/budget_plan.h"
#include "cli/period.h"
#include "cli/program_fixture.h"

namespace bursar::cli {
namespace {

const absl::Time kNow = *ParseTime("2026-11-22T14:00:00Z", absl::UTCTimeZone());

WantedBudget Wanted(const std::string& json) {
  auto wanted = ReadBudgets("{\"budgets\": [" + json + "]}");
  EXPECT_TRUE(wanted.ok()) << wanted.status().ToString();
  return wanted->at(0);
}

v1::Budget Existing(const std::string& text) {
  v1::Budget budget;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &budget)) << text;
  return budget;
}

// As the server answers: every default filled in.
constexpr char kTeam[] = R"pb(
  name: "budgets/team"
  selector { dimension: "team" values: "a" values: "b" }
  selector { dimension: "agent" values: "x" exclude: true }
  group_by: "user"
  group_by: "model"
  limit_nanousd: 5000000000
  window { kind: KIND_MONTH }
  mode: ENFORCEMENT_MODE_HARD
  threshold_percents: 75
  threshold_percents: 90
  threshold_percents: 100
  overrides {
    group { key: "user" value: "carol" }
    group { key: "model" value: "m" }
    limit: 7
    start_time { seconds: 1000 nanos: 1000 }
    reason: "r"
  }
  overrides {
    group { key: "user" value: "dan" }
    group { key: "model" value: "m" }
    limit: 8
    expire_time { seconds: 1000 }
  }
  state: STATE_FROZEN
  etag: "e1"
)pb";

constexpr char kSameTeam[] = R"({"id": "team", "limitNanousd": "5000000000",
  "window": {"kind": "KIND_MONTH", "timeZone": "UTC"}, "groupBy": ["model", "user"],
  "selector": [{"dimension": "agent", "values": ["x"], "exclude": true},
               {"dimension": "team", "values": ["b", "a", "b"]}])";

TEST(Plan, WhatMeansTheSameIsUnchanged) {
  for (const std::string more :
       {"", R"(, "thresholdPercents": [100, 75, 90])", R"(, "state": "STATE_FROZEN")",
        R"(, "overrides": [{"group": {"user": "carol", "model": "m"}, "limit": 7, "reason": "r"}])",
        R"(, "overrides": [{"group": {"user": "carol", "model": "m"}, "limit": 7, "reason": "r",
             "startTime": "1970-01-01T00:16:40.000001999Z"}])"}) {
    const auto plan = PlanBudgets({Wanted(kSameTeam + more + "}")}, {Existing(kTeam)}, true, kNow);
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    EXPECT_EQ(plan->unchanged, 1) << more;
    EXPECT_EQ(plan->size(), 0u) << more;
  }
}

TEST(Plan, AnOverrideWithoutAStartIsTheOneThatWasApplied) {
  v1::Budget existing = Existing(kTeam);
  existing.mutable_overrides(0)->clear_start_time();
  const auto plan = PlanBudgets({Wanted(std::string(kSameTeam) +
                                        R"(, "overrides": [{"limit": 7, "reason": "r",
                               "group": {"user": "carol", "model": "m"}}]})")},
                                {existing}, false, kNow);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->unchanged, 1);
}

TEST(Plan, SaysWhatChangesAndKeepsWhatTheFileDoesNotName) {
  const auto plan = PlanBudgets(
      {Wanted(R"({"id": "new", "limitCalls": 3, "window": {"kind": "KIND_DAY"}})"),
       Wanted(
           R"({"id": "team", "limitNanousd": 6000000000, "window": {"kind": "KIND_MONTH"},
            "groupBy": ["user", "model"], "mode": "ENFORCEMENT_MODE_SOFT",
            "thresholdPercents": [50],
            "displayName": "T", "expireTime": "2027-01-01T00:00:00Z",
            "selector": [{"dimension": "team", "values": ["a", "b"]},
                         {"dimension": "agent", "values": ["x"], "exclude": true}]})")},
      {Existing("name: \"budgets/old\" etag: \"o\""), Existing(kTeam)}, true, kNow);
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  ASSERT_EQ(plan->created.size(), 1u);
  EXPECT_EQ(plan->created[0].name(), "budgets/new");
  ASSERT_EQ(plan->deleted.size(), 1u);
  EXPECT_EQ(plan->deleted[0].etag(), "o");
  ASSERT_EQ(plan->updated.size(), 1u);
  const BudgetUpdate& update = plan->updated[0];
  std::string changes;
  for (const FieldChange& c : update.changes) changes += c.field + " " + c.from + "->" + c.to + "|";
  EXPECT_EQ(changes,
            "limit_nanousd $5.00->$6.00|display_name none->\"T\"|mode hard->soft|"
            "threshold_percents 75, 90, 100 %->50 %|expire_time none->2027-01-01T00:00:00Z|");
  EXPECT_EQ(update.budget.etag(), "e1");
  EXPECT_EQ(update.budget.state(), v1::Budget::STATE_FROZEN);
  EXPECT_EQ(update.budget.overrides_size(), 1);  // the other one is over
}

TEST(Plan, StateAndOverridesChangeWhereTheFileNamesThem) {
  const auto plan = PlanBudgets(
      {Wanted(std::string(kSameTeam) + R"(, "state": "STATE_ACTIVE", "overrides": []})")},
      {Existing(kTeam)}, false, kNow);
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->updated.size(), 1u);
  ASSERT_EQ(plan->updated[0].changes.size(), 2u);
  EXPECT_EQ(plan->updated[0].changes[0].to, "active");
  EXPECT_EQ(plan->updated[0].changes[1].from,
            "$0.000000007 for model=m, user=carol from 1970-01-01T00:16:40.000001Z (r)");
}

TEST(Plan, WhatIsFixedIsAnErrorThatNamesEach) {
  const auto plan =
      PlanBudgets({Wanted(
                      R"({"id": "team", "limitTokens": 5, "window": {"kind": "KIND_DAY"},
              "requireGroup": true})")},
                  {Existing(kTeam)}, false, kNow);
  EXPECT_EQ(plan.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(plan.status().message().find("delete the budget first"), std::string::npos);
  std::string fields;
  for (const auto& v : plan.status().field_violations())
    fields += v.field + ": " + v.description + "\n";
  EXPECT_EQ(fields,
            "team: selector is agent!=x team=a,b on the server and none in the file\n"
            "team: group_by is model, user on the server and none in the file\n"
            "team: require_group is no on the server and yes in the file\n"
            "team: window is month on the server and day in the file\n"
            "team: its limit is $5.00 on the server and 5 tokens in the file, another unit\n");
}

TEST(Plan, AnEmptyFileDoesNotDeleteEverything) {
  EXPECT_EQ(PlanBudgets({}, {Existing(kTeam)}, true, kNow).status().message(),
            "the file has no budget, and --prune would delete all 1 of the server; `bursar budgets "
            "delete ID` deletes one");
  EXPECT_EQ(PlanBudgets({}, {Existing(kTeam)}, false, kNow)->unnamed, 1);
  EXPECT_TRUE(PlanBudgets({}, {}, true, kNow).ok());
}

// Keeps budgets as the server does, in pages of two.
class ApplyTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    server_.list_budgets = [this](const v1::ListBudgetsRequest& request, auto* response) {
      auto at = budgets_.upper_bound(request.page_token());
      for (int i = 0; i < 2 && at != budgets_.end(); ++i, ++at) {
        *response->add_budgets() = at->second;
      }
      if (at != budgets_.end()) response->set_next_page_token(std::prev(at)->first);
      return grpc::Status::OK;
    };
    server_.create_budget = [this](const v1::CreateBudgetRequest& request, auto*) {
      const std::string name = "budgets/" + request.budget_id();
      if (budgets_.count(name) > 0) return grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "there");
      Keep(name, request.budget());
      return grpc::Status::OK;
    };
    server_.update_budget = [this](const v1::UpdateBudgetRequest& request, auto*) {
      if (meanwhile_) std::exchange(meanwhile_, nullptr)();
      if (budgets_.count(request.budget().name()) == 0) {
        return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is none");
      }
      const v1::Budget& budget = budgets_[request.budget().name()];
      if (budget.etag() != request.budget().etag()) {
        return grpc::Status(grpc::StatusCode::ABORTED, "was changed");
      }
      for (const auto& path : request.update_mask().paths()) masks_ += path + " ";
      v1::Budget changed = request.budget();
      Keep(request.budget().name(), changed);
      return grpc::Status::OK;
    };
    server_.delete_budget = [this](const v1::DeleteBudgetRequest& request, auto*) {
      EXPECT_EQ(request.etag(), budgets_[request.name()].etag());
      budgets_.erase(request.name());
      ++changes_;
      return grpc::Status::OK;
    };
  }

  void Keep(const std::string& name, v1::Budget budget) {
    budget.set_name(name);
    budget.set_etag("etag " + std::to_string(++changes_));
    budgets_[name] = budget;
  }

  int Apply(const std::string& json, const Words& flags = {}) {
    const std::string path = ::testing::TempDir() + "/apply_test.json";
    std::ofstream(path) << json;
    Words words = {"budgets", "apply", "-f", path};
    words.insert(words.end(), flags.begin(), flags.end());
    return Run(words);
  }

  std::map<std::string, v1::Budget> budgets_;
  std::function<void()> meanwhile_;  // what somebody else does before the next update
  std::string masks_;
  int changes_ = 0;
};

constexpr char kThree[] = R"({"budgets": [
  {"id": "a", "limitCalls": 1, "window": {"kind": "KIND_DAY"}},
  {"id": "b", "limitCalls": 2, "window": {"kind": "KIND_DAY"}},
  {"id": "c", "limitNanousd": 3000000000, "window": {"kind": "KIND_MONTH"}}]})";

constexpr char kTwo[] = R"({"budgets": [
  {"id": "a", "limitCalls": 10, "window": {"kind": "KIND_DAY"}},
  {"id": "b", "limitCalls": 2, "window": {"kind": "KIND_DAY"}, "mode": "ENFORCEMENT_MODE_SOFT"}]})";

TEST_F(ApplyTest, CreatesUpdatesPrunesAndIsThenANoOp) {
  EXPECT_EQ(Apply(kThree, {"--dry-run"}), 0) << err_.str();
  const std::string created =
      "+ create  a  1 calls, window day\n"
      "+ create  b  2 calls, window day\n"
      "+ create  c  $3.00, window month\n"
      "= 0 unchanged\n";
  EXPECT_EQ(out_.str(), created + "dry run: nothing was changed\n");
  EXPECT_EQ(changes_, 0);
  EXPECT_EQ(Apply(kThree), 0) << err_.str();
  EXPECT_EQ(out_.str(), created);
  EXPECT_EQ(Apply(kThree), 0);
  EXPECT_EQ(out_.str(), "= 3 unchanged\n");
  EXPECT_EQ(changes_, 3);

  EXPECT_EQ(Apply(kTwo), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "~ update  a\n    limit_calls: 1 calls -> 10 calls\n"
            "~ update  b\n    mode: hard -> soft\n"
            "= 0 unchanged, 1 not in the file (--prune would delete them)\n");
  EXPECT_EQ(masks_, "limit_calls mode ");
  EXPECT_EQ(Apply(kTwo, {"--prune"}), 0);
  EXPECT_EQ(out_.str(), "- delete  c\n= 2 unchanged\n");
  EXPECT_EQ(budgets_.size(), 2u);
  EXPECT_EQ(budgets_["budgets/a"].limit_calls(), 10);
}

TEST_F(ApplyTest, WhatListPrintsIsReadBackAsUnchanged) {
  EXPECT_EQ(Apply(kThree), 0);
  budgets_["budgets/b"].set_state(v1::Budget::STATE_FROZEN);
  budgets_["budgets/b"].add_overrides()->set_limit(7);
  EXPECT_EQ(Run({"budgets", "list", "--json"}), 0);
  const std::string listed = out_.str();
  EXPECT_EQ(Apply(listed, {"--prune"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "= 3 unchanged\n");
}

TEST_F(ApplyTest, DoesNotOverwriteWhatSomebodyElseDoesMeanwhile) {
  EXPECT_EQ(Apply(kThree), 0);
  meanwhile_ = [this] {
    v1::Budget frozen = budgets_["budgets/b"];
    frozen.set_state(v1::Budget::STATE_FROZEN);
    Keep("budgets/b", frozen);
    budgets_.erase("budgets/a");
  };
  masks_.clear();
  EXPECT_EQ(Apply(kTwo), 0) << err_.str();
  EXPECT_EQ(err_.str(), "bursar: somebody else changed a budget meanwhile; planning again\n");
  EXPECT_EQ(budgets_["budgets/b"].state(), v1::Budget::STATE_FROZEN);
  EXPECT_EQ(budgets_["budgets/b"].mode(), v1::ENFORCEMENT_MODE_SOFT);
  EXPECT_EQ(budgets_["budgets/a"].limit_calls(), 10);
}

TEST_F(ApplyTest, SaysHowFarItCame) {
  server_.create_budget = [this](const v1::CreateBudgetRequest& request, auto*) {
    if (request.budget_id() == "b") return grpc::Status(grpc::StatusCode::INTERNAL, "broken");
    Keep("budgets/" + request.budget_id(), request.budget());
    return grpc::Status::OK;
  };
  EXPECT_EQ(Apply(kThree), 1);
  EXPECT_EQ(err_.str(),
            "bursar: budget \"b\": broken\n"
            "bursar: 1 of 3 changes were made; running it again makes the others\n");
}

TEST_F(ApplyTest, AsJsonItIsOneDocument) {
  EXPECT_EQ(Apply(kThree), 0);
  EXPECT_EQ(Apply(kTwo, {"--prune", "--json", "--dry-run"}), 0);
  EXPECT_EQ(out_.str(), R"({
 "dryRun": true,
 "created": [],
 "updated": [
  {
   "id": "a",
   "changes": [
    {
     "field": "limit_calls",
     "from": "1 calls",
     "to": "10 calls"
    }
   ]
  },
  {
   "id": "b",
   "changes": [
    {
     "field": "mode",
     "from": "hard",
     "to": "soft"
    }
   ]
  }
 ],
 "deleted": [
  "c"
 ],
 "unchanged": 0,
 "notInFile": 0
}
)");
}

TEST_F(ApplyTest, RefusesWhatItCannotReadWithoutAskingTheServer) {
  server_.list_budgets = nullptr;
  EXPECT_EQ(Run({"budgets", "apply"}), 2);
  EXPECT_EQ(err_.str(),
            "bursar: apply what? -f budgets.json, or -f - for standard input, would be right\n");
  EXPECT_EQ(Run({"budgets", "apply", "-f", "/nowhere"}), 2);
  EXPECT_EQ(err_.str(), "bursar: cannot read /nowhere: No such file or directory\n");
  EXPECT_EQ(Run({"budgets", "apply", "-f", "/"}), 2);
  EXPECT_EQ(err_.str(), "bursar: cannot read /: Is a directory\n");
  EXPECT_EQ(Apply("{}"), 2);
  EXPECT_NE(err_.str().find("apply_test.json: there is no list \"budgets\""), std::string::npos);
}

}  // namespace
}  // namespace bursar::cli
