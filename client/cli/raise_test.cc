#include <google/protobuf/util/message_differencer.h>

#include "cli/period.h"
#include "cli/program_fixture.h"
#include "cli/raise_command.h"

namespace bursar::cli {
namespace {

const absl::Time kNow = *ParseTime("2026-11-22T14:00:00Z", absl::UTCTimeZone());

v1::Budget Proto(const std::string& text) {
  v1::Budget budget;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &budget)) << text;
  return budget;
}

// `budget` after `bursar budgets raise` with these words, or what was wrong.
StatusOr<v1::Budget> Raised(const std::string& budget, const Words& words) {
  CLI::App app;
  RaiseBudgetCommand command(app);
  Words all = {"raise", "user-day"};
  all.insert(all.end(), words.begin(), words.end());
  app.parse(Words(all.rbegin(), all.rend()));
  v1::Budget raised = Proto(budget);
  const Status status = command.Raise(kNow, &raised);
  if (!status.ok()) return status;
  return raised;
}

void ExpectEqual(const StatusOr<v1::Budget>& budget, const std::string& text) {
  ASSERT_TRUE(budget.ok()) << budget.status().ToString();
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*budget, Proto(text)))
      << budget->DebugString();
}

constexpr char kUserDay[] =
    "name: \"budgets/user-day\" limit_nanousd: 1000000000 group_by: \"user\"";

TEST(Raise, AddsAnOverrideInTheBudgetsUnit) {
  ExpectEqual(Raised(kUserDay, {"--group", "user=carol", "--to", "$20", "--for", "4h", "--reason",
                                "release week"}),
              std::string(kUserDay) + R"pb(
    overrides {
      group { key: "user" value: "carol" }
      limit: 20000000000
      expire_time { seconds: 1795370400 }
      reason: "release week"
    })pb");
  ExpectEqual(Raised("limit_calls: 10", {"--to", "20", "--reason", "r"}),
              R"pb(limit_calls: 10
                   overrides { limit: 20 reason: "r" })pb");
  ExpectEqual(Raised("limit_tokens: 10", {"--to", "20", "--until", "2026-11-22T14:00:01Z"}),
              R"pb(limit_tokens: 10
                   overrides {
                     limit: 20
                     expire_time { seconds: 1795356001 }
                   })pb");
}

TEST(Raise, ReplacesWhatHoldsNowForTheGroupAndDropsWhatIsOver) {
  ExpectEqual(Raised(R"pb(
                       limit_calls: 10
                       group_by: "user"
                       overrides {
                         group { key: "user" value: "carol" }
                         limit: 15
                       }
                       overrides {
                         group { key: "user" value: "carol" }
                         limit: 99
                         start_time { seconds: 1795399999 }
                       }
                       overrides {
                         group { key: "user" value: "dan" }
                         limit: 16
                       }
                       overrides {
                         group { key: "user" value: "eve" }
                         limit: 17
                         expire_time { seconds: 1795356000 }
                       }
                     )pb",
                     {"--group", "user=carol", "--to", "20"}),
              R"pb(
                limit_calls: 10
                group_by: "user"
                overrides {
                  group { key: "user" value: "dan" }
                  limit: 16
                }
                overrides {
                  group { key: "user" value: "carol" }
                  limit: 20
                }
                overrides {
                  group { key: "user" value: "carol" }
                  limit: 99
                  start_time { seconds: 1795399999 }
                }
              )pb");
}

TEST(Raise, SaysWhatDoesNotFitTheBudget) {
  const std::tuple<const char*, Words, const char*> kCases[] = {
      {kUserDay,
       {"--to", "20"},
       "budget \"user-day\" has a limit for each user; also --group user=VALUE would be right"},
      {kUserDay,
       {"--to", "20", "--group", "user=carol", "--group", "team=x"},
       "--group team=x does not fit: budget \"user-day\" has a limit for each user"},
      {"name: \"budgets/all\" limit_calls: 1",
       {"--to", "20", "--group", "user=carol"},
       "--group user=carol does not fit: budget \"all\" has one limit for all"},
      {"name: \"budgets/all\" limit_calls: 1",
       {"--to", "1.5"},
       "--to: \"1.5\" is no whole number; digits like 1200 would be right"},
      {"name: \"budgets/all\" limit_nanousd: 20000000000",
       {"--to", "20"},
       "--to: 20 is no raise: the limit of \"all\" is $20.00; more than that would be right, or "
       "`bursar budgets update` for a lower limit"},
      {"name: \"budgets/all\" limit_calls: 1",
       {"--to", "20", "--until", "2026-11-22T14:00:00Z"},
       "--until: the raise would be over at once; a time to come would be right"},
      {"name: \"budgets/all\" limit_calls: 1",
       {"--to", "20", "--for", "0s"},
       "--for: the raise would be over at once; a time to come would be right"},
  };
  for (const auto& [budget, words, message] : kCases) {
    const auto raised = Raised(budget, words);
    EXPECT_EQ(raised.status().code(), StatusCode::kInvalidArgument) << message;
    EXPECT_EQ(raised.status().message(), message);
  }
}

using RaiseTest = ProgramTest;

TEST_F(RaiseTest, WritesTheOverridesAloneWithTheEtagAndReadsAgainAfterAConflict) {
  int reads = 0, writes = 0;
  server_.get_budget = [&](const v1::GetBudgetRequest& request, v1::GetBudgetResponse* response) {
    EXPECT_EQ(request.name(), "budgets/user-day");
    *response->mutable_budget() = Proto(kUserDay);
    response->mutable_budget()->set_etag("v" + std::to_string(++reads));
    return grpc::Status::OK;
  };
  server_.update_budget = [&](const v1::UpdateBudgetRequest& request,
                              v1::UpdateBudgetResponse* response) {
    if (++writes < 3) return grpc::Status(grpc::StatusCode::ABORTED, "was changed");
    EXPECT_EQ(request.budget().etag(), "v3");
    EXPECT_EQ(request.update_mask().ShortDebugString(), "paths: \"overrides\"");
    EXPECT_EQ(request.budget().overrides_size(), 1);
    *response->mutable_budget() = request.budget();
    return grpc::Status::OK;
  };
  const Words words = {"budgets", "raise",   "user-day",   "--group",  "user=carol",  "--to",
                       "20.5",    "--until", "2126-12-01", "--reason", "release week"};
  EXPECT_EQ(Run(words), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "budget  user-day\n"
            "group   user=carol\n"
            "limit   $20.50 instead of $1.00\n"
            "until   2126-12-01 00:00 UTC\n"
            "reason  release week\n");
  EXPECT_EQ(reads, 3);

  writes = -100;  // it does not go on for ever
  EXPECT_EQ(Run(words), 1);
  EXPECT_EQ(err_.str(), "bursar: was changed\n");
  EXPECT_EQ(writes, -95);
}

TEST_F(RaiseTest, RefusesWordsBeforeItAsksTheServer) {
  const std::pair<Words, const char*> kCases[] = {
      {{}, "which budget? `bursar budgets raise ID` with an id like run-cap would be right"},
      {{"b"}, "raise to what? --to 20 (US dollars, or tokens or calls) would be right"},
      {{"b", "--to", "much"},
       "--to: \"much\" is no amount; an amount in US dollars like 0.12 would be right"},
      {{"b", "--to", "20"},
       "why? --reason \"release week\" would be right: whoever looks later will ask"},
      {{"b", "--group", "carol"},
       "--group: \"carol\" is no group; dimension=value like user=carol would be right"},
      {{"b", "--group", "user=carol", "--group", "user=dan"}, "--group: user is given twice"},
      {{"b", "--for", "1h", "--until", "2126-12-01"}, "--for excludes --until"},
      {{"b", "--for", "long"},
       "--for: \"long\" is no length of time; a length of time like 850ms, 30s, 5m, 1h30m or 7d "
       "would be right"},
      {{"b", "--until", "soon"},
       "--until: \"soon\" is no time; 2026-11-22, 2026-11-22T14:30 or 2026-11-22T14:30:00Z would "
       "be right"},
  };
  for (const auto& [words, message] : kCases) {
    Words all = {"budgets", "raise"};
    all.insert(all.end(), words.begin(), words.end());
    EXPECT_EQ(Run(all), 2) << message;
    EXPECT_EQ(err_.str(), "bursar: " + std::string(message) + "\n");
    EXPECT_EQ(out_.str(), "");
  }
}

TEST_F(RaiseTest, FreezeAndUnfreezeSetTheStateAlone) {
  std::vector<std::string> sent;
  server_.update_budget = [&](const v1::UpdateBudgetRequest& request,
                              v1::UpdateBudgetResponse* response) {
    sent.push_back(request.ShortDebugString());
    // A change that met another one is repeated.
    if (sent.size() == 1) return grpc::Status(grpc::StatusCode::ABORTED, "met another");
    *response->mutable_budget() = request.budget();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"budgets", "freeze", "b"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "budget  b\nlimit   $0.00\nwindow  unspecified\nmode    hard\n"
            "state   frozen\n");
  EXPECT_EQ(Run({"budgets", "unfreeze", "budgets/b"}), 0) << err_.str();
  EXPECT_EQ(sent.back(),
            "budget { name: \"budgets/b\" state: STATE_ACTIVE } update_mask { paths: \"state\" }");
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[1],
            "budget { name: \"budgets/b\" state: STATE_FROZEN } update_mask { paths: \"state\" }");
  EXPECT_EQ(Run({"budgets", "freeze"}), 2);
  EXPECT_EQ(err_.str(),
            "bursar: which budget? `bursar budgets freeze ID` with an id like run-cap would be "
            "right\n");
}

}  // namespace
}  // namespace bursar::cli
